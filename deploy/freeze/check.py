"""The self-check of freezing: the plain model against the trained one, and where they part."""

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.graph import Call, Graph, output_names

from .emit import Emitter
from .lower import Lowering, inference
from .plan import Plan

LIMIT = 1e-4
"""Largest difference of an output, relative to its largest number. Folding norms and adding up in another order moves
outputs by 1e-7 to 1e-6 a layer's sum; a rule that forgets a bias or an activation moves them by a hundredth or more."""


def compare(trained: keras.Model, plain: keras.Model, lowering: Lowering) -> float:
    """Compares the outputs of both models on a seeded image of noise.

    Args:
        trained: the model that was frozen.
        plain: the frozen one, from {modality: image} to {output: tensor}.
        lowering: of the trained model, to find the first layer that differs.

    Returns:
        The largest difference, relative to the output's largest number.

    Raises:
        InputError: it is above `LIMIT`, or an output of either model is not finite.
    """
    rng = np.random.default_rng(0)
    shapes = {x.name: (1, *lowering.image_shape, x.shape[-1]) for x in trained.inputs}
    images = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    values = _values(trained, images)
    expected = dict(zip(output_names(trained.output), values[1], strict=True))
    made = plain({name: images[name] for name in plain.input}, training=False)
    for name in made:
        if not np.isfinite(keras.ops.convert_to_numpy(expected[name])).all():
            raise InputError(
                f"freeze: the trained model's {name!r} is NaN or infinite; the training diverged, "
                "take an earlier checkpoint."
            )
    # NumPy's maximum keeps NaN, which is no smaller than anything; Python's may drop it.
    worst = float(np.max([_difference(expected[name], made[name]) for name in made]))
    if not worst <= LIMIT:
        raise InputError(
            f"freeze: the plain model differs from the trained one by {worst:.2g} of the outputs' size (at most "
            f"{LIMIT:g}), first in {_first_difference(lowering, images, values[0])}. Nothing was written. Keep that "
            "layer as it is: deploy.freeze.register_rule(ITS_CLASS)(lambda *call: None)."
        )
    return worst


def _values(model: keras.Model, images: dict) -> tuple[dict[str, list], list]:
    """Returns what each call of a model gives in inference, by the call's name, and the outputs."""
    made: dict[str, list] = {}

    def run(call: Call, values):
        args, kwargs = call.fill(values.__getitem__)
        outputs = call.operation(*args, **{**kwargs, **inference(call.operation)})
        flat = keras.tree.flatten(outputs)
        made.setdefault(call.name, []).append(flat)
        return flat

    outputs = Graph(model).run([images[x.name] for x in model.inputs], run)
    return made, outputs


def _difference(expected, found) -> float:
    expected, found = (keras.ops.convert_to_numpy(x) for x in (expected, found))
    size = max(float(np.abs(expected).max()), 1e-12)
    return float(np.abs(expected - found).max()) / size


def _first_difference(lowering: Lowering, images: dict, values: dict[str, list]) -> str:
    """Returns the name and class of the first layer whose output the plain graph does not give."""
    # Once more: what is emitted has had its ranges made equal, and its single layers differ by that.
    fresh = Lowering(
        lowering.model, lowering.modalities, lowering.image_shape, lowering.join_ensemble
    )
    fresh.run()
    seen: dict[str, int] = {}
    for call, views in fresh.steps:
        number = seen[call.name] = seen.get(call.name, -1) + 1
        outputs = {f"output_{index}": view for index, view in enumerate(views)}
        plan = Plan(fresh.graph, {name: (view, view.stream) for name, view in outputs.items()})
        emitter = Emitter(plan, lowering.modalities, 1)
        emitter.run(outputs, lowering.image_shape)
        model = keras.Model(emitter.inputs, emitter.logits)
        found = model({name: images[name] for name in model.input}, training=False)
        expected = values[call.name][number]
        differences = [
            _difference(expected[index], found[f"output_{index}"]) for index in range(len(views))
        ]
        if not np.max(differences) <= LIMIT:
            return f"{call.name!r} ({type(call.operation).__name__})"
    return "no single layer: in how they were put together"
