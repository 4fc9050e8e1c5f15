"""What the losses of segmentation share: logits at the label's size, ignored pixels, weights of images and pixels.

As in RefineNet's and CEN's training scripts the logits, not the probabilities, are upsampled
(bilinear, half-pixel centres), so the network never computes at full resolution.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.resize import resize_bilinear


class PixelLoss(keras.losses.Loss):
    """Base of the losses between labels (b, H, W) of integers and logits (b, h, w, n) of floats.

    The computation is float32 whatever the logits' dtype. Pixels labelled `ignore` count nowhere. A label that is
    neither a class nor `ignore` makes the loss NaN, since a compiled step cannot raise.

    `sample_weight` of shape (b,) multiplies each image's share, of shape (b, H, W) each pixel's;
    either may have one axis of length 1 behind.

    Args:
        ignore: the label of pixels that do not count.
        name: of the loss.
        reduction: as for `keras.losses.Loss`.
        dtype: of the computation; None for float32.

    Raises:
        InputError: labels and logits do not have ranks 3 and 4, or weights have another shape.
    """

    def __init__(self, ignore: int = 255, name=None, reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        self.ignore = int(ignore)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Returns the reduced loss."""
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight)
        if sample_weight is not None and len(sample_weight.shape) == 3:
            y_true, sample_weight = {"labels": y_true, "weights": sample_weight}, None
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        """Returns (b,) float32 shares of the loss, whose mean is the loss."""
        labels, weights = y_true, None
        if isinstance(y_true, dict):
            labels, weights = y_true["labels"], y_true["weights"]
        if len(labels.shape) != 3 or len(y_pred.shape) != 4:
            raise InputError(
                f"{type(self).__name__} wants labels (b, H, W) and logits (b, h, w, n); found shapes "
                f"{tuple(labels.shape)} and {tuple(y_pred.shape)}."
            )
        logits, labels = ops.cast(y_pred, "float32"), ops.cast(labels, "int32")
        if tuple(logits.shape[1:3]) != tuple(labels.shape[1:3]) or None in logits.shape[1:3]:
            logits = resize_bilinear(logits, ops.shape(labels)[1:3])
        classes = logits.shape[-1]
        valid = ops.not_equal(labels, self.ignore)
        wrong = ops.logical_and(valid, ops.logical_or(labels < 0, labels >= classes))
        # An ignored label may lie outside the classes; any class does, since its weight is zero.
        target = ops.one_hot(ops.where(ops.logical_or(wrong, ~valid), 0, labels), classes)
        counted = ops.cast(valid, "float32")
        weights = counted if weights is None else counted * ops.cast(weights, "float32")
        shares = self.shares(logits, target, weights, counted)
        return ops.where(ops.any(wrong, axis=(1, 2)), float("nan"), shares)

    def shares(self, logits, target, weights, counted):
        """Returns (b,) float32 shares of the loss.

        Args:
            logits: (b, H, W, n) float32.
            target: (b, H, W, n) float32, one-hot.
            weights: (b, H, W) float32, 0 where a pixel is ignored.
            counted: (b, H, W) float32, 1 where a pixel counts and 0 where it is ignored.
        """
        raise NotImplementedError(f"{type(self).__name__} has no shares()")

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "ignore": self.ignore}


def weights_of(sample_weight):
    """Returns weights of images, (b,), or of pixels, (b, H, W), without an axis of length 1 behind.

    A number stays as it is.

    Raises:
        InputError: they have another shape.
    """
    shape = tuple(ops.shape(sample_weight))
    if len(shape) in (2, 4) and shape[-1] == 1:
        return ops.squeeze(sample_weight, axis=-1)
    if len(shape) not in (0, 1, 3):
        raise InputError(
            f"sample_weight has the shape {shape}; wanted (b,), a weight for each image, or "
            "(b, H, W), one for each pixel."
        )
    return sample_weight


def log_probabilities(logits):
    """Returns log softmax over the last axis, (..., n) float32."""
    return logits - ops.logsumexp(logits, axis=-1, keepdims=True)
