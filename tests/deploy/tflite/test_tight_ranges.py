"""Ranges narrower than what was seen: taken where the 8-bit file is nearer to the float one."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_files import quantised

from deploy.tflite.model import pack, unpack
from deploy.tflite.passes import tight_ranges
from deploy.tflite.writer import write

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


def int8(content, samples, **options):
    return quantised(content, {"rgb": samples}, **{"integer_io": False, **options})


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


def scales(model):
    """Scale and zero point of every map by name."""
    graph = model.subgraphs[0]
    return {
        tensor.name: (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is None and tight_ranges._int8(tensor)
    }


def test_inputs_and_outputs_keep_their_ranges_and_all_their_zero_points(content):
    model = unpack(int8(content, EVEN, without=("tight_ranges",), integer_io=True))
    halved = tight_ranges.rescaled(model, unpack(content), 0.5)
    before, after = scales(model), scales(halved)
    assert sorted(after[name][0] / scale for name, (scale, _) in before.items()) == [0.5, 0.5, 1, 1]
    assert [zero for _, zero in before.values()] == [zero for _, zero in after.values()]


def test_an_output_that_is_enlarged_keeps_its_range_too():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    x = keras.layers.Conv2D(8, 1, activation="relu")(image)
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    floats = write(keras.Model({"rgb": image}, {"ensemble": x}), (8, 8))
    for integer_io in (False, True):
        model = unpack(int8(floats, EVEN, without=("tight_ranges",), integer_io=integer_io))
        before, after = scales(model), scales(tight_ranges.rescaled(model, unpack(floats), 0.5))
        # Input, what is enlarged, and the output.
        assert sorted(after[n][0] / s for n, (s, _) in before.items()) == [0.5, 1, 1, 1]


def test_a_rescaled_model_is_the_one_that_the_library_makes_of_scaled_ranges(content, monkeypatch):
    """Of ranges halved before quantising: the same codes, but for roundings of biases."""
    from deploy.tflite import quantizer

    model = unpack(int8(content, EVEN, without=("tight_ranges",)))
    found = pack(tight_ranges.rescaled(model, unpack(content), 0.5))
    graph = unpack(content).subgraphs[0]
    ends = {graph.tensors[i].name.decode() for i in (*graph.inputs, *graph.outputs)}
    original = quantizer.widen

    def halving(content, ranges):
        widened = original(content, ranges)
        return {
            name: {
                end: value * np.float32(1 if name in ends else 0.5) for end, value in span.items()
            }
            for name, span in widened.items()
        }

    monkeypatch.setattr(quantizer, "widen", halving)
    wanted = int8(content, EVEN, without=("tight_ranges",))
    # A step of the output here and there, where a sum lies on the border of two codes.
    step = np.ptp(run(wanted, EVEN[0])) / 255
    gap = np.abs(run(found, EVEN[0]) - run(wanted, EVEN[0]))
    assert gap.max() < 1.5 * step and gap.mean() < 0.05 * step


def test_no_factor_changes_sixteen_bits(content, monkeypatch):
    wanted = quantised(content, {"rgb": EVEN}, "int16x8")
    monkeypatch.setattr(tight_ranges, "FACTORS", (0.5,))
    assert quantised(content, {"rgb": EVEN}, "int16x8") == wanted


def chosen(found, monkeypatch):
    """The factor of which the file gives `found[factor]`, beside a float file that gives zeros."""

    def outputs_of(file, samples):
        if file == "floats":
            return {"a": np.zeros_like(next(iter(found.values())))}
        if found[file] is None:
            raise RuntimeError("failed to prepare")
        return {"a": found[file]}

    with monkeypatch.context() as patch:
        patch.setattr(tight_ranges, "outputs_of", outputs_of)
        patch.setattr(tight_ranges, "pack", lambda model: model)
        patch.setattr(tight_ranges, "rescaled", lambda model, floats, factor: factor)
        return tight_ranges.tighten("model", "floats", {"rgb": EVEN})[1]


def test_of_classes_the_share_of_others_counts_not_their_numbers(monkeypatch):
    one_far, two_near = np.array([12, 0, 0]), np.array([1, 1, 0])
    found = {1.0: two_near, 0.7: one_far, 0.5: two_near}
    assert chosen(found, monkeypatch) == 0.7
    assert chosen({f: a.astype("float32") for f, a in found.items()}, monkeypatch) == 1.0


def test_a_file_that_the_engine_does_not_take_is_not_chosen(monkeypatch):
    found = {1.0: np.full(3, 2.0), 0.7: None, 0.5: np.full(3, 3.0)}
    assert chosen(found, monkeypatch) == 1.0
