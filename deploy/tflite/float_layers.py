"""Operators of a .tflite file that stay in float32: named layers and heads."""

from collections.abc import Sequence

from cen_keras.errors import InputError

from .graph import WEIGHTED, Operator, layer_name, read_operators


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
        if operator.kind not in WEIGHTED:
            wanted.extend(maker[tensor] for tensor in operator.inputs if tensor in maker)
    return list(found.values())
