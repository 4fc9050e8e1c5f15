"""Losses of whole regions, which do not depend on a class's size: Dice and Lovász-softmax, image by image."""

import keras
from keras import ops

from cen_keras.losses.pixels import PixelLoss, log_probabilities


def mean_of_present(values, target):
    """Returns the (b,) mean of (b, n) values over the classes that an image has; 0 where it has none.

    Args:
        values: of each class.
        target: (b, H, W, n), zero where a pixel is ignored.
    """
    present = ops.cast(ops.any(target > 0, axis=(1, 2)), "float32")
    return ops.sum(values * present, axis=-1) / ops.maximum(ops.sum(present, axis=-1), 1.0)


@keras.saving.register_keras_serializable("cen_keras")
class DiceLoss(PixelLoss):
    """One less the Dice coefficient of probabilities and labels, averaged over the classes an image has.

    dice = 2 sum w p t / (sum w p + sum w t) over the valid pixels of an image (Milletari et al., 3DV 2016, without
    squares).
    """

    def __init__(self, ignore: int = 255, name: str = "dice_loss", **options):
        super().__init__(ignore, name=name, **options)

    def shares(self, logits, target, weights, counted):
        """Returns (b,) float32 shares of the loss."""
        weights = weights[..., None]
        probability = ops.exp(log_probabilities(logits)) * weights
        both = ops.sum(probability * target, axis=(1, 2))
        either = ops.sum(probability + target * weights, axis=(1, 2))
        dice = 2 * both / ops.maximum(either, keras.config.epsilon())
        return mean_of_present(1 - dice, target * counted[..., None])


@keras.saving.register_keras_serializable("cen_keras")
class LovaszSoftmaxLoss(PixelLoss):
    """The Lovász extension of the Jaccard loss (Berman et al., CVPR 2018), averaged over the classes an image has.

    For each class the pixels' errors |t - p|, sorted from the largest, are weighed by the steps of the Jaccard loss
    that adding the pixel makes. Weights of pixels multiply their errors.
    """

    def __init__(self, ignore: int = 255, name: str = "lovasz_softmax_loss", **options):
        super().__init__(ignore, name=name, **options)

    def shares(self, logits, target, weights, counted):
        """Returns (b,) float32 shares of the loss."""
        probability = ops.exp(log_probabilities(logits))
        truth = target * counted[..., None]
        errors = ops.abs(target - probability) * weights[..., None]
        classes = target.shape[-1]

        def by_class(maps):  # (b, n, pixels)
            return ops.transpose(ops.reshape(maps, (ops.shape(maps)[0], -1, classes)), (0, 2, 1))

        errors, truth = by_class(errors), by_class(truth)
        order = ops.argsort(-ops.stop_gradient(errors), axis=-1)
        errors = ops.take_along_axis(errors, order, axis=-1)
        sorted_truth = ops.take_along_axis(truth, order, axis=-1)
        total = ops.sum(truth, axis=-1, keepdims=True)
        intersection = total - ops.cumsum(sorted_truth, axis=-1)
        union = total + ops.cumsum(1 - sorted_truth, axis=-1)
        jaccard = 1 - intersection / ops.maximum(union, 1.0)
        steps = ops.concatenate([jaccard[..., :1], jaccard[..., 1:] - jaccard[..., :-1]], axis=-1)
        return mean_of_present(ops.sum(errors * steps, axis=-1), target * counted[..., None])
