"""Names of PyTorch's ResNets, as the official network wraps them, beside the layers of ours."""

import keras

from cen_keras.backbones.resnet import RESNETS
from cen_keras.converters.pairs import Pair, conv_pairs, norm_pairs
from cen_keras.errors import InputError

# Ours -> theirs inside a residual block of the encoder; the shortcut's projection comes last.
BLOCK = (
    ("conv1", "conv1"),
    ("norm1", "bn1"),
    ("conv2", "conv2"),
    ("norm2", "bn2"),
    ("conv3", "conv3"),
    ("norm3", "bn3"),
    ("conv0", "downsample.0"),
    ("norm0", "downsample.1"),
)


def layer_pairs(model: keras.Model, ours: str, theirs: str) -> list[Pair]:
    """Returns the pairs of one layer: of a convolution, of a norm, or of the norms of all modalities."""
    layer = model.get_layer(ours)
    if hasattr(layer, "norms"):
        return [
            p for i, norm in enumerate(layer.norms) for p in norm_pairs(f"{theirs}.bn_{i}", norm)
        ]
    if isinstance(layer, keras.layers.BatchNormalization):
        return norm_pairs(f"{theirs}.bn_0", layer)
    return conv_pairs(f"{theirs}.module", layer)


def encoder_pairs(model: keras.Model, backbone: str) -> list[Pair]:
    """Returns the pairs of a ResNet encoder, lifted or plain.

    Args:
        model: the network.
        backbone: name of its backbone.

    Raises:
        InputError: the backbone is not a ResNet in torchvision's layout.
    """
    built = getattr(RESNETS.get(backbone), "keywords", {})
    if "blocks" not in built or "stem_size" in built:
        known = [name for name in RESNETS if name.startswith("resnet")]
        raise InputError(
            f"backbone {backbone!r} has no counterpart among PyTorch's ResNets; choose one "
            f"of {', '.join(known)}."
        )
    present = {layer.name for layer in model.layers}
    names = [("stem_conv", "conv1"), ("stem_norm", "bn1")]
    for stage, count in enumerate(built["blocks"], start=1):
        for block in range(count):
            for ours, theirs in BLOCK:
                name = f"stack{stage}_block{block + 1}_{ours}"
                if name in present:
                    names.append((name, f"layer{stage}.{block}.{theirs}"))
    return [p for ours, theirs in names for p in layer_pairs(model, ours, theirs)]
