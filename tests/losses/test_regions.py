"""Dice and Lovász-softmax against their definitions, pixel by pixel and set by set in float64."""

import keras
import numpy as np
import pytest

from cen_keras.losses import DiceLoss, LovaszSoftmaxLoss

CLASSES = 4
# Sums of 48 float32 terms of size 1; cumulated ones lose a few steps more.
TOLERANCE = 1e-5


@pytest.fixture
def batch():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, CLASSES - 1, (2, 6, 8)).astype("int32")  # one class is nowhere
    labels[rng.random(labels.shape) < 0.3] = 255
    weights = rng.uniform(0, 2, labels.shape).astype("float32")
    return labels, rng.normal(size=(2, 6, 8, CLASSES)).astype("float32"), weights


def pixels_of(label, logits, weight):
    """Labels, probabilities and weights of an image's valid pixels."""
    logits = logits.astype("float64")
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    valid = label != 255
    return label[valid], probability[valid], weight[valid]


def dice(label, probability, weight, number):
    truth = (label == number).astype("float64")
    both = 2 * (weight * probability[:, number] * truth).sum()
    return 1 - both / ((weight * probability[:, number]).sum() + (weight * truth).sum())


def lovasz(label, probability, weight, number):
    """The Lovász extension: errors, from the largest, times what each adds to the Jaccard loss of the set of
    pixels that are wrong, |wrong| / |truth or wrong| (equations 6 and 9 of the paper)."""
    truth = {i for i, value in enumerate(label) if value == number}
    errors = [
        abs((i in truth) - p) * w
        for i, (p, w) in enumerate(zip(probability[:, number], weight, strict=True))
    ]
    wrong, total, before = set(), 0.0, 0.0
    for pixel in sorted(range(len(errors)), key=lambda i: -errors[i]):
        wrong.add(pixel)
        jaccard = len(wrong) / len(truth | wrong)
        total += errors[pixel] * (jaccard - before)
        before = jaccard
    return total


@pytest.mark.parametrize(("make", "oracle"), [(DiceLoss, dice), (LovaszSoftmaxLoss, lovasz)])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_definition(make, oracle, weighted, batch):
    labels, logits, weights = batch
    weights = weights if weighted else np.ones_like(weights)
    losses = []
    for image in zip(labels, logits, weights, strict=True):
        pixels = pixels_of(*image)
        losses.append(np.mean([oracle(*pixels, number) for number in np.unique(pixels[0])]))
    found = float(make()(labels, logits, weights if weighted else None))
    assert found == pytest.approx(np.mean(losses), rel=TOLERANCE)


def test_of_certain_predictions_lovasz_is_the_jaccard_loss(batch):
    labels, _, _ = batch
    predicted = np.random.default_rng(5).integers(0, CLASSES, labels.shape)
    # At 50 to 0 the other classes have a probability of e^-50.
    logits = 50 * np.eye(CLASSES, dtype="float32")[predicted]
    losses = []
    for label, seen in zip(labels, predicted, strict=True):
        valid = label != 255
        of_image = []
        for number in np.unique(label[valid]):
            truth, output = label[valid] == number, seen[valid] == number
            of_image.append(1 - (truth & output).sum() / (truth | output).sum())
        losses.append(np.mean(of_image))
    assert float(LovaszSoftmaxLoss()(labels, logits)) == pytest.approx(
        np.mean(losses), rel=TOLERANCE
    )


@pytest.mark.parametrize("make", [DiceLoss, LovaszSoftmaxLoss])
def test_a_step_down_the_gradient_lowers_it(make, batch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients by TensorFlow")
    import tensorflow as tf

    labels, logits, _ = batch
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        before = make()(labels, logits)
    gradient = tape.gradient(before, logits)
    assert np.isfinite(gradient.numpy()).all()
    assert (gradient.numpy()[labels == 255] == 0).all()
    assert float(make()(labels, logits - 10.0 * gradient)) < float(before)
