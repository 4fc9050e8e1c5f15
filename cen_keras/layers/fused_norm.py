"""BatchNormalization in training by TensorFlow's fused kernel: the numbers of Keras at a third of its time.

Keras writes a norm as a dozen operators, each of which reads the whole map from memory; `FusedBatchNormV3` (oneDNN on
a CPU, cuDNN on a GPU) and its gradient read it twice. Inference stays as Keras writes it, which exporters know.
"""

import keras
from keras import ops

from cen_keras.errors import InputError

_allowed = True


def allow_fused_norm(allowed: bool) -> None:
    """Says whether norms may be computed by the fused kernel; by default they may.

    It rounds otherwise than Keras does, by 1e-7, which a training with Adam enlarges step by step. A deterministic
    recipe does without it, so that its numbers are those of Keras' own operators.
    """
    global _allowed
    _allowed = allowed


def fits_fused_norm(norm: keras.layers.Layer, x, training, frozen: bool = False) -> bool:
    """Returns whether `fused_batch_norm` computes what the layer would.

    That is in training on TensorFlow, for BatchNormalization over the last axis of (b, h, w, c), without statistics
    that replicas share (`synchronized=True`), renormalisation or float64.

    Args:
        norm: a built layer.
        x: what it would be called on.
        training: whether gradients are wanted, as Keras passes it on.
        frozen: whether the moving statistics are used and left, which a GPU differentiates only as long as operators
            need not be deterministic; there Keras does it.
    """
    fits = (
        _allowed
        and keras.backend.backend() == "tensorflow"
        and training is True
        and type(norm) is keras.layers.BatchNormalization
        and len(x.shape) == 4
        and norm.axis in (-1, 3)
        and not norm.synchronized
        and not getattr(norm, "renorm", False)
        and keras.backend.standardize_dtype(x.dtype) == norm.compute_dtype
        and norm.compute_dtype in ("float16", "bfloat16", "float32")
    )
    if not fits or (norm.trainable and not frozen):
        return fits
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def fused_batch_norm(norm: keras.layers.BatchNormalization, x, frozen: bool = False):
    """Normalises as the layer does in training, and updates its moving statistics.

    Args:
        norm: a layer for which `fits_fused_norm` holds; its statistics are float32 under mixed precision too.
        x: (b, h, w, c) in the layer's compute dtype.
        frozen: normalise with the moving statistics and leave them; so does a layer that is not trainable.

    Returns:
        (b, h, w, c) in the dtype of `x`.

    Raises:
        InputError: the backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"fused_batch_norm is TensorFlow's; found {keras.backend.backend()!r}. Call the layer itself."
        )
    import tensorflow as tf

    channels = x.shape[-1]
    moving = [ops.convert_to_tensor(norm.moving_mean), ops.convert_to_tensor(norm.moving_variance)]
    scale = ops.convert_to_tensor(norm.gamma) if norm.scale else tf.ones(channels)
    offset = ops.convert_to_tensor(norm.beta) if norm.center else tf.zeros(channels)
    learns = norm.trainable and not frozen
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=tf.zeros(0) if learns else moving[0],
        variance=tf.zeros(0) if learns else moving[1],
        epsilon=norm.epsilon,
        is_training=learns,
    )
    if learns:
        # The kernel gives n / (n - 1) times the variance that it normalises with; Keras keeps the latter.
        count = tf.cast(tf.size(x) // channels, tf.float32)
        variance *= tf.maximum(count - 1, 1) / count
        for old, variable, new in zip(
            moving, (norm.moving_mean, norm.moving_variance), (mean, variance), strict=True
        ):
            variable.assign(old * norm.momentum + new * (1.0 - norm.momentum))
    return y
