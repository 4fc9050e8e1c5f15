"""Reshapes to the shape that their input already has go.

A one-channel image is the same in memory whichever way its axes are ordered, so tf2onnx writes
its Transpose as a Reshape, which then reshapes nothing.

Needs a float model. Promises the same numbers.
"""

import onnx

from ..graph import redirect, static_shapes


def drop_idle_reshapes(model: onnx.ModelProto) -> None:
    """Removes them in place."""
    shapes = static_shapes(model)
    outputs = {value.name for value in model.graph.output}
    for node in list(model.graph.node):
        same = shapes.get(node.input[0]) == shapes.get(node.output[0], ())
        if node.op_type == "Reshape" and same and node.output[0] not in outputs:
            redirect(model.graph.node, node.output[0], node.input[0])
            model.graph.node.remove(node)
