"""Parts of a network that are silent over the calibration samples: int8 stays fast and exact."""

import functools

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_files import passed, quantised

from cen_keras.errors import InputError
from deploy.tflite import quantizer
from deploy.tflite.graph import read_tensors
from deploy.tflite.passes import tight_ranges
from deploy.tflite.passes.bare_relus import multiply_bare_relus
from deploy.tflite.ranges import widen
from deploy.tflite.writer import write
from deploy.tflite.xnnpack import check_fast

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
L = keras.layers


def conv(x, filters, name, size=3, loudness=1.0, **options):
    """A convolution; at loudness 0 its results are below zero, otherwise so many times as large."""
    layer = L.Conv2D(filters, size, padding="same", name=name, **options)
    result = layer(x)
    kernel, bias = layer.get_weights()
    # No sum of 27 products comes to a hundred.
    layer.set_weights([kernel * (loudness or 1), bias - (0 if loudness else 100)])
    return result


def quiet(x, loudness, name="quiet"):
    return conv(x, 4, name, loudness=loudness, activation="relu")


def parts(join, between=lambda x: x):
    """One part that two streams read, each beside a part of its own, as behind an exchange."""

    def outputs(image, loudness):
        silent = between(quiet(image, loudness))
        last = L.Conv2D(2, 1, name="last")
        for size, stream in ((3, "a"), (5, "b")):
            own = conv(image, 4, f"own_{stream}", size, activation="relu")
            yield stream, last(join()([own, silent]))

    return outputs


def joined_silences(join):
    def outputs(image, loudness):
        x = join()([quiet(image, loudness, "one"), quiet(image, loudness, "two")])
        yield "a", L.Add()([conv(x, 4, "behind"), conv(image, 4, "own")])

    return outputs


def sum_below_zero(image, loudness):
    total = L.Add()([conv(image, 4, "own"), conv(image, 4, "low", loudness=loudness)])
    yield "a", conv(L.ReLU()(total), 2, "last")


def bare_relu(image, loudness):
    low = conv(image, 4, "low", loudness=loudness)
    x = L.Add()([conv(L.ReLU()(low), 4, "behind"), conv(image, 4, "own")])
    yield "a", L.Add()([x, conv(low, 4, "other", loudness=1e-3)])


def small_filter(image, loudness):
    """As an exchanged channel leaves it: next to no filter, and a bias below zero."""
    layer = L.Conv2D(4, 3, padding="same", activation="relu", name="small")
    x = layer(image)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * (loudness or 1e-7), bias - (0 if loudness else 20)])
    x = conv(L.DepthwiseConv2D(3, padding="same", name="depthwise")(x), 4, "behind")
    yield "a", L.Add()([x, conv(image, 4, "own")])


def two_in_a_row(image, loudness):
    yield "a", conv(quiet(image, loudness), 4, "behind", activation="relu")


NETWORKS = {
    "sum": parts(L.Add),
    "concatenation": parts(L.Concatenate),
    "pooled": parts(L.Concatenate, L.MaxPool2D(3, 1, "same")),
    "averaged": parts(L.Concatenate, L.AveragePooling2D(3, 1, "same")),
    "sum of two": joined_silences(L.Add),
    "concatenation of two": joined_silences(L.Concatenate),
    "sum below zero": sum_below_zero,
    "bare relu": bare_relu,
    "two in a row": two_in_a_row,
    "small filter": small_filter,
}


def network(name, loudness):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    model = keras.Model({"rgb": image}, dict(NETWORKS[name](image, loudness)))
    return passed(multiply_bare_relus, write(model, (8, 8)))


def run(content):
    return Interpreter(model_content=content).get_signature_runner()(rgb=X[:1])


def int8(content, **options):
    return quantised(content, {"rgb": X}, integer_io=False, **options)


AS_WIDENED = {"without": ("tight_ranges",)}


def error(name, loudness):
    content = network(name, loudness)
    wanted, found = run(content), run(int8(content, **AS_WIDENED))
    return max(np.abs(found[stream] - wanted[stream]).max() for stream in wanted)


@functools.cache
def error_of_ordinary(name):
    return error(name, 1.0)


@pytest.mark.parametrize("loudness", [0.0, 1e-4])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_part_that_says_nothing_adds_no_error_that_it_would_not_add_if_it_spoke(name, loudness):
    assert error(name, loudness) <= error_of_ordinary(name)


@pytest.mark.parametrize("factor", tight_ranges.FACTORS)
@pytest.mark.parametrize("loudness", [0.0, 1e-4])
@pytest.mark.parametrize("name", NETWORKS)
def test_int8_stays_on_the_fast_kernels(name, loudness, factor, monkeypatch):
    monkeypatch.setattr(tight_ranges, "FACTORS", (factor,))
    check_fast(int8(network(name, loudness)))


# The others were seen to fail too, some of them by ending the process.
@pytest.mark.parametrize("name", ["concatenation", "pooled", "bare relu"])
def test_without_widening_the_engine_refuses_its_fast_kernels(name, monkeypatch):
    monkeypatch.setattr(quantizer, "widen", lambda content, ranges: ranges)
    with pytest.raises(InputError, match="fast kernels|does not load"):
        check_fast(int8(network(name, 0.0), **AS_WIDENED))


def test_ordinary_ranges_stay_as_they_were(artifacts):
    content = artifacts["fp32"].read_bytes()
    rng = np.random.default_rng(0)
    shapes = {name: tensor.shape for name, tensor in read_tensors(content).inputs.items()}
    samples = {n: rng.normal(size=(4, *s[1:])).astype("float32") for n, s in shapes.items()}
    before, after = ranges_of(content, samples)
    assert len(before) > 20
    assert before == after


@pytest.mark.parametrize("name", NETWORKS)
def test_widened_ranges_hold_what_was_seen_and_settle(name):
    content = network(name, 0.0)
    before, after = ranges_of(content, {"rgb": X})
    assert before != after
    for tensor in before:
        assert after[tensor]["min"] <= before[tensor]["min"]
        assert after[tensor]["max"] >= before[tensor]["max"]
    assert widen(content, after) == after


def ranges_of(content, samples):
    """Ranges as calibration found them, and widened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantizer, "widen", lambda content, ranges: ranges)
        before = quantizer.Static(content, samples).ranges
    return before, widen(content, before)


@pytest.mark.parametrize("shown", [0.0, 1e-3, 1.0])
def test_a_silent_input_beside_another_is_not_taken_for_a_swapped_one(shown):
    inputs = {
        "rgb": keras.Input((8, 8, 3), name="rgb"),
        "depth": keras.Input((8, 8, 1), name="depth"),
    }
    x = conv(L.Concatenate()(list(inputs.values())), 4, "first", activation="relu")
    content = write(keras.Model(inputs, {"a": conv(x, 2, "last")}), (8, 8))
    samples = {"rgb": X, "depth": np.full((4, 8, 8, 1), shown, "float32")}
    check_fast(quantised(content, samples))
