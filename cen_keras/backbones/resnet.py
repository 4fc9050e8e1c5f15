"""ResNet (He et al., CVPR 2016) over streams, in torchvision's version 1.5.

The stride of a stage sits in its first 3x3 convolution, convolutions have no bias, padding is
symmetric: ImageNet weights in torchvision's layout fit. The exchange follows the norm of the 3x3
convolution of a bottleneck (the official CEN), or the first norm of a basic block (the official
code has no working basic block; ours feeds a convolution too).
"""

from cen_keras.layers.stream_layers import StreamLayers, Streams


def projection(layers: StreamLayers, x: Streams, channels: int, strides: int, name: str) -> Streams:
    """1x1 convolution and norm: brings a shortcut to the shape of its block's output."""
    x = layers.conv(x, channels, 1, strides=strides, name=f"{name}_conv0")
    return layers.norm(x, name=f"{name}_norm0")


def basic_block(
    layers: StreamLayers,
    x: Streams,
    width: int,
    strides: int,
    project: bool,
    name: str,
    dilation: int = 1,
) -> Streams:
    """Two 3x3 convolutions around an exchange; the output has `width` channels."""
    shortcut = projection(layers, x, width, strides, name) if project else x
    x = layers.conv(x, width, 3, strides=strides, dilation_rate=dilation, name=f"{name}_conv1")
    x = layers.norm(x, exchange=True, name=f"{name}_norm1")
    x = layers.relu(x, name=f"{name}_relu1")
    x = layers.conv(x, width, 3, dilation_rate=dilation, name=f"{name}_conv2")
    x = layers.norm(x, name=f"{name}_norm2")
    x = layers.add(x, shortcut, name=f"{name}_add")
    return layers.relu(x, name=f"{name}_relu2")


def bottleneck(
    layers: StreamLayers,
    x: Streams,
    width: int,
    strides: int,
    project: bool,
    name: str,
    dilation: int = 1,
) -> Streams:
    """1x1, 3x3 with the exchange, 1x1; the output has 4 * `width` channels."""
    shortcut = projection(layers, x, 4 * width, strides, name) if project else x
    x = layers.conv(x, width, 1, name=f"{name}_conv1")
    x = layers.norm(x, name=f"{name}_norm1")
    x = layers.relu(x, name=f"{name}_relu1")
    x = layers.conv(x, width, 3, strides=strides, dilation_rate=dilation, name=f"{name}_conv2")
    x = layers.norm(x, exchange=True, name=f"{name}_norm2")
    x = layers.relu(x, name=f"{name}_relu2")
    x = layers.conv(x, 4 * width, 1, name=f"{name}_conv3")
    x = layers.norm(x, name=f"{name}_norm3")
    x = layers.add(x, shortcut, name=f"{name}_add")
    return layers.relu(x, name=f"{name}_relu3")


def imagenet_stem(layers: StreamLayers, images: Streams, width: int) -> Streams:
    """7x7 convolution and max-pooling, each with stride 2: to a quarter of the size."""
    x = layers.conv(images, width, 7, strides=2, name="stem_conv")
    x = layers.norm(x, name="stem_norm")
    x = layers.relu(x, name="stem_relu")
    return layers.max_pool(x, 3, strides=2, padding="symmetric", name="stem_pool")


def narrow_stem(layers: StreamLayers, images: Streams, width: int) -> Streams:
    """A 3x3 convolution and max-pooling, each with stride 2: to a quarter of the size."""
    x = layers.conv(images, width, 3, strides=2, name="stem_conv")
    x = layers.norm(x, name="stem_norm")
    x = layers.relu(x, name="stem_relu")
    return layers.max_pool(x, 3, strides=2, padding="symmetric", name="stem_pool")


def resnet(
    layers: StreamLayers,
    images: Streams,
    *,
    block,
    blocks: tuple[int, ...],
    widths: tuple[int, ...] = (64, 128, 256, 512),
    stem=imagenet_stem,
    dilations: tuple[int, ...] = (1, 1, 1, 1),
) -> dict[str, Streams]:
    """Builds a ResNet over streams; see the contract in `cen_keras.backbones`.

    Args:
        layers: builds what the network does to all streams.
        images: modality -> (b, h, w, 3).
        block: `basic_block` or `bottleneck`.
        blocks: number of blocks of each stage.
        widths: width of each stage's 3x3 convolutions.
        stem: from images to features at a quarter of their size.
        dilations: of each stage's 3x3 convolutions; a dilated stage has stride 1 instead of 2, so
            with (1, 1, 2, 4) "P4" and "P5" stay at an eighth of the image's size.
    """
    x = stem(layers, images, widths[0])
    features = {}
    for stage, (count, width, dilation) in enumerate(zip(blocks, widths, dilations, strict=True)):
        for index in range(count):
            first = index == 0
            # A stage's first block changes size or width; in stage 1 of a basic-block net it
            # changes neither.
            project = first and (stage > 0 or block is bottleneck)
            x = block(
                layers,
                x,
                width,
                strides=2 if first and stage > 0 and dilation == 1 else 1,
                project=project,
                name=f"stack{stage + 1}_block{index + 1}",
                dilation=dilation,
            )
        x, features[f"P{stage + 2}"] = layers.fuse(
            x, stage=stage + 1, stages=len(blocks), name=f"stack{stage + 1}_fusion"
        )
    return features
