"""Parts of a network that are silent over the calibration samples: int8 stays fast and exact."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from deploy.export.to_tflite import write
from deploy.export.xnnpack import left_out
from deploy.quantize import litert, silent_ranges

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def network(join, loudness, pool=False):
    """A silent branch that meets two others, as a part read by two streams: each has a range of its
    own. Behind its ReLUs it reaches no further than `loudness`.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    loud = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="loud")(image)
    louder = keras.layers.Conv2D(4, 5, padding="same", activation="relu", name="louder")(image)
    quiet = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="quiet")
    silent = quiet(image)
    kernel, shift = quiet.get_weights()
    # Without a loudness no sum of 27 products comes to the shift of -100.
    quiet.set_weights([kernel * (loudness or 1), shift - (0 if loudness else 100)])
    if pool:
        silent = keras.layers.MaxPool2D(3, 1, "same")(silent)
    last = keras.layers.Conv2D(2, 1, use_bias=False, name="last")
    streams = (last(join()([other, silent])) for other in (loud, louder))
    return write(keras.Model({"rgb": image}, dict(zip("ab", streams, strict=True))), (8, 8))


def run(content):
    interpreter = Interpreter(model_content=content)
    return interpreter.get_signature_runner()(rgb=X[:1])


JOINS = {"sum": keras.layers.Add, "concatenation": keras.layers.Concatenate}


@pytest.mark.parametrize("pool", [False, True], ids=["", "pooled"])
@pytest.mark.parametrize("loudness", [0.0, 1e-7, 1e-4])
@pytest.mark.parametrize("join", JOINS)
def test_int8_stays_on_the_fast_kernels_and_near_the_floats(join, loudness, pool):
    content = network(JOINS[join], loudness, pool)
    made = litert.static_w8a8(content, {"rgb": X}, integer_io=False)
    assert left_out(made) == []
    found = run(made)
    for stream, wanted in run(content).items():
        # Ranges of image, parts, join and result in 255 steps, weights in 254: five roundings of half
        # a step each, the images' over 75 weights at random.
        assert np.abs(found[stream] - wanted).max() < 4 * np.ptp(wanted) / 255


def test_without_widening_the_engine_takes_the_slow_kernels(monkeypatch):
    monkeypatch.setattr(litert, "widen", lambda content, ranges: ranges)
    content = network(keras.layers.Concatenate, 1e-4)
    assert left_out(litert.static_w8a8(content, {"rgb": X}, integer_io=False)) != []


def test_ordinary_ranges_stay_as_they_were(artifacts):
    content = artifacts["fp32"].read_bytes()
    rng = np.random.default_rng(0)
    shapes = {n: t.shape for n, t in litert.read_tensors(content).inputs.items()}
    samples = {n: rng.normal(size=(4, *s[1:])).astype("float32") for n, s in shapes.items()}
    seen = []

    def noted(content, ranges):
        seen.append((ranges, silent_ranges.widen(content, ranges)))
        return seen[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(litert, "widen", noted)
        litert.Static(content, samples)
    before, after = seen[0]
    assert len(before) > 20
    assert before == after


def test_a_widened_range_still_holds_what_was_seen():
    content = network(keras.layers.Concatenate, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(litert, "widen", lambda content, ranges: ranges)
        ranges = litert.Static(content, {"rgb": X})._statistics
    after = silent_ranges.widen(content, ranges)
    changed = [name for name in ranges if ranges[name] != after[name]]
    assert len(changed) == 1 and "quiet" in changed[0]
    for name in ranges:
        assert after[name]["min"] <= ranges[name]["min"]
        assert after[name]["max"] >= ranges[name]["max"]
    assert silent_ranges.widen(content, after) == after
