"""RefineNet (Lin et al., CVPR 2017), exactly as CEN's official code computes it.

Each level is adapted by residual units, joined with the upsampled coarser level, passed through
chained residual pooling and through residual units again:

    P5 -> lateral -> RCU x2 ------------> relu -> CRP -> RCU x3 -> up
                                                                   |
    P4 -> lateral -> RCU x2 -> join ---> (+) <-- upsampled --------+
                                          |
                                          +----> relu -> CRP -> RCU x3 -> up -> P3 ...

What the official code does and a reader of the paper would not expect:

- its ReLU works in place and so rectifies the residual: a unit is conv2(relu(conv1(relu(x)))) +
  relu(x), not + x. Weights of the original RefineNet, whose residual is x, need the other unit;
- only the first convolution of a residual unit has a bias, and so has the classifier;
- upsampling aligns corners and aims at the exact size of the finer level (63 -> 125, not 126);
- the pools see negative values from the second one on, so their padding must not be zero.
"""

import keras

from cen_keras.decoders.joining import DOWNWARDS
from cen_keras.layers.blocks import add, conv, dropped, max_pool, relu
from cen_keras.layers.resize import resize_like


def residual_units(x: keras.KerasTensor, filters: int, units: int, name: str) -> keras.KerasTensor:
    """Residual convolution units with a rectified residual; no ReLU after the last one."""
    for unit in range(1, units + 1):
        block = f"{name}_block{unit}"
        x = relu(x, name=f"{block}_relu1")
        y = conv(x, filters, 3, use_bias=True, name=f"{block}_conv1")
        y = relu(y, name=f"{block}_relu2")
        y = conv(y, filters, 3, name=f"{block}_conv2")
        x = add(y, x, name=f"{block}_add")
    return x


def chained_residual_pooling(
    x: keras.KerasTensor, filters: int, stages: int, name: str
) -> keras.KerasTensor:
    """Adds ever wider context: x + f(x) + f(f(x)) + ..., each f a 5x5 pool and a convolution."""
    top = x
    for stage in range(1, stages + 1):
        top = max_pool(top, 5, name=f"{name}_pool{stage}")
        top = conv(top, filters, 3, name=f"{name}_conv{stage}")
        x = add(top, x, name=f"{name}_add{stage}")
    return x


def refinenet(
    features: dict[str, keras.KerasTensor],
    num_classes: int,
    *,
    filters: int = 256,
    deep_filters: int = 512,
    pooling_stages: int = 4,
    dropout: float = 0.5,
) -> keras.KerasTensor:
    """Builds the decoder; see the contract in `cen_keras.decoders`.

    Args:
        features: levels "P2" to "P5".
        num_classes: channels of the logits.
        filters: width of levels P2 to P4.
        deep_filters: width of level P5.
        pooling_stages: pools in each chained residual pooling.
        dropout: rate on P5, on P4 (where the decoder reads them) and before the classifier; 0 for
            none.
    """
    x = None
    for level in DOWNWARDS:
        name = f"decoder_{level.lower()}"
        width = deep_filters if level == "P5" else filters
        lateral = features[level]
        if level in ("P5", "P4"):
            lateral = dropped(lateral, dropout, int(level[1]) * 100, f"{name}_dropout")
        lateral = conv(lateral, width, 3, name=f"{name}_lateral")
        lateral = residual_units(lateral, width, 2, f"{name}_adapt")
        if x is None:
            x = lateral
        else:
            lateral = conv(lateral, width, 3, name=f"{name}_join")
            x = resize_like(x, lateral, mode="align_corners", name=f"{name}_resize")
            x = add(lateral, x, name=f"{name}_add")
        x = relu(x, name=f"{name}_relu")
        x = chained_residual_pooling(x, width, pooling_stages, name=f"{name}_crp")
        x = residual_units(x, width, 3, f"{name}_flow")
        if level != DOWNWARDS[-1]:
            x = conv(x, filters, 3, name=f"{name}_up")
    x = dropped(x, dropout, 0, "decoder_dropout")
    return conv(
        x, num_classes, 3, use_bias=True, name="classifier", kernel_initializer="glorot_uniform"
    )
