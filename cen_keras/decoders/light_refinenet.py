"""Light-weight RefineNet (Nekrasov et al., BMVC 2018): the decoder for edge devices.

RefineNet with 1x1 convolutions in place of 3x3 ones and without residual units: each level is
reduced to a common width, joined with the upsampled coarser level, and passed through chained
residual pooling. Upsampling has half-pixel centres, which every engine takes in int8.
"""

import keras

from cen_keras.decoders.joining import DOWNWARDS, joining
from cen_keras.layers.blocks import add, batch_norm, conv, dropped, max_pool, relu
from cen_keras.layers.resize import resize_like

# PyTorch's default for convolutions, with which this decoder is known to train. No norm checks its
# sums: He's, with six times the variance, lets the first logits grow to thousands.
TORCH_DEFAULT = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
}


def chained_residual_pooling(
    x: keras.KerasTensor, filters: int, stages: int, name: str
) -> keras.KerasTensor:
    """Adds ever wider context: x + conv(pool(x)) + conv(pool(...)), each pool 5x5 with stride 1."""
    x = relu(x, name=f"{name}_relu")
    top = x
    for stage in range(1, stages + 1):
        top = max_pool(top, 5, name=f"{name}_pool{stage}")
        top = conv(top, filters, 1, name=f"{name}_conv{stage}", kernel_initializer=TORCH_DEFAULT)
        x = add(x, top, name=f"{name}_add{stage}")
    return x


def light_refinenet(
    features: dict[str, keras.KerasTensor],
    num_classes: int,
    *,
    filters: int = 256,
    pooling_stages: int = 4,
    dropout: float = 0.0,
    norm: bool = False,
    join: str | None = None,
) -> keras.KerasTensor:
    """Builds the decoder; see the contract in `cen_keras.decoders`.

    Args:
        features: levels "P2" to "P5".
        num_classes: channels of the logits.
        filters: common width of all levels.
        pooling_stages: pools in each chained residual pooling.
        dropout: rate before the classifier and on the two deepest levels.
        norm: normalise each level after its first convolution, for backbones whose features are of any size.
        join: level from which on the streams of a lifted network are one; see `cen_keras.decoders.joining`.

    Raises:
        InputError: `join` is no level.
    """
    features, above = joining(features, join)
    x = None
    for level in DOWNWARDS:
        name = f"decoder_{level.lower()}"
        lateral = features[level]
        if level in ("P5", "P4"):
            lateral = dropped(lateral, dropout, int(level[1]) * 100, f"{name}_dropout")
        lateral = conv(
            lateral, filters, 1, name=f"{name}_lateral", kernel_initializer=TORCH_DEFAULT
        )
        if norm:
            lateral = batch_norm(lateral, name=f"{name}_norm")
        if x is not None:
            x = conv(
                above(x, level), filters, 1, name=f"{name}_adapt", kernel_initializer=TORCH_DEFAULT
            )
            x = resize_like(x, lateral, name=f"{name}_resize")
            lateral = add(lateral, x, name=f"{name}_join")
        x = chained_residual_pooling(lateral, filters, pooling_stages, name=f"{name}_crp")
    x = relu(x, name="decoder_relu")
    x = dropped(x, dropout, 0, "decoder_dropout")
    return conv(
        x, num_classes, 3, use_bias=True, name="classifier", kernel_initializer="glorot_uniform"
    )
