"""Kinds of Keras layers by what they mean for streams: norms, filters, and what works on each channel by itself."""

import keras
import numpy as np

from cen_keras.layers.instance_norm import InstanceNorm

NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    InstanceNorm,
)
"""Of these every modality owns one."""

CONSUMERS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
"""What may read exchanged channels: layers in which freezing lets the exchange disappear."""

ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)

ACTIVATION_OPERATIONS = ("Relu", "Relu6", "LeakyRelu", "Elu", "Silu", "HardSilu", "Gelu")
"""Names of the operations behind `keras.ops` functions that are called on tensors of a functional model."""

PASSED = (
    *ACTIVATIONS,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.Identity,
)
"""What works on each channel by itself and keeps their order."""

PREPROCESSING = (keras.layers.Rescaling, keras.layers.Normalization)
"""What a network does to raw images before its first filter."""


def is_activation(operation) -> bool:
    """Whether an operation is a non-linearity on each value."""
    if isinstance(operation, keras.layers.Activation):
        return keras.activations.serialize(operation.activation) != "linear"
    return isinstance(operation, ACTIVATIONS) or _is_function(operation)


def is_passed(operation) -> bool:
    """Whether an operation works on each channel by itself."""
    return isinstance(operation, PASSED) or _is_function(operation)


def _is_function(operation) -> bool:
    return (
        not isinstance(operation, keras.layers.Layer)
        and type(operation).__name__ in ACTIVATION_OPERATIONS
    )


def affine_of(layer: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Returns factor and offset of a Rescaling or Normalization layer: numbers, or one for each channel."""
    if isinstance(layer, keras.layers.Rescaling):
        return np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(x), float).ravel()
        for x in (layer.mean, layer.variance)
    )
    # Keras bounds the deviation from below.
    std = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        return std, mean
    return 1 / std, -mean / std
