"""ResNet (He et al., CVPR 2016) in torchvision's version 1.5.

The stride of a stage sits in its first 3x3 convolution, convolutions have no bias, padding is
symmetric: ImageNet weights in torchvision's layout fit.
"""

from functools import partial

import keras

from cen_keras.layers.blocks import add, batch_norm, conv, relu


def projection(x, channels: int, strides: int, name: str):
    """1x1 convolution and norm: brings a shortcut to the shape of its block's output."""
    x = conv(x, channels, 1, strides=strides, name=f"{name}_conv0")
    return batch_norm(x, name=f"{name}_norm0")


def basic_block(x, width: int, strides: int, project: bool, name: str, dilation: int = 1):
    """Two 3x3 convolutions; the output has `width` channels."""
    shortcut = projection(x, width, strides, name) if project else x
    x = conv(x, width, 3, strides=strides, dilation_rate=dilation, name=f"{name}_conv1")
    x = batch_norm(x, name=f"{name}_norm1")
    x = relu(x, name=f"{name}_relu1")
    x = conv(x, width, 3, dilation_rate=dilation, name=f"{name}_conv2")
    x = batch_norm(x, name=f"{name}_norm2")
    x = add(x, shortcut, name=f"{name}_add")
    return relu(x, name=f"{name}_relu2")


def bottleneck(x, width: int, strides: int, project: bool, name: str, dilation: int = 1):
    """1x1, 3x3, 1x1; the output has 4 * `width` channels."""
    shortcut = projection(x, 4 * width, strides, name) if project else x
    x = conv(x, width, 1, name=f"{name}_conv1")
    x = batch_norm(x, name=f"{name}_norm1")
    x = relu(x, name=f"{name}_relu1")
    x = conv(x, width, 3, strides=strides, dilation_rate=dilation, name=f"{name}_conv2")
    x = batch_norm(x, name=f"{name}_norm2")
    x = relu(x, name=f"{name}_relu2")
    x = conv(x, 4 * width, 1, name=f"{name}_conv3")
    x = batch_norm(x, name=f"{name}_norm3")
    x = add(x, shortcut, name=f"{name}_add")
    return relu(x, name=f"{name}_relu3")


def stem(x, width: int, size: int):
    """A convolution and max-pooling, each with stride 2: to a quarter of the size."""
    x = conv(x, width, size, strides=2, name="stem_conv")
    x = batch_norm(x, name="stem_norm")
    x = relu(x, name="stem_relu")
    # Zeros stand for minus infinity behind a ReLU.
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def resnet(
    image: keras.KerasTensor,
    *,
    block,
    blocks: tuple[int, ...],
    widths: tuple[int, ...] = (64, 128, 256, 512),
    stem_size: int = 7,
    dilations: tuple[int, ...] = (1, 1, 1, 1),
) -> dict[str, keras.KerasTensor]:
    """Builds a ResNet; see the contract in `cen_keras.backbones`.

    Args:
        image: (b, h, w, 3).
        block: `basic_block` or `bottleneck`.
        blocks: number of blocks of each stage.
        widths: width of each stage's 3x3 convolutions.
        stem_size: of the first convolution's kernel.
        dilations: of each stage's 3x3 convolutions; a dilated stage has stride 1 instead of 2, so
            with (1, 1, 2, 4) "P4" and "P5" stay at an eighth of the image's size.
    """
    x = stem(image, widths[0], stem_size)
    features = {}
    for stage, (count, width, dilation) in enumerate(zip(blocks, widths, dilations, strict=True)):
        for index in range(count):
            first = index == 0
            x = block(
                x,
                width,
                strides=2 if first and stage > 0 and dilation == 1 else 1,
                # A stage's first block changes size or width; in stage 1 of a basic-block net it changes neither.
                project=first and (stage > 0 or block is bottleneck),
                name=f"stack{stage + 1}_block{index + 1}",
                dilation=dilation,
            )
        features[f"P{stage + 2}"] = x
    return features


# Every 3x3 convolution of the last two stages is dilated, as in PSPNet's code; torchvision leaves
# the previous dilation to a stage's first block.
_EIGHTH = {"block": bottleneck, "dilations": (1, 1, 2, 4)}

RESNETS = {
    # For demos and tests: a basic-block net of a few hundred thousand parameters.
    "narrow": partial(
        resnet, block=basic_block, blocks=(1, 2, 2, 1), widths=(24, 40, 64, 96), stem_size=3
    ),
    "resnet18": partial(resnet, block=basic_block, blocks=(2, 2, 2, 2)),
    "resnet34": partial(resnet, block=basic_block, blocks=(3, 4, 6, 3)),
    "resnet50": partial(resnet, block=bottleneck, blocks=(3, 4, 6, 3)),
    "resnet101": partial(resnet, block=bottleneck, blocks=(3, 4, 23, 3)),
    "resnet152": partial(resnet, block=bottleneck, blocks=(3, 8, 36, 3)),
    # For PSPNet: an eighth of the image's size from P3 on.
    "resnet50_dilated": partial(resnet, blocks=(3, 4, 6, 3), **_EIGHTH),
    "resnet101_dilated": partial(resnet, blocks=(3, 4, 23, 3), **_EIGHTH),
    "resnet152_dilated": partial(resnet, blocks=(3, 8, 36, 3), **_EIGHTH),
}
