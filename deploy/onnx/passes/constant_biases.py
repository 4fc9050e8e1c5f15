"""A convolution has one bias, which is constant.

Keras writes a sum with a map of one pixel as a BiasAdd, and tf2onnx takes every BiasAdd behind a convolution into
it: as a bias that is computed, or as a second one, which no convolution has. Where maps are as small as that,
such a summand becomes an Add of its own again.

Needs nothing. Promises the same numbers.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

SHAPE = "bias_shape"


def keep_constant_biases(model: onnx.ModelProto) -> None:
    """Adds up behind convolutions, in place, what is no constant bias."""
    graph = model.graph
    constant = {tensor.name for tensor in graph.initializer}
    nodes, moved = [], False
    for node in graph.node:
        nodes.append(node)
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        kept = [name for name in node.input[2:] if name in constant][:1]
        summands = [name for name in node.input[2:] if name not in kept]
        del node.input[2:]
        node.input.extend(kept)
        last = node.output[0]
        partial = [f"{last}_part{number}" for number in range(len(summands))]
        sums = [*partial, last]
        node.output[0] = sums[0]
        for before, after, summand in zip(sums, sums[1:], summands, strict=False):
            pixel = f"{before}_pixel"
            nodes.append(helper.make_node("Reshape", [summand, SHAPE], [pixel], name=pixel))
            nodes.append(helper.make_node("Add", [before, pixel], [after], name=f"{before}_add"))
            moved = True
    if moved:
        shape = np.array([1, -1, 1, 1], np.int64)
        graph.initializer.append(numpy_helper.from_array(shape, SHAPE))
    del graph.node[:]
    graph.node.extend(nodes)
