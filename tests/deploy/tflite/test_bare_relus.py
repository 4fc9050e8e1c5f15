"""ReLUs around which there is a residual: the same numbers, and on the fast kernels in int8."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_files import passed, quantised

from deploy.tflite.graph import read_operators
from deploy.tflite.passes.bare_relus import multiply_bare_relus
from deploy.tflite.writer import write
from deploy.tflite.xnnpack import left_out

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def content():
    """A convolution whose result is read by a ReLU and by a residual; two of them."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    for name in ("second", "third"):
        branch = keras.layers.Conv2D(4, 3, padding="same", name=name)(keras.layers.ReLU()(x))
        x = keras.layers.Add()([branch, x])
    return write(keras.Model({"rgb": image}, {"ensemble": x}), (8, 8))


def kinds(content):
    return [operator.kind for operator in read_operators(content)]


def run(content, x):
    interpreter = Interpreter(model_content=content)
    return interpreter.get_signature_runner()(rgb=x)["ensemble"]


def test_a_product_with_one_is_the_relu(content):
    changed = passed(multiply_bare_relus, content)
    assert kinds(content).count("RELU") == 2
    assert (kinds(changed).count("RELU"), kinds(changed).count("MUL")) == (0, 2)
    np.testing.assert_array_equal(run(changed, X[:1]), run(content, X[:1]))
    assert passed(multiply_bare_relus, changed) == changed


def test_int8_stays_on_the_fast_kernels(content):
    made = quantised(passed(multiply_bare_relus, content), {"rgb": X}, integer_io=False)
    assert left_out(made) == []
    assert left_out(quantised(content, {"rgb": X})) != []
    wanted = run(content, X[:1])
    # Some ten roundings to 1/255 of a range that is three or four deviations wide on each side.
    assert np.abs(run(made, X[:1]) - wanted).max() < 10 / 255 * np.ptp(wanted)
