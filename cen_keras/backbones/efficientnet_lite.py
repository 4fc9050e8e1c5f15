"""EfficientNet-Lite (Liu, TensorFlow blog, 2020; Tan and Le, ICML 2019): made for int8, with ImageNet weights.

EfficientNet without squeeze-and-excitation and swish: inverted residuals of 3x3 and 5x5 depthwise convolutions. Lifted,
the exchange follows the norm of the depthwise convolution, as in `mobilenet`. Padding is TensorFlow's, with which the
weights were trained. They expect ReLU6; ReLU stands in for it by default, as a mean of three modalities' channels
commutes with ReLU alone, and fine-tuning takes the difference up.

The network takes pixels of 0 to 255: its first layer scales them, which a `Segmenter` makes the normalisation of rgb.
"""

import math
from functools import partial

import keras

from cen_keras.layers.blocks import add

STACKS = (
    # blocks, size of the depthwise kernel, stride, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_LEVELS = {2: "P2", 3: "P3", 5: "P4", 7: "P5"}
_STEM, _HEAD, _DIVISOR = 32, 1280, 8


def _norm(x, name):
    # The weights' own momentum, 0.99, is for hundreds of thousands of steps.
    return keras.layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=name)(x)


def _conv(x, filters, size, strides, name):
    return keras.layers.Conv2D(
        filters,
        size,
        strides,
        "same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _relu(x, cap, name):
    return keras.layers.ReLU(max_value=cap, name=name)(x)


def scaled_filters(filters: int, width: float) -> int:
    """Returns a number of filters times a width, rounded to a multiple of 8 that is not 10 % below."""
    wanted = filters * width
    rounded = max(_DIVISOR, int(wanted + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < 0.9 * wanted else rounded


def inverted_residual(
    x: keras.KerasTensor,
    size: int,
    strides: int,
    expansion: int,
    filters: int,
    cap: float | None,
    name: str,
) -> keras.KerasTensor:
    """Expansion, depthwise convolution, projection; a shortcut where shapes allow.

    Args:
        x: (b, h, w, c).
        size: of the depthwise kernel.
        strides: of the depthwise convolution.
        expansion: its channels for each of c; 1 leaves the expansion out.
        filters: channels of the output.
        cap: of the activations; None for ReLU.
        name: of the block.
    """
    channels = x.shape[-1]
    shortcut = x if strides == 1 and channels == filters else None
    if expansion != 1:
        x = _conv(x, channels * expansion, 1, 1, f"{name}_conv1")
        x = _relu(_norm(x, f"{name}_norm1"), cap, f"{name}_relu1")
    x = keras.layers.DepthwiseConv2D(
        size,
        strides,
        "same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_conv2",
    )(x)
    x = _relu(_norm(x, f"{name}_norm2"), cap, f"{name}_relu2")
    x = _norm(_conv(x, filters, 1, 1, f"{name}_conv3"), f"{name}_norm3")
    return x if shortcut is None else add(x, shortcut, name=f"{name}_add")


def efficientnet_lite(
    image: keras.KerasTensor, *, width: float, depth: float, relu6: bool = False
) -> dict[str, keras.KerasTensor]:
    """Builds an EfficientNet-Lite; see the contract in `cen_keras.backbones`.

    Args:
        image: (b, h, w, 3), pixels of 0 to 255.
        width: factor of the filters of all blocks.
        depth: factor of the blocks of all stacks but the first and the last, rounded up.
        relu6: caps activations at 6, as the weights were trained.
    """
    cap = 6.0 if relu6 else None
    x = keras.layers.Rescaling(1 / 128, -127 / 128, name="rescaling")(image)
    x = _conv(x, _STEM, 3, 2, "stem_conv")
    x = _relu(_norm(x, "stem_norm"), cap, "stem_relu")
    features = {}
    for stack, (blocks, size, strides, expansion, filters) in enumerate(STACKS, 1):
        inner = 1 < stack < len(STACKS)
        for block in range(1, 1 + (math.ceil(depth * blocks) if inner else blocks)):
            x = inverted_residual(
                x,
                size,
                strides if block == 1 else 1,
                expansion,
                scaled_filters(filters, width),
                cap,
                f"stack{stack}_block{block}",
            )
        if stack in _LEVELS:
            features[_LEVELS[stack]] = x
    return features


def imagenet_classifier(name: str, relu6: bool = True) -> keras.Model:
    """Returns the whole network of the weights, pixels (b, h, w, 3) -> logits of 1000 classes, with random weights.

    Args:
        name: a key of `EFFICIENTNETS`.
        relu6: as in `efficientnet_lite`.

    Raises:
        KeyError: there is none of that name.
    """
    image = keras.Input((None, None, 3), name="image")
    x = EFFICIENTNETS[name](image, relu6=relu6)["P5"]
    x = _conv(x, _HEAD, 1, 1, "head_conv")
    x = _relu(_norm(x, "head_norm"), 6.0 if relu6 else None, "head_relu")
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    logits = keras.layers.Dense(1000, name="head_classes")(x)
    return keras.Model(image, logits, name=f"{name}_imagenet")


EFFICIENTNETS = {
    "efficientnet_lite0": partial(efficientnet_lite, width=1.0, depth=1.0),
    "efficientnet_lite1": partial(efficientnet_lite, width=1.0, depth=1.1),
    "efficientnet_lite2": partial(efficientnet_lite, width=1.1, depth=1.2),
}
