"""What backbones and decoders are built of: Keras layers with the settings that PyTorch's weights were trained with."""

import keras

from cen_keras.layers.instance_norm import InstanceNorm


def conv(
    x: keras.KerasTensor,
    filters: int,
    size: int,
    *,
    name: str,
    strides: int = 1,
    dilation_rate: int = 1,
    use_bias: bool = False,
    kernel_initializer="he_normal",
) -> keras.KerasTensor:
    """Convolution with (size - 1) / 2 rows of padding on every side; no bias by default, since a norm follows."""
    return keras.layers.Conv2D(
        filters,
        size,
        strides,
        dilation_rate=dilation_rate,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
        name=name,
        padding="same" if strides == 1 else "valid",
    )(x if strides == 1 else _padded(x, (size - 1) // 2 * dilation_rate, name))


def depthwise(x: keras.KerasTensor, size: int, *, name: str, strides: int = 1) -> keras.KerasTensor:
    """Depthwise convolution without a bias, padded like `conv`."""
    return keras.layers.DepthwiseConv2D(
        size,
        strides,
        use_bias=False,
        depthwise_initializer="he_normal",
        name=name,
        padding="same" if strides == 1 else "valid",
    )(x if strides == 1 else _padded(x, (size - 1) // 2, name))


def _padded(x, rows, name):
    # Keras' "same" pads an even input of a strided convolution with (0, 1), which shifts every feature by a pixel
    # against weights that were trained elsewhere.
    return keras.layers.ZeroPadding2D(rows, name=f"{name}_pad")(x) if rows else x


def batch_norm(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """BatchNormalization with PyTorch's epsilon and momentum (0.9 is PyTorch's 0.1)."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def instance_norm(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Instance normalisation with PyTorch's epsilon."""
    return InstanceNorm(name=name)(x)


def relu(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Rectifies."""
    return keras.layers.ReLU(name=name)(x)


def add(x: keras.KerasTensor, y: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Sum of two maps."""
    return keras.layers.Add(name=name)([x, y])


def max_pool(x: keras.KerasTensor, size: int, *, name: str) -> keras.KerasTensor:
    """Maximum over windows with stride 1; outside the map there is nothing (minus infinity)."""
    return keras.layers.MaxPooling2D(size, 1, "same", name=name)(x)


def dropped(x: keras.KerasTensor, rate: float, seed: int, name: str) -> keras.KerasTensor:
    """Dropout, or nothing at rate 0; the seed is the layer's own."""
    return keras.layers.Dropout(rate, seed=seed, name=name)(x) if rate else x
