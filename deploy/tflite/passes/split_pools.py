"""Max-pools with large windows, as one over rows and one over columns.

A maximum of maxima is the maximum: a 5x5 window is a 1x5 one and then a 5x1 one, ten values to look
at in place of twenty-five, and the result is the same to the last bit. Chained residual pooling has
four such pools on each level of the decoder.
"""

import copy

import numpy as np

from ..model import add_like, builtin_of

LEAST_WINDOW = 4
"""Up to 3x3, XNNPACK looks at all nine values in one go."""


def split_pools(model) -> None:
    """Makes two pools of each large square max-pool of stride 1 in a `ModelT`."""
    from ai_edge_litert import schema_py_generated as schema

    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            pools = builtin_of(model, operator) == schema.BuiltinOperator.MAX_POOL_2D
            if pools and _gains(operator, schema):
                operators.append(_rows_first(graph, operator))
            operators.append(operator)
        graph.operators = operators


def _gains(operator, schema) -> bool:
    options = operator.builtinOptions
    return (
        options.filterHeight >= LEAST_WINDOW
        and options.filterWidth >= LEAST_WINDOW
        and options.strideH == options.strideW == 1
        and options.padding == schema.Padding.SAME
    )


def _rows_first(graph, operator):
    """Leaves the columns to `operator`; returns the one over rows, to run before it."""
    result = graph.tensors[operator.outputs[0]]
    index = np.array([add_like(graph, result, result.name + b"_rows", result.shape)], np.int32)
    rows = copy.copy(operator)
    rows.builtinOptions = copy.copy(operator.builtinOptions)
    rows.builtinOptions.filterWidth = operator.builtinOptions.filterHeight = 1
    rows.outputs, operator.inputs = index, index
    return rows
