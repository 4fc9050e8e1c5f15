"""Where the quantise/dequantise pairs of an ONNX graph are, and what kinds of nodes stand around them.

After NVIDIA's placement rules (the quantisation toolkits' "custom Q/DQ cases").
"""

from collections.abc import Sequence

import onnx

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# Operators that move values about and compute none outside the range of their inputs.
PASSING = frozenset(
    {"MaxPool", "Resize", "Transpose", "Reshape", "Slice", "Gather", "Split", "Identity", "Concat"}
)


class Pairs:
    """Where the pairs of a graph are.

    Attributes:
        producers: node by tensor that it makes.
        source: by output of a DequantizeLinear on an activation, the float tensor before its
            QuantizeLinear.
        dequantised: the same the other way round.
    """

    def __init__(self, model: onnx.ModelProto):
        self._constant = {tensor.name for tensor in model.graph.initializer}
        self.producers: dict[str, onnx.NodeProto] = {}
        self.source: dict[str, str] = {}
        self.dequantised: dict[str, str] = {}
        self.extend(model.graph.node)

    def extend(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Takes in nodes that were added to the graph."""
        self.producers.update((name, node) for node in nodes for name in node.output)
        for node in nodes:
            before = self.producers.get(node.input[0]) if node.input else None
            if (
                node.op_type == "DequantizeLinear"
                and before is not None
                and before.op_type == "QuantizeLinear"
                and before.input[0] not in self._constant
            ):
                self.source[node.output[0]] = before.input[0]
                self.dequantised[before.input[0]] = node.output[0]

    def kind(self, tensor: str) -> str:
        """Type of the node that makes a tensor; "" for inputs and constants."""
        node = self.producers.get(tensor)
        return node.op_type if node is not None else ""

    def quantiser(self, tensor: str) -> onnx.NodeProto:
        """The QuantizeLinear of a tensor that has a pair."""
        return self.producers[self.producers[self.dequantised[tensor]].input[0]]
