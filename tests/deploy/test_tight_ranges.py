"""Ranges narrower than what was seen: taken where the 8-bit file is nearer to the float one."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from deploy.export.to_tflite import write
from deploy.quantize import litert, static, tight_ranges

RNG = np.random.default_rng(0)
EVEN = RNG.uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32)
# One pixel of one sample is forty times as large as any other.
RARE = EVEN.copy()
RARE[0, 4, 4] = 40


@pytest.fixture(scope="module")
def content():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    x = keras.layers.Conv2D(8, 1, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="second")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="third")(x)
    return write(keras.Model({"rgb": image}, {"ensemble": x}), (8, 8))


def run(content, image):
    return Interpreter(model_content=content).get_signature_runner()(rgb=image[None])["ensemble"]


def distance(content, made, samples):
    return np.mean([np.abs(run(content, x) - run(made, x)).mean() for x in samples])


def int8(content, samples):
    return litert.static_w8a8(content, {"rgb": samples}, integer_io=False)


def with_factor(content, samples, factor, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tight_ranges, "FACTORS", (factor,))
        return int8(content, samples)


@pytest.mark.parametrize("samples", [EVEN, RARE], ids=["even", "rare"])
def test_the_factor_that_is_nearest_to_the_float_model_counts(content, samples, monkeypatch):
    found = distance(content, int8(content, samples), samples)
    each = [
        distance(content, with_factor(content, samples, factor, monkeypatch), samples)
        for factor in tight_ranges.FACTORS
    ]
    assert found == min(each)
    assert len(set(each)) == len(each)


def test_inputs_and_outputs_keep_their_ranges(content):
    ranges = static.Static(content, {"rgb": EVEN}).ranges
    halved = tight_ranges.scaled(content, ranges, 0.5)
    same = [name for name in ranges if ranges[name] == halved[name]]
    assert len(ranges) == 4 and len(same) == 2
    for name in ranges.keys() - set(same):
        assert halved[name]["max"] == 0.5 * ranges[name]["max"]


def test_no_factor_changes_sixteen_bits(content, monkeypatch):
    wanted = litert.int16x8(content, {"rgb": EVEN})
    monkeypatch.setattr(tight_ranges, "FACTORS", (0.5,))
    assert litert.int16x8(content, {"rgb": EVEN}) == wanted
