"""Testing on several scales and mirrored."""

import cv2
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.metrics.evaluation import evaluate_streams
from cen_keras.metrics.multi_scale import MultiScale


class Model:
    """Logits that are a fixed matrix times the picture, at a quarter of its size; keeps the sizes."""

    def __init__(self, lopsided=False):
        self.sizes = []
        self.lopsided = lopsided
        self.weights = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)

    def predict_on_batch(self, inputs):
        x = np.concatenate([inputs["rgb"], inputs["depth"]], -1)
        self.sizes.append(x.shape[1:3])
        logits = x[:, ::4, ::4] @ self.weights
        if self.lopsided:
            logits = (
                logits + np.linspace(0, 9, logits.shape[2])[None, None, :, None] * self.weights[0]
            )
        return {"rgb": logits, "ensemble": 2 * logits}


def inputs_of(count=2, size=(24, 32)):
    rng = np.random.default_rng(1)
    return {
        "rgb": rng.normal(size=(count, *size, 3)).astype(np.float32),
        "depth": rng.uniform(0, 5, (count, *size, 1)).astype(np.float32),
    }


def softmax(x):
    powers = np.exp(x.astype(np.float64))
    return powers / powers.sum(-1, keepdims=True)


def upsampled(logits, size):
    return np.stack([cv2.resize(x, size[::-1], interpolation=cv2.INTER_CUBIC) for x in logits])


def test_one_scale_is_the_plain_model():
    inputs, model = inputs_of(), Model()
    got = MultiScale(model).predict_on_batch(inputs)
    for stream, logits in model.predict_on_batch(inputs).items():
        # float32 against float64: a few 6e-8 through exp of numbers below 30.
        np.testing.assert_allclose(got[stream], softmax(upsampled(logits, (24, 32))), atol=5e-6)


def test_the_mean_of_scales_and_mirrored_pictures():
    inputs, model = inputs_of(), Model(lopsided=True)
    got = MultiScale(model, (0.5, 1), flip=True).predict_on_batch(inputs)["rgb"]
    assert model.sizes == [(12, 16)] * 2 + [(24, 32)] * 2
    small = {
        "rgb": np.stack(
            [cv2.resize(x, (16, 12), interpolation=cv2.INTER_AREA) for x in inputs["rgb"]]
        ),
        "depth": inputs["depth"][:, 1::2, 1::2],
    }
    wanted = 0
    for pictures in (small, inputs):
        turned = {name: x[:, :, ::-1] for name, x in pictures.items()}
        wanted = wanted + softmax(upsampled(model.predict_on_batch(pictures)["rgb"], (24, 32)))
        back = model.predict_on_batch(turned)["rgb"][:, :, ::-1]
        wanted = wanted + softmax(upsampled(back, (24, 32)))
    np.testing.assert_allclose(got, wanted / 4, atol=5e-6)


def test_flipping_makes_the_answer_mirror_with_the_picture():
    inputs = inputs_of()
    tester = MultiScale(Model(lopsided=True), (1,), flip=True)
    turned = {name: x[:, :, ::-1] for name, x in inputs.items()}
    one, other = (tester.predict_on_batch(x)["rgb"] for x in (inputs, turned))
    # The same sums in another order.
    np.testing.assert_allclose(one, other[:, :, ::-1], atol=5e-6)
    assert not np.allclose(*(Model(True).predict_on_batch(x)["rgb"] for x in (inputs, turned)))


def test_it_takes_a_models_place_in_the_evaluation():
    inputs = inputs_of(3)
    labels = np.random.default_rng(2).integers(0, 5, (3, 24, 32))
    batches = [({n: x[i : i + 2] for n, x in inputs.items()}, labels[i : i + 2]) for i in (0, 2)]
    plain = evaluate_streams(Model(), batches, 5, interpolation="cubic")
    tester = MultiScale(Model(), (1.0,))
    again = evaluate_streams(tester, batches, 5, interpolation="cubic")
    for stream in plain:
        np.testing.assert_array_equal(plain[stream].matrix, again[stream].matrix)


@pytest.mark.parametrize("scales", [(), (0,), (1, -1)])
def test_scales_that_are_none(scales):
    with pytest.raises(InputError, match="give at least one, all above 0"):
        MultiScale(Model(), scales)
