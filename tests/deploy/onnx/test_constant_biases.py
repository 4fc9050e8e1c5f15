"""Sums with maps of one pixel, which Keras and tf2onnx take for biases."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from deploy.onnx import writer


@pytest.mark.parametrize("use_bias", [False, True])
def test_a_shortcut_of_one_pixel_is_a_sum(use_bias):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), batch_size=1, name="rgb")
    x = keras.layers.Conv2D(4, 8, 8)(image)
    y = keras.layers.Conv2D(4, 1, use_bias=use_bias, bias_initializer="random_normal")(x)
    z = keras.layers.Conv2D(4, 1, use_bias=use_bias, bias_initializer="random_normal")(x)
    y = keras.layers.Add(name="second")([keras.layers.Add(name="first")([y, x]), z])
    model = keras.Model({"rgb": image}, {"rgb": keras.layers.Conv2D(2, 1)(y)})
    content = writer.write(model, (8, 8))
    graph = onnx.load_from_string(content).graph
    constant = {tensor.name for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 4
    assert all(set(node.input[2:]) <= constant and len(node.input) <= 3 for node in convolutions)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"rgb": x.transpose(0, 3, 1, 2)})
    expected = np.asarray(model({"rgb": x})["rgb"]).transpose(0, 3, 1, 2)
    # Sums of 192 products of size 1 and of four behind them, in another order: some 1e-6.
    np.testing.assert_allclose(found, expected, atol=1e-5)
