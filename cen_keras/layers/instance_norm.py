"""Instance normalisation (Ulyanov et al., 2016): each image and channel by its own mean and variance."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("cen_keras")
class InstanceNorm(keras.layers.Layer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the height and width of each image.

    The same in training and inference: it never uses statistics of other images. `moving_mean` and
    `moving_variance` are held only because PyTorch's `InstanceNorm2d(track_running_stats=True)` has
    them in its state dict, so that a checkpoint goes through unchanged; nothing reads or updates
    them. (The official CEN never leaves training mode, where PyTorch does not read them either.)

    Takes and gives (b, h, w, c) floats; mean, variance and scales are float32 whatever the dtype.

    Args:
        epsilon: added to the variance.
        gamma_initializer: of the scales.
        gamma_regularizer: of the scales.
        gamma_constraint: of the scales.
    """

    def __init__(
        self,
        epsilon=1e-5,
        gamma_initializer="ones",
        gamma_regularizer=None,
        gamma_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)

    def build(self, input_shape):
        """Creates gamma, beta and the statistics that only a converter reads."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(
            name="gamma",
            shape=shape,
            initializer=self.gamma_initializer,
            regularizer=self.gamma_regularizer,
            constraint=self.gamma_constraint,
            autocast=False,
        )
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)
        self.moving_mean = self.add_weight(
            name="moving_mean", shape=shape, initializer="zeros", trainable=False, autocast=False
        )
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=shape, initializer="ones", trainable=False, autocast=False
        )

    def call(self, inputs):
        """Normalises."""
        x = ops.cast(inputs, "float32")
        mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon) * self.gamma
        return ops.cast((x - mean) * scale + self.beta, inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the input."""
        return input_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "gamma_regularizer": keras.regularizers.serialize(self.gamma_regularizer),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
        }
