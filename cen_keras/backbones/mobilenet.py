"""MobileNetV2 (Sandler et al., CVPR 2018), laid out for large images on a small CPU.

Inverted residuals: a 1x1 expansion, a 3x3 depthwise convolution and a 1x1 projection without an
activation. Lifted, the exchange follows the norm of the depthwise convolution and is consumed by the
projection. So freezing drops a replaced channel from the depthwise convolution and, since that
reads one channel for each it writes, from the expansion before it: with all that is penalised
exchanged, both cost two modalities what they cost one.

Two departures from the paper. Half the image's size is left after two layers: the stem's block has
no expansion and takes the second stride, as the widest maps of the paper's net cost more time than
multiplications. And ReLU stands in for ReLU6: a mean of three modalities' channels commutes with it
(see `deploy.freeze`), and calibration finds the range that the cap would have given.
"""

from functools import partial

import keras

from cen_keras.layers.blocks import add, batch_norm, conv, depthwise, relu


def inverted_residual(x, width: int, filters: int, strides: int, name: str):
    """Expansion, depthwise convolution, projection; a shortcut where shapes allow.

    Args:
        x: (b, h, w, c).
        width: channels of the depthwise convolution; c leaves the expansion out.
        filters: channels of the output.
        strides: of the depthwise convolution.
        name: of the block.
    """
    channels = x.shape[-1]
    shortcut = x if strides == 1 and channels == filters else None
    if width != channels:
        x = conv(x, width, 1, name=f"{name}_conv1")
        x = batch_norm(x, name=f"{name}_norm1")
        x = relu(x, name=f"{name}_relu1")
    x = depthwise(x, 3, strides=strides, name=f"{name}_conv2")
    x = batch_norm(x, name=f"{name}_norm2")
    x = relu(x, name=f"{name}_relu2")
    x = conv(x, filters, 1, name=f"{name}_conv3")
    x = batch_norm(x, name=f"{name}_norm3")
    return x if shortcut is None else add(x, shortcut, name=f"{name}_add")


def mobilenet(
    image: keras.KerasTensor,
    *,
    stem: int,
    widths: tuple[int, ...],
    blocks: tuple[int, ...],
    expansion: int = 4,
) -> dict[str, keras.KerasTensor]:
    """Builds a MobileNet; see the contract in `cen_keras.backbones`.

    Args:
        image: (b, h, w, 3).
        stem: channels of the first convolution.
        widths: channels of the blocks' outputs, by stage.
        blocks: number of blocks of each stage.
        expansion: channels of a depthwise convolution for each of its block's input.
    """
    x = conv(image, stem, 3, strides=2, name="stem_conv")
    x = batch_norm(x, name="stem_norm")
    x = relu(x, name="stem_relu")
    features = {}
    for stage, (count, filters) in enumerate(zip(blocks, widths, strict=True)):
        for index in range(count):
            first = index == 0
            channels = x.shape[-1]
            x = inverted_residual(
                x,
                channels if first and stage == 0 else expansion * channels,
                filters,
                strides=2 if first else 1,
                name=f"stack{stage + 1}_block{index + 1}",
            )
        features[f"P{stage + 2}"] = x
    return features


MOBILENETS = {
    # For small CPUs and large images: see cen_keras.models.presets.
    "mobilenet_s": partial(mobilenet, stem=8, widths=(16, 24, 48, 80), blocks=(1, 2, 3, 2)),
    "mobilenet_m": partial(mobilenet, stem=16, widths=(32, 64, 112, 192), blocks=(2, 3, 4, 3)),
    "mobilenet_l": partial(
        mobilenet, stem=24, widths=(40, 64, 128, 208), blocks=(3, 4, 6, 3), expansion=5
    ),
}
