"""Operators of a .tflite file that stay in float32: named layers, heads, shifts that do not fit."""

from collections.abc import Sequence

import numpy as np

from cen_keras.errors import InputError

from ..export.tflite_graph import Operator, builtin_of, layer_name, read_operators
from .tflite_file import unpack

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


def find_layers(content: bytes, names: Sequence[str]) -> list[Operator]:
    """The operators of layers.

    Args:
        content: a float .tflite file.
        names: of layers, as `layer_name` gives them.

    Raises:
        InputError: the file has no layer of a name.
    """
    operators = read_operators(content)
    known = {layer_name(operator) for operator in operators}
    unknown = [name for name in names if name not in known]
    if unknown:
        import difflib

        close = difflib.get_close_matches(unknown[0], sorted(known), 3, 0.3)
        raise InputError(
            f"layer {unknown[0]!r} is not in the frozen graph; there are {len(known)}, such as "
            f"{', '.join(close or sorted(known)[:3])} (`python -m deploy sensitivity` lists them)"
        )
    return [operator for operator in operators if layer_name(operator) in set(names)]


def heads(content: bytes) -> list[Operator]:
    """The last operator with weights before each output, and all between it and the output."""
    operators = read_operators(content)
    maker = {tensor: operator for operator in operators for tensor in operator.outputs}
    wanted = [operator for operator in operators if operator.stream]
    found = {}
    while wanted:
        operator = wanted.pop()
        if operator.outputs in found:
            continue
        found[operator.outputs] = operator
        if operator.kind not in _WEIGHTED:
            wanted.extend(maker[tensor] for tensor in operator.inputs if tensor in maker)
    return list(found.values())


def clipped_shifts(content: bytes) -> set[str]:
    """The operators of a quantised file whose shifts were clipped, by name.

    A shift's codes have the scale of the input times the channel's own, and the library clips them
    to 32 bits. A channel with a small kernel and an ordinary shift, as a small gamma leaves it, would
    lose most of its value; with 16-bit activations, whose scale is 256 times finer, more of them.
    """
    from ai_edge_litert.schema_py_generated import BuiltinOperator, TensorType

    model, names = unpack(content), set()
    weighted = {getattr(BuiltinOperator, kind) for kind in _WEIGHTED}
    codes_of = {TensorType.INT32: np.int32, TensorType.INT64: np.int64}
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = builtin_of(model, operator)
            # Of a transposed convolution the result's shape comes first.
            place = 3 if kind == BuiltinOperator.TRANSPOSE_CONV else 2
            if kind not in weighted or len(operator.inputs) <= place or operator.inputs[place] < 0:
                continue
            shift = graph.tensors[operator.inputs[place]]
            data = model.buffers[shift.buffer].data
            if data is None or shift.type not in codes_of:
                continue
            codes = np.asarray(data, np.uint8).view(codes_of[shift.type]).astype(np.int64)
            if np.abs(codes).max() >= 2**31 - 1:
                names.add(graph.tensors[operator.outputs[0]].name.decode())
    return names
