"""Nodes and tensors are named after Keras layers.

"frozen_1/stem_conv_rgb_1/Relu:0" becomes "stem_conv_rgb". Two calls of a layer, or two nodes of
one layer, get a number behind. Inputs and outputs of the graph keep their names.

Needs the names that tf2onnx leaves. Promises the same graph.
"""

import re
from collections.abc import Sequence

import onnx


def rename_after_layers(model: onnx.ModelProto, layers: Sequence[str]) -> None:
    """Names them in place, after `layers`, names of the Keras model's."""
    graph = model.graph
    fixed = {value.name for value in (*graph.input, *graph.output)}
    known, used = set(layers), set(fixed)

    def layer_of(name: str) -> str | None:
        for part in reversed(name.split("/")):
            for candidate in (part, re.sub(r"_\d+$", "", part)):
                if candidate in known:
                    return candidate
        return None

    def unique(name: str) -> str:
        number, candidate = 1, name
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        return candidate

    renamed = {name: name for name in fixed}
    renamed[""] = ""
    weights = {tensor.name for tensor in graph.initializer}
    nodes_named: set[str] = set()
    for node in graph.node:
        # tf2onnx gives a convolution that it moved a name of its own; its weight still tells.
        sources = [node.name, *node.output, *(n for n in node.input if n in weights)]
        name = next((n for n in map(layer_of, sources) if n), None) or node.op_type.lower()
        for output in node.output:
            renamed.setdefault(output, unique(name) if output not in fixed else output)
        label, number = name, 1
        while label in nodes_named:
            number += 1
            label = f"{name}_{number}"
        nodes_named.add(label)
        node.name = label
        kinds = {1: "kernel", 2: "bias"} if node.op_type == "Conv" else {}
        for index, tensor in enumerate(node.input):
            if tensor in weights and tensor not in renamed:
                renamed[tensor] = unique(f"{name}/{kinds.get(index, f'constant{index}')}")
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = renamed[name]
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    del graph.value_info[:]
