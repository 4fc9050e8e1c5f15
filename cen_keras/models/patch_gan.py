"""PatchGAN (Isola et al., CVPR 2017): judges windows of 70x70 pixels, one for all modalities."""

import keras

from cen_keras.errors import InputError
from cen_keras.layers import InstanceNorm

SLOPE = 0.2
STRIDES = (2, 2, 2, 1, 1)
LEAST_SIZE = 24


@keras.saving.register_keras_serializable("cen_keras")
class PatchDiscriminator(keras.Model):
    """Takes Concat(condition, image) along the channels and gives the probability that a patch is real.

    (b, h, w, c) float32 in -1..1 becomes (b, h', w', 1) in 0..1; 256x256 becomes 30x30. Filters and
    norms are shared by the modalities: every stream's images go through as further images of the
    batch, which instance norms keep apart.

    Args:
        base_filters: width of the first convolution; doubles to eight times that.
        input_channels: of condition and image together.

    Raises:
        InputError: `base_filters` below 1; on calling, other channels or images below 24x24, of
            which no patch is left.
    """

    def __init__(self, base_filters=64, input_channels=6, name=None, trainable=True):
        if base_filters < 1:
            raise InputError(f"discriminator_filters is at least 1; found {base_filters}.")
        inputs = keras.Input((None, None, input_channels), name="images")
        x = inputs
        for level, strides in enumerate(STRIDES, start=1):
            last = level == len(STRIDES)
            if level > 1:
                x = keras.layers.LeakyReLU(negative_slope=SLOPE, name=f"act{level}")(x)
            # One row on every side, as the reference: "same" would pad stride 1 with (1, 2).
            x = keras.layers.ZeroPadding2D(1, name=f"pad{level}")(x)
            x = keras.layers.Conv2D(
                1 if last else base_filters * min(2 ** (level - 1), 8),
                4,
                strides,
                kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
                name=f"conv{level}",
            )(x)
            if 1 < level < len(STRIDES):
                x = InstanceNorm(name=f"norm{level}")(x)
        outputs = keras.layers.Activation("sigmoid", dtype="float32", name="probability")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, trainable=trainable)
        self.base_filters = base_filters
        self.input_channels = input_channels

    def __call__(self, images, *args, **kwargs):
        """Checks the images before Keras does."""
        self.check(images)
        return super().__call__(images, *args, **kwargs)

    def check(self, images):
        """Checks a batch's shape.

        Raises:
            InputError: other channels than the discriminator has, or too small images.
        """
        shape = tuple(images.shape)
        if len(shape) == 4 and shape[3] not in (None, self.input_channels):
            raise InputError(
                f"the discriminator takes condition and image in {self.input_channels} channels; "
                f"found {shape[3]}."
            )
        if any(side is not None and side < LEAST_SIZE for side in shape[1:3]):
            raise InputError(
                f"the discriminator judges windows of images of {LEAST_SIZE}x{LEAST_SIZE} pixels or "
                f"more; found {shape[1]}x{shape[2]}."
            )

    def logits(self, images):
        """Returns what `call` gives before the sigmoid, (b, h', w', 1) float32.

        The loss reads these: the logarithm of a sigmoid that is rounded to 0 is infinite.
        """
        self.check(images)
        x = images
        for layer in self.layers[1:-1]:  # a plain chain between the input and the sigmoid
            x = layer(x)
        return keras.ops.cast(x, "float32")

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "base_filters": self.base_filters,
            "input_channels": self.input_channels,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the discriminator from `get_config`."""
        return cls(**config)
