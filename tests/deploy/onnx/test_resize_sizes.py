"""Sizes of Resize at which the product of a size with the factor in float32 is not whole."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deploy.onnx.passes.resize_sizes import write_sizes


def chain(sizes):
    """A graph of linear Resizes from each size to the next, with factors as tf2onnx writes them."""
    nodes, scales = [], []
    for index, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False)):
        factor = np.array(
            [1, 1, *(np.float32(a) / np.float32(b) for a, b in zip(after, before, strict=True))],
            np.float32,
        )
        scales.append(numpy_helper.from_array(factor, f"scales{index}"))
        nodes.append(
            helper.make_node(
                "Resize",
                [f"x{index}", "region", f"scales{index}"],
                [f"x{index + 1}"],
                mode="linear",
            )
        )
    last = helper.make_tensor_value_info(f"x{len(nodes)}", TensorProto.FLOAT, (1, 3, *sizes[-1]))
    first = helper.make_tensor_value_info("x0", TensorProto.FLOAT, (1, 3, *sizes[0]))
    region = numpy_helper.from_array(np.zeros(0, np.float32), "region")
    graph = helper.make_graph(nodes, "g", [first], [last], [*scales, region])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    "sizes",
    [
        [(12, 20), (23, 40), (45, 80), (90, 160)],  # 360x640
        [(17, 30), (34, 60), (68, 120), (135, 240)],  # 540x960, 1080x1920
        [(34, 45), (68, 90), (135, 180), (270, 360)],  # 1080x1440
        [(14, 18), (27, 36), (54, 71), (107, 141)],  # 427x561
        [(17, 23), (34, 46), (67, 92), (133, 183)],  # 530x730
    ],
)
def test_maps_have_the_sizes_that_were_meant(sizes):
    ort = pytest.importorskip("onnxruntime")
    model = chain(sizes)
    write_sizes(model)
    assert not any(node.input[1] for node in model.graph.node)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    found = {v.name: v.type.tensor_type.shape.dim for v in inferred.graph.value_info}
    for index, size in enumerate(sizes[1:-1], 1):
        assert tuple(dim.dim_value for dim in found[f"x{index}"])[2:] == size
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x0": np.ones((1, 3, *sizes[0]), np.float32)})
    assert y.shape == (1, 3, *sizes[-1])


def test_every_size_of_a_network_is_met():
    """Strides 4, 8, 16, 32 of all heights to 2200: rounding gives back each size."""
    heights = np.arange(32, 2200)
    sizes = [-(-heights // stride) for stride in (32, 16, 8, 4)]
    for before, after in zip(sizes, sizes[1:], strict=False):
        scale = after.astype(np.float32) / before.astype(np.float32)
        assert (np.rint(scale.astype(np.float64) * before) == after).all()
    # The fault itself, as onnx computes it: the float32 factor in double precision, rounded down.
    assert np.floor(12 * float(np.float32(23 / 12))) == 22
