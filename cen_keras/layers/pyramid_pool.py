"""Adaptive average pooling: the mean of bins that cover a map of any size (PSPNet's pyramid)."""

import keras
import numpy as np
from keras import ops

from cen_keras.errors import InputError


def bin_edges(size: int, bins: int) -> list[tuple[int, int]]:
    """Returns [start, stop) of every bin over `size` places, as PyTorch's AdaptiveAvgPool2d has it.

    Bin i is [floor(i size / bins), ceil((i + 1) size / bins)). The bins cover all places; where
    `bins` does not divide `size`, neighbours share a place and lengths may differ by one. Where it
    does, this is plain average pooling with windows of size / bins.
    """
    return [(i * size // bins, -((i + 1) * size // -bins)) for i in range(bins)]


def bin_matrix(size, bins: int, dtype: str = "float32"):
    """Returns the (bins, size) matrix that takes the mean over every bin.

    Args:
        size: number of places; a tensor where it is not known beforehand.
        bins: number of bins.
        dtype: of the result.
    """
    if isinstance(size, int):
        matrix = np.zeros((bins, size), "float32")
        for row, (start, stop) in zip(matrix, bin_edges(size, bins), strict=True):
            row[start:stop] = 1 / (stop - start)
        return ops.cast(matrix, dtype)
    index = ops.arange(bins, dtype="int32")
    start = index * size // bins
    stop = ((index + 1) * size + bins - 1) // bins
    place = ops.arange(size, dtype="int32")[None]
    inside = ops.logical_and(place >= start[:, None], place < stop[:, None])
    return ops.cast(inside, dtype) / ops.cast(stop - start, dtype)[:, None]


@keras.saving.register_keras_serializable("cen_keras")
class PyramidPool(keras.layers.Layer):
    """Averages a map over a grid of bins: one level of PSPNet's pyramid.

    Takes (b, h, w, c) floats and gives (b, bins, bins, c), equal to PyTorch's
    `AdaptiveAvgPool2d(bins)`. Any h and w, also fewer than `bins`, also unknown until the call
    (TensorFlow).

    Args:
        bins: rows and columns of the grid.

    Raises:
        InputError: `bins` is below 1.
    """

    def __init__(self, bins: int, **kwargs):
        super().__init__(**kwargs)
        if bins < 1:
            raise InputError(f"a pyramid level has at least one bin; found {bins}.")
        self.bins = int(bins)

    def call(self, images):
        """Averages."""
        height, width = ops.shape(images)[1:3]
        rows = bin_matrix(height, self.bins, self.compute_dtype)
        columns = bin_matrix(width, self.bins, self.compute_dtype)
        # Rows first: what is left for the columns is small.
        pooled = ops.einsum("bhwc,rh->brwc", images, rows)
        return ops.einsum("brwc,sw->brsc", pooled, columns)

    def compute_output_shape(self, input_shape):
        """Returns (b, bins, bins, c)."""
        return (input_shape[0], self.bins, self.bins, input_shape[3])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "bins": self.bins}
