"""Where a lifted network's streams become one: their mean."""

import keras

from cen_keras.errors import InputError
from cen_keras.layers.streams import FUSED


@keras.saving.register_keras_serializable("cen_keras")
class Join(keras.layers.Layer):
    """Marks a place of a plain network behind which its lifted form has one stream: the mean of all.

    In a network of one image it passes its input on, (b, ..., c) floats. `cen_keras.lift` puts
    `keras.layers.Average` in its place, behind which the only stream is called "fused".
    """

    def call(self, x):
        """Returns x."""
        return x

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape


def joined(streams: dict[str, keras.KerasTensor], name: str) -> dict[str, keras.KerasTensor]:
    """Returns the one stream that several become.

    Args:
        streams: modality -> (b, ..., c) of one shape.
        name: of the layer.

    Returns:
        {"fused": their mean}; a stream that is alone stays as it is.

    Raises:
        InputError: a modality has the fused stream's name.
    """
    if len(streams) == 1:
        return streams
    if FUSED in streams:
        raise InputError(f"no modality may be called {FUSED!r}; found {tuple(streams)!r}.")
    return {FUSED: keras.layers.Average(name=name)(list(streams.values()))}
