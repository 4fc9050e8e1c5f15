"""Cross-entropy of segmentation: logits are brought to the label's size, ignored pixels left out.

As in RefineNet's and CEN's training scripts the logits, not the probabilities, are upsampled
(bilinear, half-pixel centres), so the network never computes at full resolution.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.resize import resize_bilinear


@keras.saving.register_keras_serializable("cen_keras")
class SegmentationLoss(keras.losses.Loss):
    """Softmax cross-entropy over the valid pixels of a batch.

    Labels are (b, H, W) integers and logits (b, h, w, n) floats, resized to (H, W) if they differ.
    The computation is float32 whatever the logits' dtype. Pixels labelled `ignore` count neither
    above nor below the fraction line:

        loss = sum over valid pixels of -log softmax(logits)[label] / number of valid pixels

    and a batch without a valid pixel gives 0. A label that is neither a class nor `ignore` makes it
    NaN, since a compiled step cannot raise. `sample_weight`, shaped (b,), multiplies each image's
    share.

    Args:
        ignore: the label of pixels that do not count.
        pixels_per_image: None divides by the batch's valid pixels. A number divides every image's
            sum by that many pixels instead, so that the loss of a batch is the mean of its parts'
            losses however the valid pixels are spread: what several replicas need to compute
            exactly what one would.

    Raises:
        InputError: `pixels_per_image` is not positive, or labels and logits do not have ranks 3 and
            4.
    """

    def __init__(
        self,
        ignore: int = 255,
        pixels_per_image: float | None = None,
        name: str = "segmentation_loss",
        reduction: str = "sum_over_batch_size",
        dtype: str | None = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        if pixels_per_image is not None and not pixels_per_image > 0:
            raise InputError(
                f"pixels_per_image is a count above 0, or None; found {pixels_per_image}."
            )
        self.ignore = int(ignore)
        self.pixels_per_image = pixels_per_image

    def call(self, y_true, y_pred):
        """Returns (b,) float32 shares of the loss, whose mean is the loss."""
        if len(y_true.shape) != 3 or len(y_pred.shape) != 4:
            raise InputError(
                "SegmentationLoss wants labels (b, H, W) and logits (b, h, w, n); found shapes "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        logits = ops.cast(y_pred, "float32")
        labels = ops.cast(y_true, "int32")
        if tuple(logits.shape[1:3]) != tuple(labels.shape[1:3]) or None in logits.shape[1:3]:
            logits = resize_bilinear(logits, ops.shape(labels)[1:3])
        classes = logits.shape[-1]
        valid = ops.not_equal(labels, self.ignore)
        wrong = ops.logical_and(valid, ops.logical_or(labels < 0, labels >= classes))
        # An ignored label lies outside the classes; any class does, since its weight is zero. The
        # sum with a one-hot costs less on a CPU than Keras' sparse cross-entropy does on
        # TensorFlow.
        chosen = ops.one_hot(ops.where(ops.logical_or(wrong, ~valid), 0, labels), classes)
        entropy = ops.logsumexp(logits, axis=-1) - ops.sum(chosen * logits, axis=-1)
        entropy = ops.where(wrong, float("nan"), entropy)
        weights = ops.cast(valid, "float32")
        sums = ops.sum(entropy * weights, axis=(1, 2))
        if self.pixels_per_image is not None:
            return sums / self.pixels_per_image
        images = ops.cast(ops.shape(labels)[0], "float32")
        return sums * (images / ops.maximum(ops.sum(weights), 1.0))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "ignore": self.ignore,
            "pixels_per_image": self.pixels_per_image,
        }
