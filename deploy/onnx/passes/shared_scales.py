"""Tensors that a Concat joins, and those that a pooling or another operator passes on unchanged, have
one scale.

A concatenation of equal scales is a copy of bytes; of different ones it is a conversion per branch.
The concatenations of an exchange overlap, both streams reading the shared channels, so the scale is
common to all that hang together.

Needs a pair before each input of a Concat. Changes codes: scales grow to the largest of those that
become one; a map that is zero in every sample has no say.
"""

import numpy as np
import onnx
from onnx import numpy_helper

from ..pairs import PASSING, Pairs

_UNSEEN = 1.0
"""What ONNX Runtime gives a map that is zero in every sample."""


def share_scales(model: onnx.ModelProto) -> None:
    """Gives one scale, the largest, to all quantised tensors that passing operators connect."""
    pairs = Pairs(model)
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
        if key not in scales or scales[key] == _UNSEEN:
            scales[key] = scale
        elif scale != _UNSEEN:
            scales[key] = np.maximum(scales[key], scale)
    for name, dequantised in pairs.dequantised.items():
        quantiser = pairs.quantiser(name)
        # Each pair's own tensor: one shared with another pair would be overwritten for both.
        new = f"{name}_scale_shared"
        model.graph.initializer.append(numpy_helper.from_array(scales[find(name)], new))
        quantiser.input[1] = new
        pairs.producers[dequantised].input[1] = new
