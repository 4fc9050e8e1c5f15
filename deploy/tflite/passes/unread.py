"""Tensors that no operator reads or makes any more go, and so do their constants.

Needs any model. Promises the same numbers.
"""

import numpy as np


def drop_unread(model) -> None:
    """Renumbers the tensors and buffers of a `ModelT` without those that are of no use."""
    used = [0]  # the first buffer is the empty one
    used += [entry.buffer for entry in model.metadata or ()]
    for number, graph in enumerate(model.subgraphs):
        kept = {int(index) for index in (*graph.inputs, *graph.outputs)}
        for operator in graph.operators:
            kept.update(int(index) for index in (*operator.inputs, *operator.outputs))
        order = sorted(kept - {-1})
        tensors = {old: new for new, old in enumerate(order)} | {-1: -1}  # -1 stands for none
        graph.tensors = [graph.tensors[index] for index in order]
        graph.inputs, graph.outputs = (
            _renamed(graph.inputs, tensors),
            _renamed(graph.outputs, tensors),
        )
        for operator in graph.operators:
            operator.inputs = _renamed(operator.inputs, tensors)
            operator.outputs = _renamed(operator.outputs, tensors)
        for signature in model.signatureDefs or ():
            if signature.subgraphIndex == number:
                for entry in (*signature.inputs, *signature.outputs):
                    entry.tensorIndex = tensors[entry.tensorIndex]
        used += [tensor.buffer for tensor in graph.tensors]
    order = sorted(set(used))
    buffers = {old: new for new, old in enumerate(order)}
    model.buffers = [model.buffers[index] for index in order]
    for entry in model.metadata or ():
        entry.buffer = buffers[entry.buffer]
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = buffers[tensor.buffer]


def _renamed(indices, names: dict[int, int]) -> np.ndarray:
    return np.array([names[int(index)] for index in indices], np.int32)
