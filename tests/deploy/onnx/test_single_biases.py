"""A convolution to which tf2onnx gave two biases computes with their sum."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from deploy.onnx.passes.single_biases import merge_biases


def test_two_biases_become_their_sum():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 3, 1, 1)).astype(np.float32)
    biases = rng.normal(size=(2, 5)).astype(np.float32)
    values = {"w": kernel, "b": biases[0], "c": biases[1]}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w", "b", "c"], ["y"]),
            helper.make_node("Conv", ["x", "w", "b"], ["z"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 2, 2))],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 5, 2, 2)) for n in "yz"],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    merge_biases(model)
    onnx.checker.check_model(model, full_check=True)
    x = rng.normal(size=(1, 3, 2, 2)).astype(np.float32)
    found, alone = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    plain = np.einsum("oc,bchw->bohw", kernel[..., 0, 0], x)
    # Sums of five float32 numbers about 1.
    np.testing.assert_allclose(found, plain + biases.sum(0)[:, None, None], atol=2e-6)
    np.testing.assert_allclose(alone, plain + biases[0][:, None, None], atol=2e-6)
