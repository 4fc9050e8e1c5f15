"""ReLUs that stand alone, written as multiplications by one, for int8.

A converter fuses a ReLU into the operator before it unless somebody else reads that one's result: a
residual around the ReLU, as in RefineNet, or with three modalities the mean of donors, which is
taken before it. XNNPACK has no int8 kernel for a ReLU by itself, and the graph would fall into
pieces around each. It has one for a product with a ReLU fused in, so x -> max(x, 0) becomes
x -> max(1 x, 0). (Not for a sum with zero: a constant zero has no scale.)

Needs a float model. Promises the same numbers.
"""

import numpy as np

from ..model import add_constant, builtin_of, operator_code


def multiply_bare_relus(model) -> None:
    """Rewrites every ReLU of a float `ModelT`."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    relus = [
        (graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
        if builtin_of(model, operator) == kinds.RELU
    ]
    if not relus:
        return
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
