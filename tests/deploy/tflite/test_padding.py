"""cheapen_padding: the same numbers to the last bit, and only where it saves time."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_files import passed, plain, quantised

from deploy.tflite.graph import read_operators
from deploy.tflite.passes.padding import MOST_BYTES, cheapen_padding
from deploy.tflite.writer import write
from deploy.tflite.xnnpack import left_out

SIZE = (8, 12)


def built(read_by, channels=5, padding=1):
    """A map with a padding, and what reads it, as a float file and samples of its input."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3), name="rgb")
    x = keras.layers.Conv2D(channels, 1, activation="relu", bias_initializer="normal")(image)
    padded = keras.layers.ZeroPadding2D(padding)(x)
    layers = {
        "conv": lambda: keras.layers.Conv2D(4, 3, 2, bias_initializer="normal"),
        "depthwise": lambda: keras.layers.DepthwiseConv2D(3, 2, bias_initializer="normal"),
        "pool": lambda: keras.layers.MaxPooling2D(3, 2),
    }
    found = [layers[kind]()(padded) for kind in read_by]
    joined = keras.layers.Concatenate()(found) if len(found) > 1 else found[0]
    y = keras.layers.Conv2D(4, 1, bias_initializer="normal")(joined)
    samples = np.random.default_rng(0).normal(size=(4, *SIZE, 3)).astype(np.float32)
    return write(keras.Model({"rgb": image}, {"ensemble": y}), SIZE), {"rgb": samples}


def int8(*arguments, **options):
    return quantised(*built(*arguments, **options))


def run(content, values):
    return Interpreter(model_content=content).get_signature_runner()(rgb=values)["ensemble"]


def kinds(content):
    return [operator.kind for operator in read_operators(content)]


def codes():
    return np.random.default_rng(1).integers(-128, 128, (1, *SIZE, 3)).astype(np.int8)


@pytest.mark.parametrize("read_by", [("conv", "conv"), ("depthwise", "conv", "conv")])
def test_convolutions_get_a_margin_each(read_by):
    content = int8(read_by)
    own = passed(cheapen_padding, content)
    assert (kinds(content).count("PAD"), kinds(own).count("PAD")) == (1, len(read_by))
    operators = read_operators(own)
    paddings = {operator.outputs[0] for operator in operators if operator.kind == "PAD"}
    read = [tensor for operator in operators for tensor in operator.inputs if tensor in paddings]
    assert sorted(read) == sorted(paddings)  # each by one
    names = [operator.name for operator in operators]
    assert len(set(names)) == len(names)  # or the file could not be quantised
    assert left_out(own) == []
    found = run(own, codes())
    assert found.std() > 5  # codes that say something
    np.testing.assert_array_equal(found, run(content, codes()))
    assert passed(cheapen_padding, own) == own


@pytest.mark.parametrize("channels", [1, 5, 16, MOST_BYTES])
@pytest.mark.parametrize("padding", [1, ((1, 2), (0, 3)), ((0, 0), (2, 1))])
def test_a_pool_gets_a_margin_around_rows(channels, padding):
    content = int8(("pool",), channels, padding)
    around = passed(cheapen_padding, content)
    assert kinds(around) == ["CONV_2D", "RESHAPE", "PAD", "RESHAPE", "MAX_POOL_2D", "CONV_2D"]
    assert left_out(around) == []
    found = run(around, codes())
    assert found.std() > 5
    np.testing.assert_array_equal(found, run(content, codes()))
    assert passed(cheapen_padding, around) == around


@pytest.mark.parametrize(
    "read_by, channels, padding",
    [
        (("conv",), 5, 1),  # joined already
        (("pool",), MOST_BYTES + 1, 1),  # large pixels
        (("pool",), 5, ((1, 1), (0, 0))),  # whole rows already
    ],
)
def test_what_does_not_gain_stays_as_it_is(read_by, channels, padding):
    content = int8(read_by, channels, padding)
    assert "PAD" in kinds(content)
    assert passed(cheapen_padding, content) == plain(content)


def test_floats_too():
    content, samples = built(("conv", "conv", "pool"))
    around = passed(cheapen_padding, content)
    assert kinds(around).count("RESHAPE") == 2
    image = samples["rgb"][:1]
    np.testing.assert_array_equal(run(around, image), run(content, image))
