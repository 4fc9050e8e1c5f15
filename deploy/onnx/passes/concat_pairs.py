"""Before each input of a Concat whose result is quantised stands a pair, and none before one's whose
result is not.

Needs the pairs that `quantize_static` placed, without those that nobody reads. Changes numbers: what
is joined is rounded as its readers would round it.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..pairs import Pairs


def quantise_concat_inputs(model: onnx.ModelProto) -> None:
    """Adds and takes away pairs, in place."""
    pairs = Pairs(model)
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type != "Concat":
            continue
        whole = node.output[0] in pairs.dequantised
        for index, name in enumerate(node.input):
            if not whole:
                node.input[index] = pairs.source.get(name, name)
            elif name not in pairs.source:
                if name not in pairs.dequantised:
                    like = pairs.quantiser(node.output[0])
                    scale = numpy_helper.to_array(values[like.input[1]])
                    _add_pair(graph, name, scale)
                    pairs.extend(graph.node[-2:])
                node.input[index] = pairs.dequantised[name]


def _add_pair(graph: onnx.GraphProto, tensor: str, scale: np.ndarray) -> None:
    """Appends a pair on `tensor`, an int8 zero point of 0 with it; nobody reads it yet."""
    names = {part: f"{tensor}_{part}" for part in ("scale", "zero_point", "codes", "dequantised")}
    graph.initializer.append(numpy_helper.from_array(scale, names["scale"]))
    zero = np.zeros_like(scale, dtype=np.int8)
    graph.initializer.append(numpy_helper.from_array(zero, names["zero_point"]))
    constants = [names["scale"], names["zero_point"]]
    graph.node.extend(
        [
            helper.make_node(
                "QuantizeLinear",
                [tensor, *constants],
                [names["codes"]],
                name=f"{tensor}_QuantizeLinear",
            ),
            helper.make_node(
                "DequantizeLinear",
                [names["codes"], *constants],
                [names["dequantised"]],
                name=f"{tensor}_DequantizeLinear",
            ),
        ]
    )
