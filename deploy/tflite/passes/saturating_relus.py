"""ReLUs behind int8 sums and products that saturation does anyway.

The range of what a ReLU gives begins at zero, so its smallest code, -128, stands for zero, and
whatever is less saturates there with the ReLU or without it. XNNPACK does a convolution's ReLU on
the way, but a sum's or a product's in a pass of its own over the whole map; the residual sums of a
network are its largest maps.

Needs an int8 model. Promises the same numbers to the last bit.
"""

from ..model import builtin_of

LEAST_CODE = -128


def drop_saturating_relus(model) -> None:
    """Takes the fused ReLUs off int8 sums and products of a `ModelT` whose codes begin at zero."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = (schema.BuiltinOperator.ADD, schema.BuiltinOperator.MUL)
    none, relu = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU
    for graph in model.subgraphs:
        for operator in graph.operators:
            result = graph.tensors[operator.outputs[0]]
            if (
                builtin_of(model, operator) in kinds
                and operator.builtinOptions.fusedActivationFunction == relu
                and result.type == schema.TensorType.INT8
                and list(result.quantization.zeroPoint) == [LEAST_CODE]
            ):
                operator.builtinOptions.fusedActivationFunction = none
