"""Reshapes to the shape that their input already has go.

A one-channel image is the same in memory whichever way its axes are ordered, so tf2onnx writes
its Transpose as a Reshape, which then reshapes nothing.

Needs a float model. Promises the same numbers.
"""

import onnx

from ..graph import redirect


def drop_idle_reshapes(model: onnx.ModelProto) -> None:
    """Removes them in place."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    outputs = {value.name for value in model.graph.output}
    for node in list(model.graph.node):
        same = shapes.get(node.input[0]) == shapes.get(node.output[0], ())
        if node.op_type == "Reshape" and same and node.output[0] not in outputs:
            redirect(model.graph.node, node.output[0], node.input[0])
            model.graph.node.remove(node)
