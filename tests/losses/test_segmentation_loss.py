"""SegmentationLoss against cross-entropy written in NumPy with OpenCV's bilinear resize."""

import cv2
import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.losses.segmentation import FocalLoss, SegmentationLoss

# float32 sums of a few hundred terms of size 1: 1e-5 is about 100 rounding steps.
TOLERANCE = 1e-5


def oracle(labels, logits, ignore=255):
    """Returns the loss in float64, pixel by pixel as the definition says."""
    total, count = 0.0, 0
    for label, logit in zip(labels, logits, strict=True):
        height, width = label.shape
        logit = cv2.resize(logit.astype("float64"), (width, height), interpolation=cv2.INTER_LINEAR)
        logit = logit - logit.max(-1, keepdims=True)
        log_softmax = logit - np.log(np.exp(logit).sum(-1, keepdims=True))
        for row, column in zip(*np.nonzero(label != ignore), strict=True):
            total -= log_softmax[row, column, label[row, column]]
            count += 1
    return total / count


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 12, 16)).astype("int32")
    labels[rng.random(labels.shape) < 0.3] = 255
    labels[1, :8] = 255  # the two images count differently many pixels
    return labels, rng.normal(size=(2, 3, 4, 5)).astype("float32") * 3


def test_equals_the_definition(batch):
    labels, logits = batch
    assert float(SegmentationLoss()(labels, logits)) == pytest.approx(
        oracle(labels, logits), rel=TOLERANCE
    )


def test_same_size_is_not_resized(batch):
    labels, _ = batch
    logits = np.random.default_rng(1).normal(size=(2, 12, 16, 5)).astype("float32")
    assert float(SegmentationLoss()(labels, logits)) == pytest.approx(
        oracle(labels, logits), rel=TOLERANCE
    )


def test_ignored_pixels_have_no_influence(batch):
    labels, _ = batch
    logits = np.random.default_rng(2).normal(size=(2, 12, 16, 5)).astype("float32")
    changed = np.where((labels == 255)[..., None], 1e4, logits).astype("float32")
    loss = SegmentationLoss()
    assert float(loss(labels, changed)) == float(loss(labels, logits))


def test_all_ignored_is_zero_with_zero_gradient():
    labels = np.full((2, 8, 8), 255, "int32")
    logits = keras.Variable(np.ones((2, 2, 2, 3), "float32"))
    loss = SegmentationLoss()
    assert float(loss(labels, logits)) == 0.0
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(labels, logits.value)
        assert np.all(tape.gradient(value, logits.value).numpy() == 0.0)


def test_half_precision_logits_are_computed_in_float32(batch):
    labels, logits = batch
    # float16 holds nothing above 65504: exp(20) would overflow if the softmax ran in it.
    logits = (logits * 10).astype("float16")
    value = SegmentationLoss()(labels, keras.ops.convert_to_tensor(logits))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(oracle(labels, logits), rel=TOLERANCE)


def test_fixed_normaliser_is_the_mean_of_its_parts(batch):
    labels, logits = batch
    loss = SegmentationLoss(pixels_per_image=12 * 16)
    parts = [float(loss(labels[i : i + 1], logits[i : i + 1])) for i in range(2)]
    assert float(loss(labels, logits)) == pytest.approx(np.mean(parts), rel=TOLERANCE)
    by_valid = SegmentationLoss()
    parts = [float(by_valid(labels[i : i + 1], logits[i : i + 1])) for i in range(2)]
    assert float(by_valid(labels, logits)) != pytest.approx(np.mean(parts), rel=1e-3)


def test_sample_weight_drops_an_image(batch):
    labels, logits = batch
    loss = SegmentationLoss(pixels_per_image=1)
    first = float(loss(labels, logits, sample_weight=np.array([1.0, 0.0])))
    assert first == pytest.approx(float(loss(labels[:1], logits[:1])) / 2, rel=TOLERANCE)


@pytest.mark.parametrize("label", [-1, 5, 254])
def test_a_label_outside_the_classes_is_nan(batch, label):
    labels, logits = batch
    labels[0, 3, 4] = label
    assert np.isnan(float(SegmentationLoss()(labels, logits)))


def test_serialises():
    loss = keras.losses.deserialize(
        keras.losses.serialize(SegmentationLoss(ignore=7, pixels_per_image=3.0))
    )
    assert isinstance(loss, SegmentationLoss)
    assert (loss.ignore, loss.pixels_per_image) == (7, 3.0)
    assert keras.losses.serialize(loss)["registered_name"] == "cen_keras>SegmentationLoss"


def test_bad_arguments_are_named(batch):
    with pytest.raises(InputError, match="pixels_per_image"):
        SegmentationLoss(pixels_per_image=0)
    with pytest.raises(InputError, match=r"\(2, 12\)"):
        SegmentationLoss()(batch[0][..., 0], batch[1])


def of_keras(make, labels, logits, **options):
    """The mean over the valid pixels of a loss of Keras' own."""
    valid = labels != 255
    loss = make(from_logits=True, reduction=None, **options)
    return float(np.mean(loss(np.eye(5, dtype="float32")[labels[valid]], logits[valid])))


def test_smoothed_labels_and_the_focal_loss_are_those_of_keras(batch):
    labels, _ = batch
    logits = np.random.default_rng(6).normal(size=(2, 12, 16, 5)).astype("float32")
    smoothed = of_keras(keras.losses.CategoricalCrossentropy, labels, logits, label_smoothing=0.2)
    found = float(SegmentationLoss(label_smoothing=0.2)(labels, logits))
    assert found == pytest.approx(smoothed, rel=TOLERANCE)
    focal = keras.losses.CategoricalFocalCrossentropy
    for gamma in (0.5, 2.0):
        # Keras clips probabilities at 1e-7, which none of these reaches.
        wanted = of_keras(focal, labels, logits, alpha=1.0, gamma=gamma)
        assert float(FocalLoss(gamma=gamma)(labels, logits)) == pytest.approx(wanted, rel=1e-4)
    assert float(FocalLoss(gamma=0)(labels, logits)) == pytest.approx(
        float(SegmentationLoss()(labels, logits)), rel=TOLERANCE
    )


def focal_gradient(logits, gamma):
    """The gradient of a pixel's focal loss for label 0 by its logits, in float64."""
    likelihoods = np.exp(logits.astype("float64"))
    p, q = likelihoods / likelihoods.sum(), np.array([1.0, 0.0])
    rest = p[1:].sum()  # 1 - p[0], which keeps its digits
    # d/dp of (1 - p)^g * -log p, times dp/dlogit = p (q - softmax), whose first entry is p * rest.
    slope = gamma * rest ** (gamma - 1) * np.log(p[0]) - rest**gamma / p[0]
    return slope * p[0] * np.array([rest, *(q - p)[1:]])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes TensorFlow's gradients")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_gradients_of_the_focal_loss_are_finite_where_a_pixel_is_certain(gamma):
    import tensorflow as tf

    logits = np.array([[40.0, 0.0], [1.0, 0.0], [-2.0, 1.0]], "float32")
    labels, x = tf.zeros((1, 1, 3), "int32"), tf.constant(logits[None, None])

    def gradient(loss):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(labels, x)
        return tape.gradient(value, x).numpy()[0, 0]

    found = gradient(FocalLoss(gamma=gamma))
    wanted = np.stack([focal_gradient(pixel, gamma) for pixel in logits]) / 3
    # Numbers of size 1 in float32; at 40 the true gradient is below 1e-8 (gamma 0: 4e-18).
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    if gamma == 0:
        np.testing.assert_allclose(found, gradient(SegmentationLoss()), atol=1e-7)


@pytest.mark.parametrize("change", [{"label_smoothing": 1.0}, {"label_smoothing": -0.1}])
def test_a_share_that_is_none_is_refused(change):
    with pytest.raises(InputError, match="label_smoothing is at least 0 and below 1"):
        SegmentationLoss(**change)
    with pytest.raises(InputError, match="gamma is at least 0"):
        FocalLoss(gamma=-1)
