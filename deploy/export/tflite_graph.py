"""Looks into a .tflite file: its signature's tensors and its operators, without running it."""

from dataclasses import dataclass

from cen_keras.errors import InputError

from ..runtime.litert_runner import SIGNATURE
from ..runtime.tensors import Quantization


@dataclass(frozen=True)
class Tensor:
    """A tensor of a signature as the file has it; `tensor` is its name there where that differs."""

    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    layout: str = "NHWC"
    tensor: str = ""


@dataclass(frozen=True)
class GraphTensors:
    """Inputs and outputs of the signature, by name."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(frozen=True)
class Operator:
    """One operator: its kind ("CONV_2D", or the name of a custom one) and its first output's tensor
    name.
    """

    kind: str
    name: str
    custom: bool


def read_tensors(content: bytes) -> GraphTensors:
    """Reads the signature's tensors."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner(SIGNATURE)
    sides = (runner.get_input_details(), runner.get_output_details())
    return GraphTensors(*({name: _tensor(d) for name, d in side.items()} for side in sides))


def read_operators(content: bytes) -> list[Operator]:
    """Lists the operators in the order in which they run."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if not name.startswith("_")
    }
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    operators = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            # Files of older converters hold small codes in a field of one byte.
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            custom = number == schema.BuiltinOperator.CUSTOM
            kind = code.customCode.decode() if custom else kinds[number]
            operators.append(
                Operator(kind, graph.tensors[operator.outputs[0]].name.decode(), custom)
            )
    return operators


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
    scale, zero_point = details["quantization"]
    quantization = None if dtype == "float32" else Quantization(float(scale), int(zero_point))
    return Tensor(tuple(int(n) for n in details["shape"]), dtype, quantization)
