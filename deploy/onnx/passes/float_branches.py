"""Of an Add, the branch that comes straight from a convolution stays float.

With the shortcut quantised, convolution, addition and ReLU become one 8-bit kernel in TensorRT. An
Add without such a branch stays float on all sides.

Needs the pairs that `quantize_static` placed and nodes in order. Changes numbers: fewer of them are
rounded.
"""

import onnx

from ..pairs import CONVOLUTIONS, Pairs


def restore_float_branches(model: onnx.ModelProto) -> None:
    """Gives each Add its float branch: the deepest of those straight from a convolution, or all
    where there is none.
    """
    pairs = Pairs(model)
    depths = _depths(model)
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        branches = [
            index
            for index, name in enumerate(node.input)
            if pairs.kind(pairs.source.get(name, name)) in CONVOLUTIONS
        ]
        if branches:
            # Of a block's convolution and its projection, the block's has more before it.
            chosen = [max(branches, key=lambda index: depths[node.input[index]])]
        else:
            chosen = range(len(node.input))
        for index in chosen:
            name = node.input[index]
            node.input[index] = pairs.source.get(name, name)


def _depths(model: onnx.ModelProto) -> dict[str, int]:
    """Number of convolutions on the longest way to each tensor; the nodes must be in order."""
    depths: dict[str, int] = {}
    for node in model.graph.node:
        longest = max((depths.get(name, 0) for name in node.input), default=0)
        for name in node.output:
            depths[name] = longest + (node.op_type in CONVOLUTIONS)
    return depths
