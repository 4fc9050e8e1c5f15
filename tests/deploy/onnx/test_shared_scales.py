"""What a Concat joins has one scale, the largest that a sample has shown."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from deploy.onnx.passes.shared_scales import share_scales


def joined(*scales):
    """Float inputs through a pair each into a Concat, and a pair behind it (the last scale)."""
    nodes, constants = [], [numpy_helper.from_array(np.int8(0), "zero")]
    names = [f"x{i}" for i in range(len(scales) - 1)]
    for name, scale in zip([*names, "y"], scales, strict=True):
        constants.append(numpy_helper.from_array(np.float32(scale), f"{name}_scale"))
        if name == "y":
            nodes.append(helper.make_node("Concat", [f"{n}_d" for n in names], ["y"], axis=0))
        rest = [f"{name}_scale", "zero"]
        nodes.append(helper.make_node("QuantizeLinear", [name, *rest], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *rest], [f"{name}_d"]))

    def values(name, length):
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [length])

    inputs = [values(name, 1) for name in names]
    graph = helper.make_graph(nodes, "g", inputs, [values("y_d", len(names))], constants)
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("scales", "wanted"),
    [
        ((0.02, 0.01, 0.03), 0.03),
        # ONNX Runtime's scale of a map that is zero in every sample is 1: it says nothing.
        ((1.0, 0.01, 0.03), 0.03),
        ((0.02, 1.0, 0.01), 0.02),
        ((1.0, 1.0, 1.0), 1.0),
    ],
)
def test_all_get_the_largest_that_was_seen(scales, wanted):
    model = joined(*scales)
    share_scales(model)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type.endswith("Linear")]
    assert len(pairs) == 2 * len(scales)
    assert {float(values[node.input[1]]) for node in pairs} == {float(np.float32(wanted))}
    onnx.checker.check_model(model)
