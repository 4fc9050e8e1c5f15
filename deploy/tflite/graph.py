"""Looks into a .tflite file: its signature's tensors and its operators, without running it."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cen_keras.errors import InputError
from cen_keras.quiet import stderr_kept_back

from ..runtime.litert_runner import SIGNATURE
from ..runtime.tensors import Quantization
from ..target import GraphTensors, Tensor
from .model import kind_of

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
"""Kinds of operators that have filters."""
HANDING_ON = (
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "PAD",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "TRANSPOSE",
    "SLICE",
    "STRIDED_SLICE",
)
"""Kinds that hand values on, with one scale for what goes in and what comes out."""
FIXED_SCALE = ("LOGISTIC", "SOFTMAX", "TANH", "L2_NORMALIZATION")
"""Kinds whose int8 kernels give codes of one scale, whatever was seen."""
# How TensorFlow ends the names of what a layer with weights computes.
_ENDINGS = ("convolution", "depthwise", "conv_transpose", "MatMul")


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: "CONV_2D", or the name of a custom one.
        name: its first output's tensor name.
        custom: not built in.
        inputs, outputs: indices of its tensors.
        stream: the signature's name of its output, where it is one.
    """

    kind: str
    name: str
    custom: bool
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    stream: str = ""


def open_interpreter(content: bytes, threads: int | None = None):
    """A file in LiteRT's interpreter, its tensors allocated, without the engine's note that it is so.

    Raises:
        RuntimeError: the engine does not take the file; likewise ValueError.
    """
    from ai_edge_litert.interpreter import Interpreter

    with stderr_kept_back():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


def read_tensors(content: bytes) -> GraphTensors:
    """Reads the signature's tensors."""
    interpreter = open_interpreter(content)
    runner = interpreter.get_signature_runner(SIGNATURE)
    sides = (runner.get_input_details(), runner.get_output_details())
    return GraphTensors(*({name: _tensor(d) for name, d in side.items()} for side in sides))


def quantization_of(details: dict) -> Quantization | None:
    """The quantisation of a tensor, from what the interpreter says of it."""
    scale, zero_point = details["quantization"]
    # A class map's numbers are whole: the file gives them no scale, as it gives none to floats.
    return Quantization(float(scale), int(zero_point)) if scale else None


def read_operators(content: bytes) -> list[Operator]:
    """Lists the operators in the order in which they run."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    streams = {
        entry.tensorIndex: entry.name.decode()
        for signature in model.signatureDefs or []
        for entry in signature.outputs
    }
    operators = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = kind_of(model, operator)
            custom = kind == "CUSTOM"
            if custom:
                kind = model.operatorCodes[operator.opcodeIndex].customCode.decode()
            inputs = tuple(int(i) for i in operator.inputs if i >= 0)
            outputs = tuple(int(i) for i in operator.outputs)
            name = graph.tensors[outputs[0]].name.decode()
            stream = streams.get(outputs[0], "")
            operators.append(Operator(kind, name, custom, inputs, outputs, stream))
    return operators


def layer_name(operator: Operator) -> str:
    """The Keras layer that an operator computes, by the names that the converter leaves.

    An operator that several layers were fused into bears the name of its convolution; the last one
    before an output has lost its name and is called "output_" and the name of the output.
    """
    parts = [part.split("/") for part in operator.name.split(";")]
    named = [part for part in parts if len(part) > 1]
    if not named:
        return f"output_{operator.stream}" if operator.stream else operator.name
    first = next((part for part in named if part[-1] in _ENDINGS), named[0])
    # The converter numbers the trace of every layer: "frozen_1/stem_conv_rgb_1/convolution".
    return re.sub(r"_1$", "", first[1] if len(first) > 2 else first[0])


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


def check_builtins(content: bytes) -> None:
    """Refuses operators that a board's LiteRT has no kernel for.

    Raises:
        InputError: names the operators and their layers.
    """
    custom = [operator for operator in read_operators(content) if operator.custom]
    if custom:
        found = ", ".join(f"{operator.kind} in {operator.name}" for operator in custom[:5])
        raise InputError(
            f"the model needs operators that LiteRT does not have built in: {found}; replace these "
            "layers by plain ones (convolution, pooling, add, concatenate, resize)"
        )


def _tensor(details: dict) -> Tensor:
    import numpy as np

    dtype = np.dtype(details["dtype"]).name
    return Tensor(tuple(int(n) for n in details["shape"]), dtype, quantization_of(details))
