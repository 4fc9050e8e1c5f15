"""The U-Net of pix2pix (Isola et al., CVPR 2017), as CEN's translation uses it: an encoder and a decoder.

They mirror each other: `depth` convolutions of 4x4 with stride 2 go down, as many transposed ones come up, and every
level of the decoder reads the encoder's features of its size. Activations stand before the convolutions; the first
and the last level have no norm. With eight levels and images of 256x256 the deepest features are 1x1.

Lifted, both halves have private instance norms, and the channels are exchanged after those of the encoder (conv2 to
conv7 of eight), `ENCODER_NORMS`. It gives images, not features at four strides, so it is no entry of `BACKBONES`.
"""

import keras

from cen_keras.layers.blocks import instance_norm, relu

SLOPE = 0.2
DROPOUT = 0.5

ENCODER_NORMS = r"^encoder\d+_norm$"
"""Matches the norms after which the official code exchanges channels."""


def filters_of(level: int, filters: int) -> int:
    """Returns the width of the encoder's convolution number `level`: doubles up to eight times `filters`."""
    return filters * min(2 ** (level - 1), 8)


def dropped_levels(depth: int) -> int:
    """Returns how many of the decoder's first levels have dropout: three of eight, one less for each level less.

    So the levels of pix2pix's smaller U-Nets that are as wide as the deepest keep their share.
    """
    return max(0, depth - 5)


def unet_encoder(
    image: keras.KerasTensor, *, filters: int = 64, depth: int = 8
) -> list[keras.KerasTensor]:
    """Builds the way down.

    Args:
        image: (b, h, w, c), h and w multiples of 2^depth.
        filters: width of the first level.
        depth: number of levels, at least 3.

    Returns:
        The features of every level, the deepest last.
    """
    x, features = image, []
    for level in range(1, depth + 1):
        name = f"encoder{level}"
        if level > 1:
            x = keras.layers.LeakyReLU(negative_slope=SLOPE, name=f"{name}_act")(x)
        x = keras.layers.Conv2D(
            filters_of(level, filters), 4, 2, name=f"{name}_conv", **_convolution()
        )(x)
        if 1 < level < depth:
            x = instance_norm(x, name=f"{name}_norm")
        features.append(x)
    return features


def unet_decoder(
    features: list[keras.KerasTensor], *, filters: int = 64, output_channels: int = 3
) -> keras.KerasTensor:
    """Builds the way up.

    Args:
        features: what `unet_encoder` gives.
        filters: width of the encoder's first level.
        output_channels: of the image that comes out.

    Returns:
        (b, h, w, output_channels) float32, -1..1 (tanh).
    """
    *skips, x = features
    depth = len(features)
    for level in range(1, depth + 1):
        name = f"decoder{level}"
        last = level == depth
        width = output_channels if last else filters_of(depth - level, filters)
        x = relu(x, name=f"{name}_act")
        x = keras.layers.Conv2DTranspose(width, 4, 2, name=f"{name}_conv", **_convolution())(x)
        if last:
            continue
        x = instance_norm(x, name=f"{name}_norm")
        if level <= dropped_levels(depth):
            x = keras.layers.Dropout(DROPOUT, seed=100 * level, name=f"{name}_dropout")(x)
        x = keras.layers.Concatenate(name=f"{name}_join")([x, skips.pop()])
    # float32 whatever the policy: it makes images, not features.
    return keras.layers.Activation("tanh", dtype="float32", name="image")(x)


def _convolution():
    """Returns the settings of pix2pix and the official code: weights from N(0, 0.02), a bias."""
    normal = keras.initializers.RandomNormal(0.0, 0.02)
    return {"kernel_initializer": normal, "use_bias": True, "padding": "same"}
