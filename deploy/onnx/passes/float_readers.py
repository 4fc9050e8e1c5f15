"""What neither computes in 8 bits nor passes values on reads the float tensor.

onnxruntime replaces a quantised tensor for all of its readers: a ReLU behind a convolution, the scaling of
the logits, and a convolution that is left in float.

Needs the pairs that `quantize_static` placed. Changes numbers: fewer of them are rounded.
"""

import onnx

from ..pairs import CONVOLUTIONS, PASSING, Pairs


def restore_float_readers(model: onnx.ModelProto) -> None:
    """Lets every such node read the float tensor, in place."""
    pairs = Pairs(model)
    for node in model.graph.node:
        if node.op_type in PASSING | {"Add", "QuantizeLinear"}:
            continue
        if node.op_type in CONVOLUTIONS and pairs.kind(node.input[1]) == "DequantizeLinear":
            continue
        for index, name in enumerate(node.input):
            node.input[index] = pairs.source.get(name, name)
