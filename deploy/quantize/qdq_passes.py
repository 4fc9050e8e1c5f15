"""Graph passes that put quantise/dequantise pairs where TensorRT makes the most of them.

After NVIDIA's placement rules (the quantisation toolkits' "custom Q/DQ cases"):

- Of an Add, the branch that comes straight from a convolution stays float and the shortcut is
  quantised, so that convolution, addition and ReLU become one 8-bit kernel. An Add without such a
  branch stays float on all sides.
- Activations and everything that does not compute in 8 bits read the float tensor.
- Tensors that a Concat joins, and those that a pooling or another operator passes on unchanged,
  have one scale. A concatenation of equal scales is a copy of bytes; of different ones it is a
  conversion per branch. The concatenations of an exchange overlap, both streams reading the shared
  channels, so the scale is common to all that hang together.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..export.onnx_graph import remove_unused, sort_topologically

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# Operators that move values about and compute none outside the range of their inputs.
PASSING = frozenset(
    {"MaxPool", "Resize", "Transpose", "Reshape", "Slice", "Gather", "Split", "Identity", "Concat"}
)


def apply(model: onnx.ModelProto) -> None:
    """Runs all passes on a graph that `quantize_static` made, in place."""
    sort_topologically(model)
    restore_float_readers(model)
    restore_float_branches(model)
    remove_unused(model)
    quantise_concat_inputs(model)
    share_scales(model)
    sort_topologically(model)
    remove_unused(model)


class _Pairs:
    """Where the pairs of a graph are.

    Attributes:
        producers: node by tensor that it makes.
        source: by output of a DequantizeLinear on an activation, the float tensor before its
            QuantizeLinear.
        dequantised: the same the other way round.
    """

    def __init__(self, model: onnx.ModelProto):
        graph = model.graph
        constant = {tensor.name for tensor in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output}
        self.source: dict[str, str] = {}
        self.dequantised: dict[str, str] = {}
        for node in graph.node:
            before = self.producers.get(node.input[0]) if node.input else None
            if (
                node.op_type == "DequantizeLinear"
                and before is not None
                and before.op_type == "QuantizeLinear"
                and before.input[0] not in constant
            ):
                self.source[node.output[0]] = before.input[0]
                self.dequantised[before.input[0]] = node.output[0]

    def quantiser(self, tensor: str) -> onnx.NodeProto:
        """The QuantizeLinear of a tensor that has a pair."""
        return self.producers[self.producers[self.dequantised[tensor]].input[0]]


def restore_float_readers(model: onnx.ModelProto) -> None:
    """Lets every node that neither computes in 8 bits nor passes values on read the float tensor.

    onnxruntime replaces a quantised tensor for all of its readers, a ReLU behind a convolution and
    the scaling of the logits included.
    """
    pairs = _Pairs(model)
    for node in model.graph.node:
        if node.op_type in CONVOLUTIONS | PASSING | {"Add", "QuantizeLinear"}:
            continue
        for index, name in enumerate(node.input):
            node.input[index] = pairs.source.get(name, name)


def restore_float_branches(model: onnx.ModelProto) -> None:
    """Gives each Add its float branch: the deepest of those straight from a convolution, or all
    where there is none.
    """
    pairs = _Pairs(model)
    depths = _depths(model)
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        branches = [
            index
            for index, name in enumerate(node.input)
            if _kind(pairs, pairs.source.get(name, name)) in CONVOLUTIONS
        ]
        if branches:
            # Of a block's convolution and its projection, the block's has more before it.
            chosen = [max(branches, key=lambda index: depths[node.input[index]])]
        else:
            chosen = range(len(node.input))
        for index in chosen:
            name = node.input[index]
            node.input[index] = pairs.source.get(name, name)


def quantise_concat_inputs(model: onnx.ModelProto) -> None:
    """Puts a pair before each input of a Concat whose result is quantised, and takes the pairs away
    from one whose result is not.
    """
    pairs = _Pairs(model)
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
                    pairs = _Pairs(model)
                node.input[index] = pairs.dequantised[name]


def share_scales(model: onnx.ModelProto) -> None:
    """Gives one scale, the largest, to all quantised tensors that passing operators connect."""
    pairs = _Pairs(model)
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for node in model.graph.node:
        if node.op_type not in PASSING:
            continue
        inputs = node.input if node.op_type == "Concat" else node.input[:1]
        joined = [pairs.source[name] for name in inputs if name in pairs.source]
        if joined:
            joined += [name for name in node.output if name in pairs.dequantised]
            for other in joined[1:]:
                leader[find(other)] = find(joined[0])
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    scales: dict[str, np.ndarray] = {}
    for name in pairs.dequantised:
        scale = numpy_helper.to_array(values[pairs.quantiser(name).input[1]])
        key = find(name)
        scales[key] = np.maximum(scales.get(key, scale), scale)
    for name, dequantised in pairs.dequantised.items():
        quantiser = pairs.quantiser(name)
        # Each pair's own tensor: one shared with another pair would be overwritten for both.
        new = f"{name}_scale_shared"
        model.graph.initializer.append(numpy_helper.from_array(scales[find(name)], new))
        quantiser.input[1] = new
        pairs.producers[dequantised].input[1] = new


def _kind(pairs: _Pairs, tensor: str) -> str:
    node = pairs.producers.get(tensor)
    return node.op_type if node is not None else ""


def _depths(model: onnx.ModelProto) -> dict[str, int]:
    """Number of convolutions on the longest way to each tensor; the nodes must be in order."""
    depths: dict[str, int] = {}
    for node in model.graph.node:
        longest = max((depths.get(name, 0) for name in node.input), default=0)
        for name in node.output:
            depths[name] = longest + (node.op_type in CONVOLUTIONS)
    return depths


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
