"""Bilinear resizing, with pixel centres (half_pixel) or pixel corners (align_corners) held in place.

Keras resizes with half-pixel centres only; RefineNet's official decoder aligns corners, and weights trained one way
do not fit the other.
"""

import keras
import numpy as np
from keras import ops

from cen_keras.errors import InputError

MODES = ("half_pixel", "align_corners")


def interpolation_matrix(size_in: int, size_out: int) -> np.ndarray:
    """Returns the (size_out, size_in) float32 matrix that resizes one axis bilinearly with aligned corners.

    Row i holds the weights of the two input positions next to i * (size_in - 1) / (size_out - 1).
    """
    if size_out == 1:
        position = np.zeros(1)
    else:
        position = np.arange(size_out) * ((size_in - 1) / (size_out - 1))
    low = np.clip(np.floor(position).astype(int), 0, size_in - 1)
    high = np.minimum(low + 1, size_in - 1)
    fraction = position - low
    matrix = np.zeros((size_out, size_in))
    rows = np.arange(size_out)
    np.add.at(matrix, (rows, low), 1 - fraction)
    np.add.at(matrix, (rows, high), fraction)
    return matrix.astype("float32")


def resize_bilinear(images, size, mode="half_pixel"):
    """Resizes (b, h, w, c) floats to (b, *size, c) bilinearly, without antialiasing.

    Args:
        images: a float tensor of rank 4.
        size: (height, width) of the result; tensors are allowed on TensorFlow.
        mode: "half_pixel" (PyTorch's align_corners=False) or "align_corners".

    Raises:
        InputError: an unknown mode.
    """
    if mode not in MODES:
        raise InputError(f"resize mode {mode!r} is unknown; choose one of {MODES}.")
    aligned = mode == "align_corners"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # One fused kernel with a fused gradient, and one operator in an exported file.
        resized = tf.raw_ops.ResizeBilinear(
            images=images, size=size, align_corners=aligned, half_pixel_centers=not aligned
        )
        return tf.cast(resized, images.dtype)
    if not aligned:
        return ops.image.resize(images, size, interpolation="bilinear", data_format="channels_last")
    rows = ops.cast(interpolation_matrix(int(images.shape[1]), int(size[0])), images.dtype)
    columns = ops.cast(interpolation_matrix(int(images.shape[2]), int(size[1])), images.dtype)
    return ops.einsum("bhwc,Hh,Ww->bHWc", images, rows, columns)


@keras.saving.register_keras_serializable("cen_keras")
class BilinearResize(keras.layers.Layer):
    """Resizes (b, h, w, c) floats to a fixed size or to the size of another map.

    Args:
        size: (height, width), or None to take them from `like`, a map (b, H, W, ...).
        mode: "half_pixel" or "align_corners".

    Raises:
        InputError: an unknown mode, or neither `size` nor `like`.
    """

    def __init__(self, size=None, mode="half_pixel", **kwargs):
        super().__init__(**kwargs)
        if mode not in MODES:
            raise InputError(f"resize mode {mode!r} is unknown; choose one of {MODES}.")
        self.size = None if size is None else tuple(size)
        self.mode = mode

    def _target(self, shape_of_like):
        size = self.size or shape_of_like
        if size is None:
            raise InputError(f"{self.name}: give BilinearResize a `size` or call it with `like`.")
        return tuple(size)

    def call(self, images, like=None):
        """Resizes."""
        size = self._target(None if like is None else ops.shape(like)[1:3])
        return resize_bilinear(images, size, self.mode)

    def compute_output_spec(self, images, like=None):
        """Returns the resized shape; sizes that are not known yet stay None."""
        size = self._target(None if like is None else like.shape[1:3])
        return keras.KerasTensor((images.shape[0], *size, images.shape[3]), dtype=images.dtype)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "size": self.size, "mode": self.mode}


def resize_like(
    x: keras.KerasTensor, like: keras.KerasTensor, *, name: str, mode: str = "half_pixel"
) -> keras.KerasTensor:
    """Resizes a map of a functional model bilinearly to the height and width of another."""
    return BilinearResize(mode=mode, name=name)(x, like=like)
