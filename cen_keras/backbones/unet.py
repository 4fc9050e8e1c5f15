"""The U-Net of pix2pix (Isola et al., CVPR 2017) over streams, as CEN's translation uses it.

Encoder and decoder mirror each other: `depth` convolutions of 4x4 with stride 2 go down, as many
transposed ones come up, and every level of the decoder reads the encoder's features of its size.
Filters are shared by the modalities, instance norms are private in both halves, and the channels
are exchanged after the norms of the encoder (conv2 to conv7 of eight). Activations stand before the
convolutions; the first and the last level have no norm. With eight levels and images of 256x256 the
deepest features are 1x1.

It gives images, not features at four strides, so it is no entry of `BACKBONES`.
"""

from cen_keras.layers.stream_layers import StreamLayers, Streams

SLOPE = 0.2
DROPOUT = 0.5


def filters_of(level: int, filters: int) -> int:
    """Returns the width of the encoder's convolution number `level`: doubles up to eight times `filters`."""
    return filters * min(2 ** (level - 1), 8)


def dropped_levels(depth: int) -> int:
    """Returns how many of the decoder's first levels have dropout: three of eight, one less for each level less.

    So the levels of pix2pix's smaller U-Nets that are as wide as the deepest keep their share.
    """
    return max(0, depth - 5)


def unet(
    layers: StreamLayers,
    images: Streams,
    *,
    filters: int = 64,
    depth: int = 8,
    output_channels: int = 3,
) -> Streams:
    """Builds the U-Net.

    Args:
        layers: builds what the network does to all streams; its `norm_kind` should be "instance".
        images: modality -> (b, h, w, c), h and w multiples of 2^depth.
        filters: width of the first level.
        depth: number of levels, at least 3.
        output_channels: of the images that come out.

    Returns:
        modality -> (b, h, w, output_channels), -1..1 (tanh).
    """
    convolution = {"kernel_initializer": _normal(), "use_bias": True, "padding": "same"}
    x, skips = images, []
    for level in range(1, depth + 1):
        name = f"encoder{level}"
        if level > 1:
            x = layers.leaky_relu(x, SLOPE, name=f"{name}_act")
        x = layers.conv(
            x, filters_of(level, filters), 4, strides=2, name=f"{name}_conv", **convolution
        )
        if 1 < level < depth:
            x = layers.norm(x, exchange=True, name=f"{name}_norm")
        skip = x
        if level < depth:
            x, skip = layers.fuse(x, stage=level, stages=depth - 1, name=f"{name}_fusion")
        skips.append(skip)
    skips.pop()
    for level in range(1, depth + 1):
        name = f"decoder{level}"
        last = level == depth
        width = output_channels if last else filters_of(depth - level, filters)
        x = layers.relu(x, name=f"{name}_act")
        x = layers.conv_transpose(x, width, 4, strides=2, name=f"{name}_conv", **convolution)
        if last:
            continue
        x = layers.norm(x, name=f"{name}_norm")
        if level <= dropped_levels(depth):
            x = layers.dropout(x, DROPOUT, name=f"{name}_dropout", seed=100 * level)
        x = layers.concat([x, skips.pop()], name=f"{name}_join")
    return layers.tanh(x, name="image")


def _normal():
    """Returns the initializer of pix2pix and the official code: N(0, 0.02)."""
    return {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.02}}
