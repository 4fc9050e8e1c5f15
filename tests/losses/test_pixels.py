"""What all losses of segmentation share: any ignored label, weights of images and pixels, saving."""

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.losses import DiceLoss, FocalLoss, LovaszSoftmaxLoss, SegmentationLoss

LOSSES = [
    SegmentationLoss,
    lambda **o: SegmentationLoss(label_smoothing=0.1, **o),
    FocalLoss,
    DiceLoss,
    LovaszSoftmaxLoss,
]
# float32 sums of a few hundred terms of size 1, in another order.
TOLERANCE = 1e-5
CLASSES = 5


@pytest.fixture
def batch():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES, (2, 12, 16)).astype("int32")
    labels[1, :8] = 255
    return labels, rng.normal(size=(2, 3, 4, CLASSES)).astype("float32") * 3


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("ignore", [-1, 0, 3, 254])
def test_any_label_may_be_the_ignored_one(make, ignore, batch):
    labels, logits = batch
    # A label among the classes counts nowhere then.
    others = np.where(labels == ignore, 255, labels)
    found = float(make(ignore=ignore)(np.where(others == 255, ignore, others), logits))
    assert np.isfinite(found) and found > 0
    assert found == pytest.approx(float(make()(others, logits)), rel=TOLERANCE)


@pytest.mark.parametrize("make", LOSSES)
def test_pixels_of_weight_one_and_zero(make, batch):
    labels, logits = batch
    loss = make()
    whole = float(loss(labels, logits))
    assert float(loss(labels, logits, np.ones(labels.shape, "float32"))) == pytest.approx(
        whole, rel=TOLERANCE
    )
    weights = np.zeros(labels.shape, "float32")
    weights[:, :, :8] = 2
    for images in (1, 2):
        part = labels[:images], logits[:images]
        assert float(loss(*part, weights[:images])) != pytest.approx(float(loss(*part)), rel=1e-3)
    # What an ignored pixel weighs makes no difference.
    heavy = np.where(labels == 255, 1e6, weights)
    assert float(loss(labels, logits, heavy)) == float(loss(labels, logits, weights))


@pytest.mark.parametrize("make", LOSSES)
def test_weights_of_images_multiply_their_shares(make, batch):
    labels, logits = batch
    loss = make()
    shares = [float(loss(labels, logits, np.eye(2, dtype="float32")[i])) for i in range(2)]
    found = float(loss(labels, logits, np.array([2.0, 0.5], "float32")))
    assert found == pytest.approx(2 * shares[0] + 0.5 * shares[1], rel=TOLERANCE)
    assert sum(shares) == pytest.approx(float(loss(labels, logits)), rel=TOLERANCE)


@pytest.mark.parametrize("make", LOSSES)
def test_an_axis_of_length_one_behind_weights_changes_nothing(make, batch):
    labels, logits = batch
    loss, rng = make(), np.random.default_rng(5)
    for shape in (labels.shape, labels.shape[:1]):
        weights = rng.uniform(0.5, 3, shape).astype("float32")
        assert float(loss(labels, logits, weights[..., None])) == float(
            loss(labels, logits, weights)
        )
    for shape in ((2, 12), (2, 12, 16, 2), (2, 1, 1, 1, 1)):
        with pytest.raises(InputError, match="sample_weight has the shape .*; wanted .b,."):
            loss(labels, logits, np.ones(shape, "float32"))


@pytest.mark.parametrize("make", LOSSES)
def test_nothing_but_ignored_pixels_is_zero(make, batch):
    assert float(make()(np.full((2, 12, 16), 255, "int32"), batch[1])) == 0


@pytest.mark.parametrize("make", LOSSES)
def test_a_label_that_is_no_class_is_nan(make, batch):
    labels, logits = batch
    labels[0, 3, 4] = CLASSES
    assert np.isnan(float(make()(labels, logits)))


@pytest.mark.parametrize("make", LOSSES)
def test_a_saved_loss_is_the_same(make, batch):
    loss = make(ignore=7)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    labels = np.where(batch[0] == 255, 7, batch[0])
    assert float(again(labels, batch[1])) == float(loss(labels, batch[1]))
