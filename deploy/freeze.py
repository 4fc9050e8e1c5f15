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

The plain model gives the trained model's inference output to 1e-5 relative. `deploy/graph` holds
the machinery: ir (nodes and views of channels), lower (Keras to nodes), plan (who needs which
channel), emit (nodes to Keras).
"""

from collections.abc import Sequence

import keras
import numpy as np

from cen_keras.errors import InputError

from .graph.emit import Emitter
from .graph.heads import head_of
from .graph.lower import Lowering
from .graph.plan import Plan


def freeze(
    model: keras.Model,
    outputs: str | Sequence[str] = "all",
    image_shape: tuple[int, int] | None = None,
    batch: int | None = 1,
    head: str = "logits",
) -> keras.Model:
    """Returns a plain functional model equal to `model` in inference.

    Args:
        model: a trained `Segmenter` or `Translator`, or another functional model over streams with
            an attribute `modalities`. Instance norms stay, since they are of each image.
        outputs: "all", or the name or names to keep: a modality or "ensemble".
        image_shape: (height, width) of the inputs; by default the model's own.
        batch: fixed batch size, or None for any.
        head: "logits", "upsampled" (logits at the size of the image) or "classes" (its arg-max).

    Returns:
        A model from {modality: (batch, height, width, channels) float32} to {output: logits}, made
        of Conv2D, DepthwiseConv2D, ReLU, Add, Concatenate, pooling, padding and resizing layers
        only.

    Raises:
        InputError: an unknown output or head, a size that is not known, or a layer or fusion that cannot be frozen.
    """
    return freeze_with_report(model, outputs, image_shape, batch, head)[0]


def freeze_with_report(
    model: keras.Model,
    outputs: str | Sequence[str] = "all",
    image_shape: tuple[int, int] | None = None,
    batch: int | None = 1,
    head: str = "logits",
) -> tuple[keras.Model, dict]:
    """Freezes as `freeze` does and tells what was saved.

    Returns:
        The plain model, and a dict with `outputs`, `inputs`, `image_shape`, `macs` and `parameters`
        (each before and after, per image) and `layers`: for each exchanging norm its channels and
        how many of its own each modality gives up.
    """
    # Of a Translator only the generator is of use outside training.
    model = getattr(model, "generator", model)
    modalities = tuple(model.modalities)
    _check_fusion(model)
    image_shape = _image_shape(model, image_shape)
    wanted = _wanted(model, outputs)
    streams_wanted = [name for name in wanted if name != "ensemble"]
    lowering = Lowering(model, modalities, image_shape, join_ensemble=not streams_wanted)
    views = lowering.run()
    needed = {
        name: (views[name], modalities.index(name) if name in modalities else None)
        for name in wanted
    }
    plan = Plan(lowering.graph, needed)
    plain = Emitter(plan, modalities, batch).run(
        {name: views[name] for name in wanted}, image_shape, head_of(head)
    )
    streams = Plan(lowering.graph, {name: (views[name], None) for name in modalities})
    report = {
        "outputs": list(wanted),
        "image_shape": list(image_shape),
        "inputs": [name for name in modalities if name in plain.input],
        "macs": {"before": _macs_as_trained(streams), "after": _macs_frozen(plan)},
        "parameters": {"before": model.count_params(), "after": plain.count_params()},
        "layers": _replaced_channels(model),
    }
    return plain, report


def _check_fusion(model):
    fusion = getattr(model, "fusion", None)
    if fusion and fusion.method not in ("exchange", "none") and len(model.modalities) > 1:
        raise InputError(
            f"freezing takes nets that exchange channels or whose streams stay apart; this one fuses "
            f"by {fusion.method}, which is there for comparison in training only."
        )


def _image_shape(model, image_shape):
    shape = tuple(image_shape or getattr(model, "image_shape", (None, None)))
    if len(shape) != 2 or None in shape:
        raise InputError(
            f"freezing needs a fixed image size; found {shape}. Pass image_shape=(height, width), "
            "e.g. (480, 640)."
        )
    if hasattr(model, "check_image_shape"):
        model.check_image_shape(shape)
    return shape


def _wanted(model, outputs) -> tuple[str, ...]:
    names = (*model.modalities, "ensemble")
    if outputs == "all":
        return names
    wanted = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise InputError(f'outputs {unknown or wanted} unknown; choose "all" or some of {names}.')
    return wanted


def _macs_as_trained(plan: Plan) -> int:
    """Multiply-adds when every stream computes every channel of every layer."""
    return sum(node.macs_per_channel * node.channels for node in plan.convolutions())


def _macs_frozen(plan: Plan) -> int:
    return sum(node.macs_per_channel * plan.live_channels(node) for node in plan.convolutions())


def _replaced_channels(model) -> dict[str, dict[str, int]]:
    exchanging = {
        layer.name: layer
        for layer in model.layers
        if getattr(layer, "exchange_threshold", None) is not None
    }
    replaced = {}
    for name, layer in exchanging.items():
        scores = [np.abs(keras.ops.convert_to_numpy(score)) for score in layer.exchange_scores()]
        replaced[name] = {
            "channels": len(scores[0]),
            **{
                m: int((scores[i][layer.own_part(m)] < layer.exchange_threshold).sum())
                for i, m in enumerate(layer.modalities)
            },
        }
    return replaced
