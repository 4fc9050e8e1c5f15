"""From the channels of a modality's image to those that the shared stem takes."""

import keras
import numpy as np
from keras import ops


def fit_matrix(found: int, wanted: int) -> np.ndarray:
    """Returns the (found, wanted) float32 matrix that brings images of `found` channels to `wanted` ones.

    Fewer channels are repeated in turn, so one grey channel becomes three; more are averaged in neighbouring groups.
    """
    matrix = np.zeros((found, wanted), "float32")
    if found <= wanted:
        matrix[np.arange(wanted) % found, np.arange(wanted)] = 1
    else:
        matrix[np.arange(found), np.arange(found) * wanted // found] = 1
        matrix /= matrix.sum(axis=0)
    return matrix


@keras.saving.register_keras_serializable("cen_keras")
class FitChannels(keras.layers.Layer):
    """Repeats or averages the channels of an image: (b, h, w, c) floats -> (b, h, w, channels).

    Args:
        channels: of the result.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = int(channels)

    def call(self, images):
        """Fits."""
        found = images.shape[-1]
        if found <= self.channels:
            repeated = ops.concatenate([images] * -(-self.channels // found), axis=-1)
            return repeated[..., : self.channels]
        return ops.matmul(images, ops.cast(fit_matrix(found, self.channels), images.dtype))

    def compute_output_shape(self, input_shape):
        """Returns the shape with the new channels."""
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "channels": self.channels}
