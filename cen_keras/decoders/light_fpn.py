"""A feature pyramid (Lin et al., CVPR 2017): the decoder with the least work.

One 1x1 convolution for each level, sums on the way up, and only at the coarsest level the chained
pooling that gives context. The last level, a quarter of the image's size and most of the pixels, has
a width of its own; its 3x3 convolution is depthwise. Freezing folds its norms.
It learns more slowly than light_refinenet: with 64 filters on a
backbone a little narrower than cen_edge_m's 30.8 against 43.4 mIoU after the same 1000 steps, for
0.63 of its time in int8.
"""

import keras

from cen_keras.decoders.joining import joining
from cen_keras.layers.blocks import add, batch_norm, conv, depthwise, dropped, max_pool, relu
from cen_keras.layers.resize import resize_like


def light_fpn(
    features: dict[str, keras.KerasTensor],
    num_classes: int,
    *,
    filters: int = 64,
    top_filters: int = 32,
    pooling_stages: int = 2,
    dropout: float = 0.0,
    join: str | None = None,
) -> keras.KerasTensor:
    """Builds the decoder; see the contract in `cen_keras.decoders`.

    Args:
        features: levels "P2" to "P5".
        num_classes: channels of the logits.
        filters: common width of the levels "P5" to "P3".
        top_filters: width of the level "P2".
        pooling_stages: pools at "P5", each 5x5 with stride 1.
        dropout: rate before the classifier.
        join: level from which on the streams of a lifted network are one; see `cen_keras.decoders.joining`.

    Raises:
        InputError: `join` is no level.
    """
    features, above = joining(features, join)

    def reduced(x, width, name):
        x = conv(x, width, 1, name=name)
        return batch_norm(x, name=f"{name}_norm")

    x = reduced(features["P5"], filters, "decoder_p5_lateral")
    x = top = relu(x, name="decoder_p5_relu")
    for stage in range(1, pooling_stages + 1):
        top = max_pool(top, 5, name=f"decoder_p5_pool{stage}")
        top = reduced(top, filters, f"decoder_p5_context{stage}")
        x = add(x, top, name=f"decoder_p5_add{stage}")
    for level, width in (("P4", filters), ("P3", filters), ("P2", top_filters)):
        name = f"decoder_{level.lower()}"
        lateral = reduced(features[level], width, f"{name}_lateral")
        x = above(x, level)
        if width != filters:
            x = reduced(x, width, f"{name}_adapt")
        x = resize_like(x, lateral, name=f"{name}_resize")
        x = add(lateral, x, name=f"{name}_join")
        x = relu(x, name=f"{name}_relu")
    x = depthwise(x, 3, name="decoder_smooth")
    x = batch_norm(x, name="decoder_smooth_norm")
    x = relu(x, name="decoder_smooth_relu")
    x = dropped(x, dropout, 0, "decoder_dropout")
    return conv(
        x, num_classes, 1, use_bias=True, name="classifier", kernel_initializer="glorot_uniform"
    )
