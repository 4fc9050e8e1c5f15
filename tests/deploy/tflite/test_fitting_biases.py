"""A channel whose bias does not fit 32-bit codes keeps its value, and its layer its 8 bits."""

from functools import partial

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_files import quantised

from cen_keras.errors import InputError
from deploy.tflite.graph import read_operators, read_tensors
from deploy.tflite.model import pack, unpack
from deploy.tflite.passes.fitting_biases import LARGEST_CODE, biased, fit_biases
from deploy.tflite.writer import write
from deploy.tflite.xnnpack import check_fast, left_out

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
LAYERS = {
    "Conv2D": partial(keras.layers.Conv2D, 4, 3, padding="same"),
    "DepthwiseConv2D": partial(keras.layers.DepthwiseConv2D, 3, padding="same"),
    "Conv2DTranspose": partial(keras.layers.Conv2DTranspose, 4, 3, padding="same"),
    "Dense": partial(keras.layers.Dense, 4),
}
KINDS = list(LAYERS)
SMALL = 1e-9


def two_convolutions(small, kind="Conv2D", whole=False):
    """Two layers; a channel of the second, or all, has kernels `small` times as large, and bias 0.5."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
    second = LAYERS[kind](name="second")
    model = keras.Model({"rgb": image}, {"ensemble": second(x)})
    kernel, bias = second.get_weights()
    channels = np.moveaxis(kernel, {"Conv2D": 3, "Dense": 1}.get(kind, 2), 0)  # a view
    channels[slice(None) if whole else 1] *= small
    second.set_weights([kernel, bias + 0.5])
    return write(model, (8, 8))


def run(content):
    return Interpreter(model_content=content).get_signature_runner()(rgb=X[:1])


UNFITTED = ("fitting_biases", "tight_ranges")


def error(scheme, content, without=("tight_ranges",)):
    """Largest errors of the channels, float outputs beside quantised ones."""
    made = quantised(content, {"rgb": X}, scheme, without, integer_io=False)
    return np.abs(run(made)["ensemble"] - run(content)["ensemble"]).max((0, 1, 2))


def step(content):
    """Between two codes of the output."""
    return read_tensors(content).outputs["ensemble"].quantization.scale


@pytest.mark.parametrize("scheme", ["static_w8a8", "int16x8"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small", [1e-5, 1e-7, SMALL, 0.0])
def test_a_channel_of_a_small_filter_is_its_bias(scheme, kind, small):
    content = two_convolutions(small, kind)
    made = quantised(content, {"rgb": X}, scheme, ("tight_ranges",))
    # Half a code of the output, and float32 noise; the filter's own products are below 36 * 4 * 1e-5
    # and rounded by a 127th of that, 1e-5.
    assert error(scheme, content)[1] <= 0.501 * step(made) + 1e-5


@pytest.mark.parametrize("scheme", ["static_w8a8", "int16x8"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_other_channels_keep_their_codes(scheme, kind):
    content = two_convolutions(SMALL, kind)
    others = [0, 2, 3]
    fitted = error(scheme, content)[others]
    np.testing.assert_array_equal(fitted, error(scheme, content, UNFITTED)[others])


@pytest.mark.parametrize("scheme", ["static_w8a8", "int16x8"])
def test_without_fitting_the_channel_loses_most_of_its_bias(scheme):
    content = two_convolutions(SMALL)
    assert error(scheme, content, UNFITTED)[1] > 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_stays_in_integers_on_the_fast_kernels(kind):
    made = quantised(two_convolutions(SMALL, kind), {"rgb": X})
    check_fast(made)
    assert left_out(made) == []
    assert {o.kind for o in read_operators(made)}.isdisjoint({"QUANTIZE", "DEQUANTIZE"})
    # Tighter ranges may double them.
    assert all(f.largest_code() <= 2.001 * LARGEST_CODE for f in biased(unpack(made)))


def test_biases_that_fit_leave_the_model_as_it_was():
    content = two_convolutions(1.0)
    made = quantised(content, {"rgb": X})
    model = unpack(made)
    assert max(f.largest_code() for f in biased(model)) > 0
    fit_biases(model, unpack(content))
    assert pack(model) == made


def test_a_filter_that_another_layer_reads_keeps_its_scale_there():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    layers = [keras.layers.Conv2D(4, 3, name=f"conv{i}") for i in range(2)]
    x = keras.layers.MaxPool2D(2, 1)(image)  # so that the two are not one convolution
    model = keras.Model({"rgb": image}, {"0": layers[0](image), "1": layers[1](x)})
    kernel, _ = layers[0].get_weights()
    kernel[..., 1] *= 1e-7
    # Beside the second layer's biases of 1e-7 the small filter is all that its channel says.
    layers[0].set_weights([kernel, np.full(4, 0.5, "float32")])
    layers[1].set_weights([kernel, np.full(4, 1e-7, "float32")])
    content = write(model, (8, 8))
    assert len({f.operator.inputs[1] for f in biased(unpack(content))}) == 1
    made = quantised(content, {"rgb": X}, without=("tight_ranges",), integer_io=False)
    filters = {f.name: f.values(1)[1] for f in biased(unpack(made))}
    largest = sorted(np.abs(codes).max() for codes in filters.values())
    assert largest[0] < 127 and largest[1] == 127
    wanted, found = run(content), run(made)
    for name in wanted:
        # Kernels of 27 weights below 0.4, rounded by 1/254 of that, times samples below 4 that are
        # rounded by 1/64: 0.04 at random; the output's own codes are 0.02 apart.
        assert np.abs(found[name] - wanted[name]).max() < 0.1
    assert abs(found["0"][..., 1] - 0.5).max() < 0.02


def test_a_float_file_of_another_network_is_refused():
    content = two_convolutions(SMALL)
    clipped = quantised(content, {"rgb": X}, without=UNFITTED)
    image = keras.Input((8, 8, 3), name="rgb")
    other = write(keras.Model({"rgb": image}, {"a": keras.layers.ReLU(name="r")(image)}), (8, 8))
    with pytest.raises(InputError, match="does not fit 32 bits"):
        fit_biases(unpack(clipped), unpack(other))


@pytest.mark.parametrize("kind", KINDS)
def test_one_scale_for_all_channels_is_widened_for_all(kind, monkeypatch):
    from litert_quantizer import qtyping, recipe

    by_channel = recipe.static_wi8_ai8

    def by_tensor():
        rules = by_channel()
        for rule in rules:
            weights = rule["op_config"]["weight_tensor_config"]
            weights["granularity"] = qtyping.QuantGranularity.TENSORWISE
        return rules

    monkeypatch.setattr(recipe, "static_wi8_ai8", by_tensor)
    # With one scale the whole filter has to be small for a bias not to fit.
    content = two_convolutions(SMALL, kind, whole=True)
    made = quantised(content, {"rgb": X}, without=("tight_ranges",))
    assert error("static_w8a8", content).max() <= 0.501 * step(made) + 1e-5
