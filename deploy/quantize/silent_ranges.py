"""Ranges of activations that calibration found next to nothing, widened to what 8-bit kernels take.

A part of a network may be silent over the samples: ReLUs that none of them opens, a modality that
shows one value. Its range is then thousands of times narrower than those it meets, or empty, and
XNNPACK does not take the operators around it: it requantises by no less than 2^-8 into a
concatenation, 2^-10 into a sum, and by less than 2^8 out of a convolution's sums. A widened range
keeps clear of these limits, and all of it is still within two steps of the range that it goes into.
Ordinary ranges stay as they were.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..export.tflite_graph import builtin_of
from .tflite_file import unpack

Ranges = dict[str, dict[str, np.ndarray]]

_JOINED = 2.0**-7
"""Of the range of a sum or concatenation, what each of its inputs has at least."""
_WEIGHTED = 2.0**-14
"""Of the range of a convolution's input times its largest weight, what its result has at least. With
127 codes for a weight, sums are then requantised by 2^14 / 127 at most."""


def widen(content: bytes, ranges: Mapping[str, Mapping[str, Any]]) -> Ranges:
    """Widens the ranges that are too narrow beside those they meet.

    Args:
        content: a float .tflite file.
        ranges: "min" and "max" of activations, arrays of one value, by the names of their tensors.

    Returns:
        The same, with larger maxima where needed.
    """
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    joining = (kinds.ADD, kinds.SUB, kinds.CONCATENATION)
    # One scale for what goes in and what comes out.
    passing = (kinds.MAX_POOL_2D, kinds.PAD, kinds.RESHAPE, kinds.RESIZE_BILINEAR)
    weighted = (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D, kinds.TRANSPOSE_CONV, kinds.FULLY_CONNECTED)
    result = {name: dict(values) for name, values in ranges.items()}

    def at_least(name: str, span: float) -> None:
        missing = span - _span(result[name])
        if missing > 0:
            result[name]["max"] = np.maximum(result[name]["max"], 0) + np.float32(missing)

    model = unpack(content)
    for graph in model.subgraphs:
        names = [tensor.name.decode() for tensor in graph.tensors]
        steps = [
            (builtin_of(model, op), [names[i] for i in op.inputs], names[op.outputs[0]], op)
            for op in graph.operators
        ]
        for kind, read, made, _ in reversed(steps):
            if kind in joining + passing and made in result:
                share = _JOINED if kind in joining else 1
                for name in filter(result.__contains__, read):
                    at_least(name, share * _span(result[made]))
        for kind, read, made, op in steps:
            if kind in weighted and made in result:
                inputs = [_span(result[name]) for name in read if name in result]
                at_least(made, _WEIGHTED * max(inputs, default=0) * _largest(model, graph, op))
    return result


def _span(values: Mapping[str, Any]) -> float:
    """Width of a range with zero in it, as codes have to have it."""
    return float(np.maximum(values["max"], 0).max() - np.minimum(values["min"], 0).min())


def _largest(model, graph, operator) -> float:
    """The largest absolute weight of an operator; they are its second input."""
    data = model.buffers[graph.tensors[operator.inputs[1]].buffer].data
    if data is None:
        return 0.0
    return float(np.abs(np.asarray(data, np.uint8).view(np.float32)).max(initial=0))
