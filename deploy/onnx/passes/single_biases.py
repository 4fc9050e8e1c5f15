"""Gives every convolution one bias.

Needs the graph as tf2onnx made it: where TensorFlow's optimiser has made a second bias of what is added
to a convolution with a bias, tf2onnx writes both, as inputs 2 and 3, and no engine takes that. Promises the
same numbers but for the rounding of one sum of two constants.
"""

import onnx
from onnx import numpy_helper

from ..graph import constants


def merge_biases(model: onnx.ModelProto) -> None:
    """Adds up the biases of convolutions, in place."""
    known = constants(model)
    for node in model.graph.node:
        names = list(node.input)[2:]
        if node.op_type != "Conv" or len(names) < 2 or not known.keys() >= set(names):
            continue
        biases = [known[name].reshape(-1) for name in names]
        total = sum(biases[1:], biases[0]).astype(biases[0].dtype)
        name = f"{node.output[0]}/bias"
        model.graph.initializer.append(numpy_helper.from_array(total, name))
        del node.input[2:]
        node.input.append(name)
