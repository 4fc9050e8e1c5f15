"""Losses of image translation: pix2pix (Isola et al., CVPR 2017) summed over the streams of CEN."""

from keras import ops


def adversarial_loss(logits, real: bool):
    """Binary cross-entropy of the discriminator's outputs, averaged per stream, summed over streams.

    Computed from logits: log(sigmoid(x)) = -softplus(-x) stays finite however confident the output is.

    Args:
        logits: (M, b, h, w, 1) float32, before the sigmoid.
        real: whether the images should be taken for real ones.

    Returns:
        a scalar.
    """
    entropy = ops.softplus(-logits if real else logits)
    return ops.sum(ops.mean(entropy, axis=tuple(range(1, len(logits.shape)))))


def reconstruction_loss(target, made: dict):
    """Mean absolute error of each output, summed over the streams and the ensemble.

    The ensemble is made of detached streams: its share teaches the weights of the streams only.

    Args:
        target: (b, h, w, c) float32 in -1..1.
        made: output -> image of the same shape, "ensemble" among them.

    Returns:
        a scalar.
    """
    return sum(
        ops.mean(ops.abs(ops.cast(image, "float32") - ops.cast(target, "float32")))
        for image in made.values()
    )
