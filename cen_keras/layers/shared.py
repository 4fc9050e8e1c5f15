"""Shared filters: one set of weights, every stream (CEN Section 3.3).

Each class is the Keras layer of the same name, called once per modality on a dict of streams. Sharing the filters and
keeping the normalisation private is what makes a replaced channel mean the same thing in both streams.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.streams import one_shape


class _Shared:
    """Turns a Keras layer over one tensor into a layer over a dict of equally shaped streams."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.input_spec = None  # Keras' own expects a single tensor

    def build(self, input_shape):
        super().build(one_shape(input_shape))
        self.input_spec = None

    def call(self, streams):
        return {name: super(_Shared, self).call(stream) for name, stream in streams.items()}

    def compute_output_shape(self, input_shape):
        if not isinstance(input_shape, dict):  # Keras' own build asks for one stream
            return super().compute_output_shape(input_shape)
        shape = super().compute_output_shape(one_shape(input_shape))
        return {name: shape for name in input_shape}


class _SymmetricPadding:
    """Adds `padding="symmetric"`: (k - 1) / 2 zeros on both sides, as PyTorch pads.

    Keras' "same" pads an even input of a strided convolution with (0, 1), which shifts every feature by a pixel
    against weights that were trained elsewhere. Without a stride the two agree, and "same" does the work.
    """

    def __init__(self, *args, padding="same", **kwargs):
        self.symmetric = padding == "symmetric"
        super().__init__(*args, padding="same" if self.symmetric else padding, **kwargs)
        if self.margin != (0, 0):
            self.padding = "valid"

    @property
    def margin(self) -> tuple[int, int]:
        """Rows and columns of zeros added on each side before the convolution."""
        if not self.symmetric or max(self.strides) == 1:
            return (0, 0)
        return tuple(
            (k - 1) // 2 * d for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)
        )

    def _padded(self, shape):
        rows, columns = self.margin
        grow = (0, 2 * rows, 2 * columns, 0)
        return tuple(None if s is None else s + g for s, g in zip(shape, grow, strict=True))

    def call(self, inputs):
        rows, columns = self.margin
        if rows or columns:
            inputs = ops.pad(inputs, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
        return super().call(inputs)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(self._padded(input_shape))

    def get_config(self):
        config = super().get_config()
        if self.symmetric:
            config["padding"] = "symmetric"
        return config


class _ChannelsLast:
    """Refuses channels_first: the exchange, the freeze and the runtimes are written for (b, h, w, c)."""

    def __init__(self, *args, data_format="channels_last", **kwargs):
        if data_format not in (None, "channels_last"):
            raise InputError(f"{type(self).__name__} is channels_last only; found {data_format!r}.")
        super().__init__(*args, data_format="channels_last", **kwargs)


@keras.saving.register_keras_serializable("cen_keras")
class SharedConv2D(_Shared, _SymmetricPadding, _ChannelsLast, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with one kernel for every stream.

    Takes and gives a dict: modality -> (b, h, w, c). `padding` may also be "symmetric": (k - 1) / 2 zeros on both
    sides, PyTorch's convention, for any stride.
    """


@keras.saving.register_keras_serializable("cen_keras")
class SharedDepthwiseConv2D(
    _Shared, _SymmetricPadding, _ChannelsLast, keras.layers.DepthwiseConv2D
):
    """`keras.layers.DepthwiseConv2D` with one kernel for every stream; `padding` as in SharedConv2D."""


@keras.saving.register_keras_serializable("cen_keras")
class SharedConv2DTranspose(_Shared, _ChannelsLast, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with one kernel for every stream."""
