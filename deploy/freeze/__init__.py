"""Freeze: a trained CEN as a plain network in which the exchange costs nothing.

After training the scales are constants, so Eq. 6 is a constant choice of channels. Take the
convolution before an exchange, its filters shared by two modalities, its norms folded in:

    channel           0    1    2    3    4    5            rgb stream reads     depth stream reads
    rgb computes      K    S1   .    K    S1   .            own K, S1, S2        own K, S1, S2
    depth computes    K    .    S2   K    .    S2

K is kept by both, S1 computed for rgb and used by both, S2 computed for depth and used by both; the
dots are channels nobody reads, and they are never computed. With all that is penalised exchanged
this layer costs two modalities what it costs one. The next convolution reads Concat(own K, S1, S2),
its kernel permuted once: no gather, no where, no mask. Norms, dropout, tiling, unused heads and
(where only it is wanted) the ensemble fold away as well. With three
modalities or more a replaced channel is a mean: one Add per donor, the division folded into the
next kernel.

    plain = freeze(model, outputs="ensemble", image_shape=(480, 640))

The plain model gives the trained model's inference output to 1e-5 relative, and `freeze` compares the two before it
returns. A layer without a rule is kept as it was, on whole streams. Read on: ir (nodes and views of channels), rules,
stream_rules and lower (Keras to nodes), equalise (ranges for 8 bits), plan (who needs which channel), emit (nodes to
Keras), check.
"""

from collections.abc import Sequence

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.graph import functional, output_names
from cen_keras.metrics.exchange_rate import norm_layers

from .check import compare
from .emit import Emitter
from .equalise import equalise
from .heads import head_of
from .lower import Lowering, input_names
from .plan import Plan
from .rules import register_rule

__all__ = ["freeze", "freeze_with_report", "register_rule"]


def freeze(
    model: keras.Model,
    outputs: str | Sequence[str] = "all",
    image_shape: tuple[int, int] | None = None,
    batch: int | None = 1,
    head: str = "logits",
) -> keras.Model:
    """Returns a plain functional model equal to `model` in inference.

    Args:
        model: a trained `Segmenter` or `Translator`, what `cen_keras.lift` gives, or any functional model over
            streams. Layers without a rule stay as they are; so do norms of each image's own statistics.
        outputs: "all", or the name or names to keep: a modality or "ensemble"; of a model with several outputs of
            streams "P2_rgb".
        image_shape: (height, width) of the inputs; by default the model's own.
        batch: fixed batch size, or None for any.
        head: "logits", "upsampled" (logits at the size of the image) or "classes" (its arg-max).

    Returns:
        A model from {modality: (batch, height, width, channels) float32} to {output: tensor}; what else the trained
        model takes stays an input.

    Raises:
        InputError: a model that is not functional, an unknown output or head, a size that is not known, inputs that
            are no images of one size, a fusion that cannot be frozen, outputs that are not finite, or a plain model
            that differs from the trained one; the first differing layer is named.
    """
    return freeze_with_report(model, outputs, image_shape, batch, head)[0]


def freeze_with_report(
    model: keras.Model,
    outputs: str | Sequence[str] = "all",
    image_shape: tuple[int, int] | None = None,
    batch: int | None = 1,
    head: str = "logits",
) -> tuple[keras.Model, dict]:
    """Freezes as `freeze` does and describes what was saved.

    Returns:
        The plain model, and a dict with `outputs`, `inputs`, `image_shape`, `macs` and `parameters`
        (each before and after, per image), `layers`: for each exchanging norm its channels and
        how many of its own each modality gives up, `opaque`: names of the layers that were kept as they were, and
        `difference`: the largest one between the two models' outputs, relative to the outputs.
    """
    # Of a Translator only the generator is of use outside training.
    model = getattr(model, "generator", model)
    functional(model)
    modalities = modalities_of(model)
    _check_fusion(model)
    _check_inputs(model)
    image_shape = _image_shape(model, image_shape)
    names = output_names(model.output)
    wanted = _wanted(model, names, outputs)
    streams_wanted = [name for name in wanted if name != "ensemble"]
    lowering = Lowering(model, modalities, image_shape, join_ensemble=not streams_wanted)
    views = dict(zip(names, lowering.run(), strict=True))
    equalise(lowering.graph, views.values())
    plan = Plan(lowering.graph, {name: (views[name], views[name].stream) for name in wanted})
    emitter = Emitter(plan, modalities, batch)
    plain = emitter.run({name: views[name] for name in wanted}, image_shape, head_of(head))
    difference = compare(model, keras.Model(emitter.inputs, emitter.logits), lowering)
    streams = [name for name in names if name != "ensemble"]
    trained = Plan(lowering.graph, {name: (views[name], None) for name in streams})
    report = {
        "outputs": list(wanted),
        "image_shape": list(image_shape),
        "inputs": list(_in_order(plain.input, modalities)),
        "macs": {"before": _macs_as_trained(trained), "after": _macs_frozen(plan)},
        "parameters": {"before": model.count_params(), "after": plain.count_params()},
        "layers": _replaced_channels(model),
        "opaque": list(lowering.opaque),
        "difference": difference,
    }
    return plain, report


def modalities_of(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of a model's streams in their order: that of its norms, or of its inputs."""
    if hasattr(model, "modalities"):
        return tuple(model.modalities)
    known = [layer.modalities for layer in norm_layers(model)]
    return max(known, key=len) if known else tuple(input_names(model))


def _check_fusion(model):
    fusion = getattr(model, "fusion", None)
    if fusion is not None:
        name = fusion.name
        if name not in ("exchange", "criterion", "none") and len(model.modalities) > 1:
            raise InputError(
                f"freezing takes nets that exchange channels or whose streams stay apart; this one fuses "
                f"by {name}, which is there for comparison in training only."
            )


def _check_inputs(model):
    sizes = {}
    for image in model.inputs:
        shape = tuple(image.shape)
        if len(shape) != 4 or shape[3] is None:
            raise InputError(
                f"freeze: input {image.name!r} has shape {shape}; wanted an image, "
                "(batch, height, width, channels) of known channels. Give it as a map of that size."
            )
        if None not in shape[1:3]:
            sizes.setdefault(shape[1:3], image.name)
    if len(sizes) > 1:
        found = ", ".join(f"{name!r} {size}" for size, name in sizes.items())
        raise InputError(
            f"freeze: the inputs have different sizes: {found}; wanted one height and width for all. "
            "Resize inside the model."
        )


def _image_shape(model, image_shape):
    own = getattr(model, "image_shape", None) or tuple(model.inputs[0].shape[1:3])
    shape = tuple(image_shape or own)
    if len(shape) != 2 or None in shape:
        raise InputError(
            f"freezing needs a fixed image size; found {shape}. Pass image_shape=(height, width), "
            "e.g. (480, 640)."
        )
    if hasattr(model, "check_image_shape"):
        model.check_image_shape(shape)
    return shape


def _wanted(model, names: list[str], outputs) -> tuple[str, ...]:
    if outputs == "all":
        return _in_order(names, (*modalities_of(model), "ensemble"))
    wanted = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise InputError(f'outputs {unknown or wanted} unknown; choose "all" or some of {names}.')
    return wanted


def _in_order(names, order: tuple[str, ...]) -> tuple[str, ...]:
    """Sorts names as in `order`, others behind them."""
    return tuple(sorted(names, key=lambda n: order.index(n) if n in order else len(order)))


def _macs_as_trained(plan: Plan) -> int:
    """Multiply-adds when every stream computes every channel of every layer."""
    return sum(node.macs_per_channel * node.channels for node in plan.convolutions())


def _macs_frozen(plan: Plan) -> int:
    return sum(node.macs_per_channel * plan.live_channels(node) for node in plan.convolutions())


def _replaced_channels(model) -> dict[str, dict[str, int]]:
    replaced = {}
    for layer in norm_layers(model):
        if layer.exchange_threshold is None:
            continue
        scores = [np.abs(keras.ops.convert_to_numpy(score)) for score in layer.exchange_scores()]
        replaced[layer.name] = {
            "channels": len(scores[0]),
            **{
                m: int((scores[i][layer.own_part(m)] < layer.exchange_threshold).sum())
                for i, m in enumerate(layer.modalities)
            },
        }
    return replaced
