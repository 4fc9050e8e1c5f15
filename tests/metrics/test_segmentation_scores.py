"""Both forms of the scores against counting pixel by pixel, and against each other."""

import cv2
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cen_keras.errors import InputError
from cen_keras.metrics import confusion
from cen_keras.metrics.confusion import ConfusionMatrix, confusion_matrix, scores
from cen_keras.metrics.segmentation import SegmentationScores, resize_logits


def oracle(labels, prediction, num_classes):
    """Returns (miou, mean accuracy, pixel accuracy) from sets of pixels, a class at a time."""
    valid = labels != 255
    ious, accuracies = [], []
    for index in range(num_classes):
        truth, found = valid & (labels == index), valid & (prediction == index)
        union = (truth | found).sum()
        if union:
            ious.append((truth & found).sum() / union)
        if truth.sum():
            accuracies.append((truth & found).sum() / truth.sum())
    return np.mean(ious), np.mean(accuracies), (prediction == labels)[valid].mean()


LABELS = hnp.arrays("uint8", (1, 4, 5), elements=st.sampled_from([0, 1, 2, 3, 255]))
PREDICTIONS = hnp.arrays("uint8", (1, 4, 5), elements=st.integers(0, 3))


@given(LABELS, PREDICTIONS)
@settings(max_examples=60, deadline=None)
def test_host_scores_equal_counting(labels, prediction):
    matrix = ConfusionMatrix(4)
    matrix.update(labels, prediction)
    if (labels == 255).all():
        assert all(np.isnan(value) for value in matrix.result().values())
    else:
        # Quotients of counts below 20 in float64.
        assert list(matrix.result().values()) == pytest.approx(oracle(labels, prediction, 4))


def test_metric_equals_host_over_batches():
    rng = np.random.default_rng(0)
    host, metric = ConfusionMatrix(6), SegmentationScores(6)
    for _ in range(3):
        labels = rng.choice([0, 1, 2, 3, 5, 255], (2, 20, 28)).astype("int32")
        logits = rng.normal(size=(2, 5, 7, 6)).astype("float32")
        host.update(labels, logits)
        metric.update_state(labels, logits)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(metric.matrix), host.matrix)
    # The metric divides in float32.
    for name, value in metric.result().items():
        assert float(value) == pytest.approx(host.result()[name], rel=1e-6)
    np.testing.assert_array_equal(metric.per_class()["iou"], host.per_class()["iou"])
    metric.reset_state()
    assert np.isnan(float(metric.result()["miou"]))


@pytest.mark.parametrize("ignore", [-1, 0, 3, 254, 300])
def test_any_label_may_be_the_ignored_one(ignore):
    rng = np.random.default_rng(7)
    labels = rng.choice([0, 1, 2, 3, 255], (2, 20, 28)).astype("int32")
    # A label among the classes counts nowhere then.
    labels[labels == ignore] = 255
    logits = rng.normal(size=(2, 20, 28, 4)).astype("float32")
    wanted = confusion_matrix(labels, logits.argmax(-1), 4)
    assert wanted.sum() == (labels != 255).sum()
    host, metric = ConfusionMatrix(4, ignore), SegmentationScores(4, ignore)
    for one in (host, metric):
        (getattr(one, "update_state", None) or one.update)(
            np.where(labels == 255, ignore, labels), logits
        )
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one.matrix), wanted)


@pytest.mark.parametrize("interpolation", ["bilinear", "cubic"])
@pytest.mark.parametrize("size", [(20, 28), (17, 23), (5, 7), (3, 4)])
def test_device_resize_equals_opencv(interpolation, size):
    logits = np.random.default_rng(1).normal(size=(2, 5, 7, 3)).astype("float32")
    flag = {"bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[interpolation]
    wanted = np.stack([cv2.resize(image, size[::-1], interpolation=flag) for image in logits])
    found = keras.ops.convert_to_numpy(resize_logits(logits, size, interpolation))
    # float32 positions up to 28 are good to 2e-6, times a slope of about 10 per pixel.
    np.testing.assert_allclose(found, wanted, atol=3e-5)


@pytest.mark.parametrize("interpolation", ["bilinear", "cubic"])
@pytest.mark.parametrize("classes", [128, 129, 150, 257])
def test_more_classes_than_opencv_resizes_at_once(interpolation, classes):
    logits = np.random.default_rng(4).normal(size=(5, 7, classes)).astype("float32")
    flag = {"bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[interpolation]
    channels = np.moveaxis(logits, -1, 0)
    wanted = np.stack([cv2.resize(x, (28, 20), interpolation=flag) for x in channels], axis=-1)
    found = confusion.resize_logits(logits, (20, 28), interpolation)
    # Sums of 16 products of size 1 in float32; one channel alone may be added in another order.
    np.testing.assert_allclose(found, wanted, atol=16 * 2.0**-23)


def test_cubic_kernel_is_opencvs_not_tensorflows():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("compares with TensorFlow's cubic resize")
    logits = np.random.default_rng(2).normal(size=(1, 6, 6, 2)).astype("float32")
    ours = keras.ops.convert_to_numpy(resize_logits(logits, (24, 24), "cubic"))
    theirs = keras.ops.image.resize(logits, (24, 24), interpolation="bicubic")
    assert np.abs(ours - keras.ops.convert_to_numpy(theirs)).max() > 0.05


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch runs steps eagerly")
def test_metric_in_a_compiled_step_drops_labels_outside_the_classes():
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1, use_bias=False)])
    model.compile(loss=lambda y, p: keras.ops.mean(p), metrics=[SegmentationScores(3)])
    labels = np.array([[[0, 1, 2, 255], [9, 0, 0, 0], [0] * 4, [0] * 4]], "int32")
    model.layers[-1].set_weights([np.eye(3, dtype="float32")[None, None]])
    images = np.eye(3, dtype="float32")[np.where(labels < 3, labels, 0)]
    logs = model.evaluate(images, labels, verbose=0, return_dict=True)
    assert logs["miou"] == 1.0
    assert int(keras.ops.sum(model.metrics[-1].metrics[0].matrix)) == 14  # 16 less 255 and 9


def test_counts_stay_exact_above_float32():
    metric = SegmentationScores(2)
    metric.matrix.assign(np.array([[2**24, 0], [0, 0]]))
    metric.update_state(np.zeros((1, 1, 1), "int32"), np.zeros((1, 1, 1), "int32"))
    assert int(metric.matrix[0, 0]) == 2**24 + 1  # float32 would stay at 2^24


@pytest.mark.parametrize("make", [ConfusionMatrix, SegmentationScores])
def test_labels_outside_the_classes_are_named(make):
    metric = make(3)
    update = metric.update if make is ConfusionMatrix else metric.update_state
    with pytest.raises(InputError, match="labels hold 3, 40 in 2 pixels; wanted 0 to 2, or 255"):
        update(np.array([[[0, 3], [40, 255]]], "uint8"), np.zeros((1, 2, 2), "uint8"))
    with pytest.raises(InputError, match="4 channels"):
        update(np.zeros((1, 2, 2), "uint8"), np.zeros((1, 2, 2, 4), "float32"))
    with pytest.raises(InputError, match="nearest"):
        make(3, interpolation="nearest")


def test_host_shapes_and_predictions_are_checked():
    with pytest.raises(InputError, match="shape"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), 3)
    with pytest.raises(InputError, match="prediction holds classes 0 to 7"):
        confusion_matrix(np.zeros((1, 2), int), np.array([[0, 7]]), 3)


def test_a_class_only_predicted_counts_with_iou_zero():
    # Class 2 is absent from both and left out; class 1 is predicted but not there: IoU (1/2 + 0) /
    # 2.
    matrix = confusion_matrix(np.array([0, 0]), np.array([0, 1]), 3)
    assert scores(matrix) == {"miou": 0.25, "mean_accuracy": 0.5, "pixel_accuracy": 0.5}


def test_the_ignored_label_is_no_class_even_where_it_is_predicted():
    """Void is 0: class 1 has IoU 1/3 (one of its two pixels is taken for void, one is added to it),
    class 2 has 1/2; void, predicted once, has none, though 0 would be 5/18 in the mean of three.
    """
    labels = np.array([[[0, 0, 1, 1], [2, 2, 0, 0]]])
    seen = np.array([[[0, 1, 1, 0], [2, 1, 0, 2]]])
    host, metric = ConfusionMatrix(3, 0), SegmentationScores(3, 0)
    host.update(labels, seen)
    metric.update_state(labels, seen)
    wanted = {"miou": 5 / 12, "mean_accuracy": 0.5, "pixel_accuracy": 0.5}
    assert host.result() == pytest.approx(wanted)
    # The metric divides in float32.
    assert {k: float(v) for k, v in metric.result().items()} == pytest.approx(wanted, rel=1e-6)
    for found in (host.per_class()["iou"], metric.per_class()["iou"]):
        np.testing.assert_allclose(found, [np.nan, 1 / 3, 1 / 2])


def test_metric_serialises():
    config = keras.metrics.serialize(SegmentationScores(4, ignore=0, interpolation="cubic"))
    metric = keras.metrics.deserialize(config)
    assert (metric.num_classes, metric.ignore, metric.interpolation) == (4, 0, "cubic")
