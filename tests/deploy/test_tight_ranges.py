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


def chosen(content, found, monkeypatch):
    """The factor of which the file answers `found[factor]`, beside a float file that answers zeros."""
    ranges = static.Static(content, {"rgb": EVEN}).ranges
    inner = next(n for n, r in ranges.items() if tight_ranges.scaled(content, ranges, 0.5)[n] != r)

    def answers(file, feeds):
        if file == content:
            return {"a": np.zeros_like(next(iter(found.values())))}
        if found[float(file)] is None:
            raise RuntimeError("failed to prepare")
        return {"a": found[float(file)]}

    def quantise(candidate):
        factor = candidate[inner]["max"].item() / ranges[inner]["max"].item()
        return str(round(factor, 6)).encode()

    with monkeypatch.context() as patch:
        patch.setattr(tight_ranges, "answers", answers)
        return float(quantise(tight_ranges.tighten(content, ranges, {"rgb": EVEN}, quantise)))


def test_of_classes_the_share_of_others_counts_not_their_numbers(content, monkeypatch):
    one_far, two_near = np.array([12, 0, 0]), np.array([1, 1, 0])
    found = {1.0: two_near, 0.7: one_far, 0.5: two_near}
    assert chosen(content, found, monkeypatch) == 0.7
    assert chosen(content, {f: a.astype("float32") for f, a in found.items()}, monkeypatch) == 1.0


def test_a_file_that_the_engine_does_not_take_is_not_chosen(content, monkeypatch):
    found = {1.0: np.full(3, 2.0), 0.7: None, 0.5: np.full(3, 3.0)}
    assert chosen(content, found, monkeypatch) == 1.0
