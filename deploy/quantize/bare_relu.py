"""ReLUs that stand alone, written as multiplications by one, for int8.

A converter fuses a ReLU into the operator before it unless somebody else reads that one's result: a
residual around the ReLU, as in RefineNet, or with three modalities the mean of donors, which is
taken before it. XNNPACK has no int8 kernel for a ReLU by itself, and the graph would fall into
pieces around each. It has one for a product with a ReLU fused in, so x -> max(x, 0) becomes
x -> max(1 x, 0): the same numbers. (Not for a sum with zero: a constant zero has no scale.)
"""

import numpy as np

from ..export.tflite_graph import builtin_of
from .tflite_file import add_constant, operator_code, pack, unpack


def multiply_bare_relus(content: bytes) -> bytes:
    """Rewrites every ReLU of a float .tflite file; one without any comes back as it was."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    model = unpack(content)
    relus = [
        (graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
        if builtin_of(model, operator) == kinds.RELU
    ]
    if not relus:
        return content
    product = operator_code(model, kinds.MUL)
    ones: dict[int, int] = {}
    for graph, operator in relus:
        if id(graph) not in ones:
            ones[id(graph)] = add_constant(model, graph, b"one", np.ones(1, np.float32))
        operator.opcodeIndex = product
        operator.inputs = np.array([operator.inputs[0], ones[id(graph)]], np.int32)
        operator.builtinOptionsType = schema.BuiltinOptions.MulOptions
        operator.builtinOptions = schema.MulOptionsT()
        operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU
    return pack(model)
