"""MobileNetV2 (Sandler et al., CVPR 2018) over streams, laid out for large images on a small CPU.

Inverted residuals: a 1x1 expansion, a 3x3 depthwise convolution and a 1x1 projection without an
activation. The exchange follows the norm of the depthwise convolution and is consumed by the
projection. So freezing drops a replaced channel from the depthwise convolution and, since that
reads one channel for each it writes, from the expansion before it: with all that is penalised
exchanged, both cost two modalities what they cost one.

Two departures from the paper. Half the image's size is left after two layers: the stem's block has
no expansion and takes the second stride, as the widest maps of the paper's net cost more time than
multiplications. And ReLU stands in for ReLU6: a mean of three modalities' channels commutes with it
(see `deploy.freeze`), and calibration finds the range that the cap would have given.
"""

from cen_keras.layers.stream_layers import StreamLayers, Streams


def inverted_residual(
    layers: StreamLayers, x: Streams, width: int, filters: int, strides: int, name: str
) -> Streams:
    """Expansion, depthwise convolution with the exchange, projection; a shortcut where shapes allow.

    Args:
        layers: builds what the network does to all streams.
        x: modality -> (b, h, w, c).
        width: channels of the depthwise convolution; c leaves the expansion out.
        filters: channels of the output.
        strides: of the depthwise convolution.
        name: of the block.
    """
    channels = next(iter(x.values())).shape[-1]
    shortcut = x if strides == 1 and channels == filters else None
    if width != channels:
        x = layers.conv(x, width, 1, name=f"{name}_conv1")
        x = layers.norm(x, name=f"{name}_norm1")
        x = layers.relu(x, name=f"{name}_relu1")
    x = layers.depthwise(x, 3, strides=strides, name=f"{name}_conv2")
    x = layers.norm(x, exchange=True, name=f"{name}_norm2")
    x = layers.relu(x, name=f"{name}_relu2")
    x = layers.conv(x, filters, 1, name=f"{name}_conv3")
    x = layers.norm(x, name=f"{name}_norm3")
    return x if shortcut is None else layers.add(x, shortcut, name=f"{name}_add")


def mobilenet(
    layers: StreamLayers,
    images: Streams,
    *,
    stem: int,
    widths: tuple[int, ...],
    blocks: tuple[int, ...],
    expansion: int = 4,
) -> dict[str, Streams]:
    """Builds a MobileNet over streams; see the contract in `cen_keras.backbones`.

    Args:
        layers: builds what the network does to all streams.
        images: modality -> (b, h, w, 3).
        stem: channels of the first convolution.
        widths: channels of the blocks' outputs, by stage.
        blocks: number of blocks of each stage.
        expansion: channels of a depthwise convolution for each of its block's input.
    """
    x = layers.conv(images, stem, 3, strides=2, name="stem_conv")
    x = layers.norm(x, name="stem_norm")
    x = layers.relu(x, name="stem_relu")
    channels, features = stem, {}
    for stage, (count, filters) in enumerate(zip(blocks, widths, strict=True)):
        for index in range(count):
            first = index == 0
            x = inverted_residual(
                layers,
                x,
                channels if first and stage == 0 else expansion * channels,
                filters,
                strides=2 if first else 1,
                name=f"stack{stage + 1}_block{index + 1}",
            )
            channels = filters
        x, features[f"P{stage + 2}"] = layers.fuse(
            x, stage=stage + 1, stages=len(blocks), name=f"stack{stage + 1}_fusion"
        )
    return features
