"""Names of the official translation networks beside the layers of our Translator.

The official files are plain state dicts without DataParallel's prefix, one for each part:
`checkpoint-gen.pkl` and `checkpoint-dis.pkl`. The official code also makes instance norms that it
never calls (conv1 and conv8 of the generator, deconv8, conv1 and conv5 of the discriminator); these
are not read, and written as PyTorch creates them.
"""

from collections.abc import Mapping

import keras

from cen_keras.converters.pairs import Pair, conv_pairs, counter, norm_pairs, pair
from cen_keras.errors import InputError
from cen_keras.models.generator import Generator
from cen_keras.models.patch_gan import STRIDES, PatchDiscriminator
from cen_keras.models.translator import Translator

OFFICIAL_DEPTH = 8
OFFICIAL_FILTERS = 64
# What PyTorch puts into the tensors of a new InstanceNorm2d(affine=True, track_running_stats=True).
CREATED = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}


def _unused_norm(prefix: str, channels: int) -> list[Pair]:
    """Returns the pairs of a norm that the official code makes and does not call."""
    pairs = [Pair(f"{prefix}.{key}", (channels,), fill=fill) for key, fill in CREATED.items()]
    return [*pairs, counter(f"{prefix}.num_batches_tracked")]


def generator_pairs(model: Generator) -> list[Pair]:
    """Returns all pairs of a generator, in the official order.

    Raises:
        InputError: another depth than the official eight levels.
    """
    if model.depth != OFFICIAL_DEPTH:
        raise InputError(
            f"the official generator has {OFFICIAL_DEPTH} levels, this one {model.depth}; build it "
            f"with depth={OFFICIAL_DEPTH}."
        )
    names = {layer.name for layer in model.layers}
    pairs = [pair("alpha", model.get_layer("ensemble").alpha)]
    for half, theirs in (("encoder", "conv"), ("decoder", "deconv")):
        for level in range(1, model.depth + 1):
            prefix = f"{theirs}{level}"
            conv = model.get_layer(f"{half}{level}_conv")
            pairs += conv_pairs(f"{prefix}.{theirs}.module", conv)
            for index in range(len(model.modalities)):
                norm = f"{prefix}.insnorm_{theirs}.insnorm_{index}"
                if f"{half}{level}_norm" in names:
                    pairs += norm_pairs(norm, model.get_layer(f"{half}{level}_norm").norms[index])
                else:
                    pairs += _unused_norm(norm, conv.filters)
    return pairs


def discriminator_pairs(model: PatchDiscriminator) -> list[Pair]:
    """Returns all pairs of a discriminator, in the official order."""
    names = {layer.name for layer in model.layers}
    pairs = []
    for level in range(1, len(STRIDES) + 1):
        conv = model.get_layer(f"conv{level}")
        pairs += conv_pairs(f"conv{level}.conv.module", conv)
        norm = f"conv{level}.insnorm.module"
        if f"norm{level}" in names:
            pairs += norm_pairs(norm, model.get_layer(f"norm{level}"))
        else:
            pairs += _unused_norm(norm, conv.filters)
    return pairs


def part_of(model: keras.Model, state: Mapping) -> keras.Model:
    """Returns the part of a Translator that a state dict belongs to; another model as it is."""
    if not isinstance(model, Translator):
        return model
    of_generator = any(key == "alpha" or key.startswith("deconv") for key in state)
    return model.generator if of_generator else model.discriminator


def width_of(state: Mapping[str, object]) -> int:
    """Returns the width of the first convolution of a part, the official 64 where it is unknown."""
    shape = getattr(state.get("conv1.conv.module.bias"), "shape", ())
    return int(shape[0]) if len(shape) == 1 else OFFICIAL_FILTERS


def describe(state: Mapping[str, object]) -> str:
    """Returns a sentence on what a state dict seems to hold, for an error; "" if unknown."""
    if "conv1.conv.module.bias" not in state:
        return ""
    width = width_of(state)
    if "alpha" not in state:
        return f"It looks like a discriminator with {width} filters."
    streams = getattr(state["alpha"], "shape", ())
    count = streams[0] if len(streams) == 1 else "?"
    return f"It looks like a generator with {count} modalities and {width} filters."
