"""Callbacks of a Translator's training: whose NaN it was, when pictures and errors are due."""

import cv2
import keras
import numpy as np
import pytest

from cen_keras.models import Translator
from cen_keras.training.errors import NonFiniteError
from cen_keras.training.translation_callbacks import (
    EvaluateTranslation,
    SamplePictures,
    StopOnNonFiniteLosses,
)
from cen_keras.visualization import as_picture, grid, translation_grid


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return Translator(("b", "a"), "c", base_filters=2, discriminator_filters=2, depth=3)


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    x = {m: rng.uniform(-1, 1, (3, 24, 32, 3)).astype("float32") for m in ("a", "b")}
    return [(x, -x["a"])]


@pytest.mark.parametrize(
    ("broken", "whose"),
    [
        (("l1_loss", "discriminator_loss", "adversarial_loss", "loss"), "the generator's L1 loss"),
        (("discriminator_loss", "adversarial_loss", "loss"), "the discriminator's loss"),
        (("adversarial_loss", "loss"), "the generator's adversarial loss"),
        (("loss",), "the generator's loss"),
    ],
)
def test_the_part_that_broke_first_is_named(tmp_path, broken, whose):
    callback = StopOnNonFiniteLosses(tmp_path, steps=10)
    callback.on_epoch_begin(2)
    losses = dict.fromkeys(("l1_loss", "discriminator_loss", "adversarial_loss", "loss"), 1.0)
    callback.on_train_batch_end(0, losses)
    with pytest.raises(NonFiniteError, match=f"{whose}.* became nan in epoch 3 at step 5") as error:
        callback.on_train_batch_end(4, losses | dict.fromkeys(broken, float("nan")))
    assert "optimizer.discriminator_learning_rate" in str(error.value)


def with_params(callback, model, epochs):
    callback.set_model(model)
    callback.set_params({"epochs": epochs})
    return callback


def test_errors_are_due_every_so_many_epochs_and_after_the_last(model, batches):
    callback = with_params(EvaluateTranslation(batches, every=2), model, epochs=5)
    due = []
    for epoch in range(5):
        logs = {}
        callback.on_epoch_end(epoch, logs)
        assert logs["exchanged"] == 0 and logs["layers_exchanging"] == 0
        due.append("val_a_mae" in logs)
    assert due == [False, True, False, True, True]
    x, y = batches[0]
    mae = np.abs(np.asarray(model(x)["ensemble"]) - y).mean()
    # Float32 images, float64 means.
    assert logs["score"] == -logs["val_ensemble_mae"] == pytest.approx(-mae, rel=1e-5)


def test_the_same_views_are_shown_whenever_due(model, batches, tmp_path):
    callback = with_params(SamplePictures(tmp_path, batches, count=2, every=3), model, epochs=4)
    for epoch in range(4):
        callback.on_epoch_end(epoch)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["epoch_0003.png", "epoch_0004.png"]
    sheets = [cv2.imread(str(tmp_path / "pictures" / name))[..., ::-1] for name in names]
    np.testing.assert_array_equal(*sheets)
    # Inputs in the model's order, both streams, ensemble, target; 24x32 with lines of 2.
    assert sheets[0].shape == (2 * 26 - 2, 6 * 34 - 2, 3)
    x, y = batches[0]
    np.testing.assert_array_equal(sheets[0][:24, :32], as_picture(x["b"][0]))
    np.testing.assert_array_equal(sheets[0][26:, -32:], as_picture(y[1]))
    none = with_params(SamplePictures(tmp_path / "none", batches, count=0), model, epochs=1)
    none.on_epoch_end(0)
    assert not (tmp_path / "none").exists()


def test_pictures_and_grids():
    picture = as_picture(np.float32([[[-1, 0, 1]]]))
    assert picture.tolist() == [[[0, 128, 255]]] and picture.dtype == np.uint8
    assert as_picture(np.float32([[[1.0]]])).tolist() == [[[255] * 3]]
    sheet = grid([[picture, picture], [picture]])
    assert sheet.shape == (4, 4, 3)
    assert sheet[3, 3].tolist() == sheet[1, 1].tolist() == [255] * 3
    images = np.zeros((1, 4, 4, 3), "float32")
    joined = {"a-b": np.zeros((1, 4, 4, 6), "float32")}
    # Both parts of the input, one output, since there is one stream, and the target.
    assert translation_grid(
        joined, images, {"a-b": images, "ensemble": images}, ("a-b",)
    ).shape == (
        *(4, 4 * 6 - 2),
        3,
    )


def test_pictures_are_taken_from_as_many_batches_as_they_need(model, batches, tmp_path):
    def single(row, columns=32):
        inputs, target = batches[0]
        window = np.s_[row : row + 1, :, :columns]
        return {name: image[window] for name, image in inputs.items()}, target[window]

    def shown(loader):
        callback = with_params(SamplePictures(tmp_path, loader, count=2), model, epochs=1)
        callback.on_epoch_end(0)
        return callback.shown

    inputs, target = shown([single(0), single(1), single(2)])
    np.testing.assert_array_equal(target, batches[0][1][:2])
    np.testing.assert_array_equal(inputs["a"], batches[0][0]["a"][:2])
    # Those of another size cannot stand in one sheet.
    assert len(shown([single(0), single(1, columns=16)])[1]) == 1
