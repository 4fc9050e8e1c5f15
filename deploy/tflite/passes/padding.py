"""Padding where XNNPACK does it for nothing, or for little.

A convolution takes the padding before it for its own, unless somebody else reads the padded map, too.
A convolution before an exchange is frozen into several that read the same map: each gets a padding of
its own, which never becomes a map.

Before a max-pool a map is copied into its padding pixel by pixel, and copying a pixel takes about as
long whether it has four channels or a hundred. In memory a row of (width, channels) is also one
pixel of width times channels:

    (h, w, c)  reshape  (h, 1, w c)  pad  (h + 2, 1, (w + 2) c)  reshape  (h + 2, w + 2, c)

The reshapes move nothing.

Needs a model of any number format. Promises the same numbers to the last bit.
"""

import copy

import numpy as np

from ..model import (
    add_constant,
    add_like,
    builtin_of,
    padding_of,
    readers_of,
    reshape,
)

MOST_BYTES = 160
"""Of a pixel; larger ones are copied as fast as whole rows."""


def cheapen_padding(model) -> None:
    """Gives each convolution of a `ModelT` its own padding, and others one around whole rows."""
    for graph in model.subgraphs:
        _rewrite(model, graph)


def _rewrite(model, graph) -> None:
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    convolutions = (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D)
    readers = readers_of(graph)
    operators = []
    for operator in graph.operators:
        made = [operator]
        if builtin_of(model, operator) == kinds.PAD and operator.outputs[0] not in graph.outputs:
            reading = readers.get(int(operator.outputs[0]), [])
            if all(builtin_of(model, reader) in convolutions for reader in reading):
                made += [
                    _own(graph, operator, reader, number)
                    for number, reader in enumerate(reading[1:], 2)
                ]
            elif _gains(model, graph, operator, schema):
                made = _around_rows(model, graph, operator)
        operators += made
    graph.operators = operators


def _own(graph, pad, reader, number: int):
    """A padding like `pad` for one of its readers alone, by its number."""
    result = graph.tensors[pad.outputs[0]]
    own = copy.copy(pad)
    index = add_like(graph, result, result.name + b"_%d" % number, tuple(result.shape))
    own.outputs = np.array([index], np.int32)
    reader.inputs = np.where(reader.inputs == pad.outputs[0], index, reader.inputs)
    return own


def _gains(model, graph, pad, schema) -> bool:
    image = graph.tensors[pad.inputs[0]]
    sizes = {schema.TensorType.INT8: 1, schema.TensorType.FLOAT32: 4}
    if image.type not in sizes or len(image.shape) != 4:
        return False
    batch, _, columns, channels = padding_of(model, graph, pad)
    return (
        image.shape[3] * sizes[image.type] <= MOST_BYTES
        and image.shape[2] > 1  # not around rows already
        and columns.any()
        and not batch.any()
        and not channels.any()
    )


def _around_rows(model, graph, pad) -> list:
    """The padding over whole rows, between two reshapes."""
    image, result = (graph.tensors[t] for t in (pad.inputs[0], pad.outputs[0]))
    _, rows, columns, _ = padding_of(model, graph, pad)
    channels = int(image.shape[3])
    sides = np.array([(0, 0), rows, (0, 0), columns * channels], np.int32)

    def in_rows(tensor) -> int:
        batch, height, width, _ = (int(n) for n in tensor.shape)
        shape = (batch, height, 1, width * channels)
        return add_like(graph, tensor, tensor.name + b"_rows", shape)

    before, after = in_rows(image), in_rows(result)
    operators = [
        reshape(model, graph, int(pad.inputs[0]), before),
        pad,
        reshape(model, graph, after, int(pad.outputs[0])),
    ]
    constant = add_constant(model, graph, result.name + b"_row_sides", sides)
    pad.inputs = np.array([before, constant], np.int32)
    pad.outputs = np.array([after], np.int32)
    return operators
