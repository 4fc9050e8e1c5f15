"""Layers of the frozen graph that Keras' own, on TensorFlow, would write in a way no engine likes."""

import keras


@keras.saving.register_keras_serializable("cen_keras")
class DilatedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` as one operator.

    Keras leaves a dilated convolution to `tf.nn.convolution`, which writes it as SpaceToBatch,
    convolution, BatchToSpace. A converter makes one operator of the three, but not where the
    SpaceToBatch has several readers, as the own and the shared channels of an exchange.
    """

    def convolution_op(self, inputs, kernel):
        """Convolves."""
        if keras.backend.backend() != "tensorflow":
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        return tf.nn.conv2d(
            inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate
        )


@keras.saving.register_keras_serializable("cen_keras")
class ArgMax(keras.layers.Layer):
    """The index of the largest channel: (b, h, w, c) floats -> (b, h, w, 1) int32."""

    def call(self, inputs):
        """Picks."""
        if keras.backend.backend() != "tensorflow":
            return keras.ops.argmax(inputs, axis=-1, keepdims=True)
        # Keras' own tells -0.0 from 0.0 by operators on bits, which no engine has built in.
        import tensorflow as tf

        return tf.expand_dims(tf.argmax(inputs, axis=-1, output_type=tf.int32), -1)

    def compute_output_spec(self, inputs):
        """Says what `call` gives."""
        return keras.KerasTensor((*inputs.shape[:-1], 1), "int32")


LEAST_SPLIT = 4
"""Up to 3x3, XNNPACK looks at all nine values in one go."""


def max_pool(
    tensor, pool_size, strides=None, padding="valid", name=None, rows_name=None, **options
):
    """`keras.layers.MaxPooling2D`, a large window of stride 1 as one over rows and one over columns.

    A maximum of maxima is the maximum: a 5x5 window is a 1x5 one and then a 5x1 one, ten values to
    look at in place of twenty-five. Chained residual pooling has four such pools on each level of the
    decoder.
    """
    size, steps = (
        (v, v) if isinstance(v, int) else tuple(v) for v in (pool_size, strides or pool_size)
    )
    if min(size) < LEAST_SPLIT or steps != (1, 1) or padding != "same":
        return keras.layers.MaxPooling2D(pool_size, strides, padding, name=name, **options)(tensor)
    for window, own in (((1, size[1]), rows_name or f"{name}_rows"), ((size[0], 1), name)):
        layer = keras.layers.MaxPooling2D(window, 1, padding, name=own, **options)
        tensor = layer(tensor)
    return tensor
