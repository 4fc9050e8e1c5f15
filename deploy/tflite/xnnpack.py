"""Which operators of a .tflite file LiteRT's fast CPU kernels (XNNPACK) leave to the slow ones.

LiteRT hands XNNPACK the operators it takes, in pieces; between two pieces the data goes back to the
built-in kernels, which are several times slower and run on one thread. An operator in the middle of
the network that is not taken therefore costs more than itself. The engine is asked, not a table of
ours: what is taken depends on the operator's type, number format and number of inputs.
"""

from collections.abc import Sequence

from cen_keras.errors import InputError

from .graph import Operator, layer_name, open_interpreter, read_operators

# Small maps once per network: pyramid pooling, which XNNPACK takes in float only, and the class map
# behind the last layer.
TOLERATED = ("AVERAGE_POOL_2D", "MEAN", "ARG_MAX")


def left_out(content: bytes) -> list[Operator]:
    """Lists the operators that XNNPACK does not take, in the order in which they run.

    Args:
        content: a .tflite file.
    """
    interpreter = open_interpreter(content)
    nodes = interpreter._get_ops_details()  # the only way to see the pieces from Python
    pieces = [node for node in nodes if node["op_name"] == "DELEGATE"]
    plain = [node for node in nodes if node["op_name"] != "DELEGATE"]
    return _left_out(
        plain,
        pieces,
        [int(details["index"]) for details in interpreter.get_output_details()],
        read_operators(content),
    )


def check_fast(content: bytes) -> None:
    """Refuses a file whose network leaves XNNPACK on its way.

    Raises:
        InputError: names the operators and their layers, or what XNNPACK says.
    """
    try:
        left = left_out(content)
    except RuntimeError as error:
        raise InputError(
            f"LiteRT does not load what was made ({error}); export with a float scheme"
        ) from error
    # The last operator in front of an output may be a class map's change of shape.
    slow = [op for op in left if op.kind not in TOLERATED and not _reshapes(op)]
    if slow:
        found = ", ".join(f"{op.kind} in {layer_name(op)}" for op in slow[:5])
        more = f" and {len(slow) - 5} more" if len(slow) > 5 else ""
        raise InputError(
            f"LiteRT's fast kernels do not take {found}{more}; replace these layers by plain ones "
            "(convolution, ReLU, pooling, add, concatenate of at most five, resize), or export "
            "with a float scheme if it is the 8-bit kernel that is missing"
        )


def _reshapes(operator: Operator) -> bool:
    return operator.kind in ("RESHAPE", "EXPAND_DIMS") and bool(operator.stream)


def _left_out(
    plain: Sequence[dict], pieces: Sequence[dict], outputs: Sequence[int], names: Sequence[Operator]
) -> list[Operator]:
    """Walks back from the outputs over tensors that no piece computes."""
    made = {int(tensor): i for i, node in enumerate(plain) for tensor in node["outputs"]}
    given = {int(tensor) for piece in pieces for tensor in piece["outputs"]}
    wanted = [*outputs, *(int(tensor) for piece in pieces for tensor in piece["inputs"])]
    found = set()
    while wanted:
        tensor = wanted.pop()
        node = made.get(tensor)
        if tensor in given or node is None or node in found:
            continue  # computed inside a piece, an input or constant, or seen before
        found.add(node)
        wanted.extend(int(t) for t in plain[node]["inputs"])
    return [names[node] for node in sorted(found)]
