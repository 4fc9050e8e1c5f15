"""ReLUs that stand alone, written as multiplications by one, for int8.

A converter fuses a ReLU into the operator before it unless somebody else reads that one's result: a
residual around the ReLU, as in RefineNet, or with three modalities the mean of donors, which is
taken before it. XNNPACK has no int8 kernel for a ReLU by itself, and the graph would fall into
pieces around each. It has one for a product with a ReLU fused in, so x -> max(x, 0) becomes
x -> max(1 x, 0): the same numbers. (Not for a sum with zero: a constant zero has no scale.)
"""

import numpy as np

from ..export.tflite_graph import builtin_code
from .tflite_file import pack, unpack


def multiply_bare_relus(content: bytes) -> bytes:
    """Rewrites every ReLU of a float .tflite file; one without any comes back as it was."""
    from ai_edge_litert import schema_py_generated as schema

    kinds, types = schema.BuiltinOperator, schema.TensorType
    model = unpack(content)
    relus = [
        (graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
        if builtin_code(model.operatorCodes[operator.opcodeIndex]) == kinds.RELU
    ]
    if not relus:
        return content
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kinds.MUL
    code.version = 1
    model.operatorCodes.append(code)
    buffer = schema.BufferT()
    buffer.data = np.ones(1, np.float32).view(np.uint8)
    model.buffers.append(buffer)
    ones: dict[int, int] = {}
    for graph, operator in relus:
        if id(graph) not in ones:
            one = schema.TensorT()
            one.name, one.shape, one.type = b"one", np.array([1], np.int32), types.FLOAT32
            one.buffer = len(model.buffers) - 1
            graph.tensors.append(one)
            ones[id(graph)] = len(graph.tensors) - 1
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs = np.array([operator.inputs[0], ones[id(graph)]], np.int32)
        operator.builtinOptionsType = schema.BuiltinOptions.MulOptions
        operator.builtinOptions = schema.MulOptionsT()
        operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU
    return pack(model)
