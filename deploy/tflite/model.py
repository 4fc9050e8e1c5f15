"""A .tflite file as objects that can be changed, and back."""

import copy
import functools
from collections.abc import Iterator

import numpy as np


def unpack(content: bytes):
    """Reads a file into a `ModelT` of its schema, all buffers inside it."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.size:  # laid behind the flatbuffer; brought back into it
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model) -> bytes:
    """Writes a `ModelT` as a file."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def builtin_code(code) -> int:
    """The `BuiltinOperator` of an `OperatorCodeT`."""
    # Files of older converters hold small codes in a field of one byte.
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def builtin_of(model, operator) -> int:
    """The `BuiltinOperator` of an `OperatorT` of a `ModelT`."""
    return builtin_code(model.operatorCodes[operator.opcodeIndex])


@functools.lru_cache(maxsize=1)
def _kinds() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {value: name for name, value in vars(BuiltinOperator).items() if name.isupper()}


def kind_of(model, operator) -> str:
    """The kind of an `OperatorT` of a `ModelT`, such as "CONV_2D"."""
    return _kinds()[builtin_of(model, operator)]


def readers_of(graph) -> dict[int, list]:
    """The operators of a `SubGraphT` that read each tensor, by the tensor's index."""
    readers: dict[int, list] = {}
    for operator in graph.operators:
        for tensor in operator.inputs:
            readers.setdefault(int(tensor), []).append(operator)
    return readers


def padding_of(model, graph, pad) -> np.ndarray:
    """What a PAD lays before and after each axis, int32 (axes, 2)."""
    buffer = model.buffers[graph.tensors[pad.inputs[1]].buffer]
    return np.asarray(buffer.data, np.uint8).view(np.int32).reshape(-1, 2)


def float16_constants(model) -> Iterator[tuple[str, np.ndarray]]:
    """Names and values, flat, of a `ModelT`'s constants of 16-bit floats."""
    from ai_edge_litert.schema_py_generated import TensorType

    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.type == TensorType.FLOAT16 and data is not None:
            yield tensor.name.decode(), np.asarray(data, np.uint8).view(np.float16)


def operator_code(model, kind: int) -> int:
    """The index of a `BuiltinOperator` among a `ModelT`'s codes, added where it is not there."""
    from ai_edge_litert import schema_py_generated as schema

    known = [builtin_code(code) for code in model.operatorCodes]
    if kind in known:
        return known.index(kind)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    model.operatorCodes.append(code)
    return len(known)


def add_buffer(model, values: np.ndarray) -> int:
    """Adds a constant's values; returns the buffer's index."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def add_constant(model, graph, name: bytes, values: np.ndarray) -> int:
    """Adds a float32 or int32 constant; returns the tensor's index."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, np.array(values.shape, np.int32)
    kinds = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}
    tensor.type = kinds[values.dtype.name]
    tensor.buffer = add_buffer(model, values)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_like(graph, like, name: bytes, shape: tuple[int, ...], buffer: int = 0) -> int:
    """Adds a tensor with another's type and scales and its own shape; returns its index."""
    tensor = copy.copy(like)
    tensor.quantization = copy.copy(like.quantization)
    tensor.name, tensor.buffer = name, buffer
    tensor.shape, tensor.shapeSignature = np.array(shape, np.int32), None
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def reshape(model, graph, source: int, target: int):
    """Makes an operator that reads one tensor as another of as many values."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = graph.tensors[target]
    wanted = np.asarray(tensor.shape, np.int32)
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.RESHAPE)
    shape = add_constant(model, graph, tensor.name + b"_shape", wanted)
    operator.inputs = np.array([source, shape], np.int32)
    operator.outputs = np.array([target], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = wanted
    return operator
