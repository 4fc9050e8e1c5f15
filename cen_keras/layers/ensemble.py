"""The softmax-weighted ensemble of the streams (CEN Eq. 3-4, sum_m alpha_m f_m)."""

import keras
from keras import ops

from cen_keras.layers.streams import check_modalities, one_shape


@keras.saving.register_keras_serializable("cen_keras")
class ModalityEnsemble(keras.layers.Layer):
    """sum_m softmax(alpha)_m * stop_gradient(stream_m), with one learned scalar alpha per modality.

    The streams are detached as in the official code: the ensemble's loss teaches alpha, not the network.
    Takes a dict modality -> (b, ..., c) floats of one shape and gives one tensor of that shape.

    Args:
        modalities: names of the streams; their order is the order of alpha.

    Raises:
        InputError: streams of different shapes.
    """

    def __init__(self, modalities, **kwargs):
        super().__init__(**kwargs)
        self.modalities = check_modalities(modalities)

    def build(self, input_shape):
        """Creates alpha, all ones: every modality counts the same at the start."""
        one_shape(input_shape)
        self.alpha = self.add_weight(
            name="alpha", shape=(len(self.modalities),), initializer="ones", autocast=False
        )

    def stream_weights(self):
        """Returns softmax(alpha), (M,) float32."""
        # Keras' softmax warns about the single modality, for which a weight of 1 is what we want.
        return ops.exp(self.alpha - ops.logsumexp(self.alpha))

    def call(self, streams):
        """Returns the weighted sum, in the streams' dtype."""
        weights = self.stream_weights()
        parts = []
        for index, name in enumerate(self.modalities):
            stream = ops.stop_gradient(streams[name])
            parts.append(stream * ops.cast(weights[index], stream.dtype))
        return sum(parts[1:], parts[0])

    def compute_output_shape(self, input_shape):
        """Returns the shape of one stream."""
        return one_shape(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "modalities": self.modalities}
