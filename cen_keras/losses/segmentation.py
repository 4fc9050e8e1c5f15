"""Losses that are sums over pixels: cross-entropy, with label smoothing, and the focal loss."""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.losses.pixels import PixelLoss, log_probabilities


@keras.saving.register_keras_serializable("cen_keras")
class SegmentationLoss(PixelLoss):
    """Softmax cross-entropy over the valid pixels of a batch.

        loss = sum over valid pixels of -w log softmax(logits)[label] / number of valid pixels

    with pixel weights w of 1 by default; a batch without a valid pixel gives 0. See `PixelLoss` for shapes, ignored
    pixels and weights.

    Args:
        ignore: the label of pixels that do not count.
        pixels_per_image: None divides by the batch's valid pixels. A number divides every image's
            sum by that many pixels instead, so that the loss of a batch is the mean of its parts'
            losses however the valid pixels are spread: what several replicas need to compute
            exactly what one would.
        label_smoothing: share of the target that is spread evenly over all classes, 0 to below 1.
        name: of the loss.
        reduction: as for `keras.losses.Loss`.
        dtype: of the computation; None for float32.

    Raises:
        InputError: `pixels_per_image` is not positive, or `label_smoothing` is no share.
    """

    def __init__(
        self,
        ignore: int = 255,
        pixels_per_image: float | None = None,
        label_smoothing: float = 0.0,
        name: str = "segmentation_loss",
        reduction: str = "sum_over_batch_size",
        dtype: str | None = None,
    ):
        super().__init__(ignore, name=name, reduction=reduction, dtype=dtype)
        if pixels_per_image is not None and not pixels_per_image > 0:
            raise InputError(
                f"pixels_per_image is a count above 0, or None; found {pixels_per_image}."
            )
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing is at least 0 and below 1; found {label_smoothing}.")
        self.pixels_per_image = pixels_per_image
        self.label_smoothing = float(label_smoothing)

    def entropy(self, logits, target):
        """Returns (b, H, W) float32 cross-entropies."""
        # The sum with a one-hot costs less on a CPU than Keras' sparse cross-entropy does on TensorFlow.
        total = ops.logsumexp(logits, axis=-1)
        entropy = total - ops.sum(target * logits, axis=-1)
        if self.label_smoothing:
            spread = total - ops.mean(logits, axis=-1)
            entropy = (1 - self.label_smoothing) * entropy + self.label_smoothing * spread
        return entropy

    def shares(self, logits, target, weights, counted):
        """Returns (b,) float32 shares of the loss."""
        sums = ops.sum(self.entropy(logits, target) * weights, axis=(1, 2))
        if self.pixels_per_image is not None:
            return sums / self.pixels_per_image
        images = ops.cast(ops.shape(sums)[0], "float32")
        return sums * (images / ops.maximum(ops.sum(counted), 1.0))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "pixels_per_image": self.pixels_per_image,
            "label_smoothing": self.label_smoothing,
        }


@keras.saving.register_keras_serializable("cen_keras")
class FocalLoss(SegmentationLoss):
    """Cross-entropy in which pixels that are predicted well count less (Lin et al., ICCV 2017): (1 - p)^gamma times it.

    Args:
        gamma: of the factor; 0 is cross-entropy.
        ignore: the label of pixels that do not count.
        name: of the loss.
        **options: of `SegmentationLoss`.

    Raises:
        InputError: gamma is below 0.
    """

    def __init__(self, gamma: float = 2.0, ignore: int = 255, name: str = "focal_loss", **options):
        super().__init__(ignore, name=name, **options)
        if not gamma >= 0:
            raise InputError(f"gamma is at least 0; found {gamma}.")
        self.gamma = float(gamma)

    def entropy(self, logits, target):
        """Returns (b, H, W) float32 cross-entropies times their factors."""
        likelihood = ops.exp(ops.sum(target * log_probabilities(logits), axis=-1))
        # Below gamma = 1 the power has no finite slope at 0, where a likelihood is rounded to 1.
        factor = ops.maximum(1.0 - likelihood, keras.config.epsilon()) ** self.gamma
        return factor * super().entropy(logits, target)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "gamma": self.gamma}
