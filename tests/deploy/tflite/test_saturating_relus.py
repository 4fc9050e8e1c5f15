"""drop_saturating_relus: the same codes without the ReLU, and kept where it does something."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tflite_files import passed, plain, quantised

from deploy.tflite.model import pack, unpack
from deploy.tflite.passes.bare_relus import multiply_bare_relus
from deploy.tflite.passes.saturating_relus import drop_saturating_relus
from deploy.tflite.writer import write

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
ADD, MUL = schema.BuiltinOperator.ADD, schema.BuiltinOperator.MUL


def residual(activation):
    """A sum with an activation, and a ReLU around which there is a residual."""
    keras.utils.set_random_seed(0)
    image = keras.Input(X.shape[1:], name="rgb")
    first, second = (keras.layers.Conv2D(8, 3, padding="same")(image) for _ in range(2))
    x = keras.layers.Activation(activation)(keras.layers.Add()([first, second]))
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    y = keras.layers.Conv2D(8, 3, padding="same")(keras.layers.ReLU()(x))
    model = keras.Model({"rgb": image}, {"ensemble": keras.layers.Add()([x, y])})
    return passed(multiply_bare_relus, write(model, X.shape[1:3]))


@pytest.fixture(scope="module")
def int8():
    return quantised(residual("relu"), {"rgb": X})


def activations(content, kinds=(ADD, MUL)):
    """The fused activations of the operators of some kinds."""
    model = unpack(content)
    return [
        operator.builtinOptions.fusedActivationFunction
        for operator in model.subgraphs[0].operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode in kinds
    ]


def run(content, codes):
    return Interpreter(model_content=content).get_signature_runner()(rgb=codes)["ensemble"]


def test_the_codes_are_the_same_without_them(int8):
    relu, none = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.NONE
    found = passed(drop_saturating_relus, int8)
    assert activations(int8) == [relu, relu, none]
    assert activations(found) == [none, none, none]
    codes = np.random.default_rng(1).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
    assert run(found, codes).std() > 5  # codes that say something
    np.testing.assert_array_equal(run(found, codes), run(int8, codes))
    assert passed(drop_saturating_relus, found) == found


def test_a_relu_that_does_something_stays(int8):
    model = unpack(int8)
    # Codes that begin below zero.
    for operator in model.subgraphs[0].operators:
        model.subgraphs[0].tensors[operator.outputs[0]].quantization.zeroPoint = np.array([-100])
    content = pack(model)
    assert passed(drop_saturating_relus, content) == plain(content)


@pytest.mark.parametrize("activation", ["relu6", "linear"])
def test_so_do_other_activations(activation):
    content = quantised(residual(activation), {"rgb": X})
    before, after = (
        activations(content, (ADD,)),
        activations(passed(drop_saturating_relus, content), (ADD,)),
    )
    assert before == after


def test_and_those_of_floats():
    content = residual("relu")
    assert passed(drop_saturating_relus, content) == plain(content)
