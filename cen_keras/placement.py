"""Where a network exchanges: the norms whose channels one convolution reads (officially after bn2 of a bottleneck).

By default a norm exchanges if its output, through a non-linearity and what else works on each channel by itself,
reaches exactly one Conv2D, DepthwiseConv2D or Dense:

    conv - norm1 - relu - conv - norm2 - relu - conv - norm3 - (+)      a bottleneck: norm2
    conv - norm1 - relu - conv - norm2 - (+)                            a basic block: norm1
    conv - norm1 - relu - depthwise - norm2 - relu - gate - conv - norm3      an inverted residual: norm2

Where one candidate leads to the next through a single convolution the last is taken, so that a network exchanges
once in each block. Never taken: norms of the stem, linear projections, and norms over a Concatenate, whose channels
are several layers'.
"""

import re
from collections.abc import Callable, Iterable

import keras

from cen_keras.errors import InputError
from cen_keras.graph import Call, Graph, Tensor
from cen_keras.layers.kinds import CONSUMERS, NORMS, is_activation, is_passed

Where = str | Iterable[str] | Callable[[str], bool]


def exchanging_norms(graph: Graph, where: Where | None = None) -> tuple[str, ...]:
    """Returns the names of a network's norms that exchange channels, in the order of the network.

    Args:
        graph: of the network.
        where: None for the default; a regular expression that is searched in the names of the norms, a collection of
            names, or a function of a name.

    Raises:
        InputError: no norm is selected, or a name is none of a norm.
    """
    norms = list(dict.fromkeys(call.name for call in graph.calls if call.is_a(*NORMS)))
    if where is None:
        selected, wanted = _default(graph), "by default"
    elif isinstance(where, str):
        try:
            selected, wanted = {name for name in norms if re.search(where, name)}, f"by {where!r}"
        except re.error as error:
            raise InputError(f"where: {where!r} is no regular expression ({error}).") from error
    elif callable(where):
        selected, wanted = {name for name in norms if where(name)}, f"by {where!r}"
    else:
        selected, wanted = set(where), f"by {tuple(where)!r}"
        unknown = sorted(selected - set(norms))
        if unknown:
            raise InputError(f"where: {unknown[0]!r} is no norm of the network; it has {norms}.")
    if not selected:
        raise InputError(
            f"no norm of the network is selected {wanted}, so nothing would be exchanged. It has {norms}; choose some "
            "with where=, a regular expression or a function of a name, or pass fusion=None."
        )
    return tuple(name for name in norms if name in selected)


def _default(graph: Graph) -> set[str]:
    """Returns the names of the norms that one convolution reads, the last of each chain."""
    consumer: dict[Call, Call] = {}
    for call in graph.calls:
        if call.is_a(*NORMS) and not _behind_concatenate(call) and not _of_stem(call):
            reader = _only_consumer(call.outputs[0], set(graph.flat_outputs))
            if reader is not None:
                consumer[call] = reader
    chained = {call for call, reader in consumer.items() if _next_norm(reader) in consumer}
    # A layer that is called more than once is taken if every call qualifies.
    taken = {call.name for call in consumer if call not in chained}
    return taken - {c.name for c in graph.calls if c.is_a(*NORMS) and c not in consumer}


def _only_consumer(tensor: Tensor, outputs: set[Tensor]) -> Call | None:
    """Follows a tensor to the one convolution that reads it behind a non-linearity; None if there is another reader."""
    activated = False
    while tensor not in outputs:
        if len(tensor.readers) > 1:
            gate = _gate(tensor)
            if gate is None:
                return None
            activated, tensor = True, gate.outputs[0]
            continue
        if not tensor.readers:
            return None
        (reader,) = tensor.readers
        if reader.is_a(*CONSUMERS):
            return reader if activated else None
        if not is_passed(reader.operation):
            return None
        activated = activated or is_activation(reader.operation)
        tensor = reader.outputs[0]
    return None


def _gate(tensor: Tensor) -> Call | None:
    """Returns the Multiply in which a tensor and all that is computed from it meet (squeeze-and-excitation, swish)."""
    ends = [reader for reader in tensor.readers if _multiplies(reader)]
    if len(ends) != 1:
        return None
    (end,) = ends
    reached, pending = set(), [call for call in tensor.readers if call is not end]
    while pending:
        call = pending.pop()
        if call in reached:
            continue
        reached.add(call)
        onward = [reader for made in call.outputs for reader in made.readers]
        if not onward:
            return None  # It leaves the network.
        pending += [reader for reader in onward if reader is not end]
    inside = {tensor, *(made for call in reached for made in call.outputs)}
    closed = all(source in inside for call in (*reached, end) for source in call.inputs)
    return end if closed else None


def _multiplies(call: Call) -> bool:
    layer = call.is_a(keras.layers.Multiply)
    return len(call.inputs) == 2 and (layer or type(call.operation).__name__ == "Multiply")


def _next_norm(filters: Call) -> Call | None:
    """Returns the norm that a convolution's output goes into and into nothing else."""
    (tensor,) = filters.outputs
    if len(tensor.readers) == 1 and tensor.readers[0].is_a(*NORMS):
        return tensor.readers[0]
    return None


def _behind_concatenate(norm: Call) -> bool:
    producer = norm.inputs[0].producer
    return producer is not None and producer.is_a(keras.layers.Concatenate)


def _of_stem(norm: Call) -> bool:
    """Whether at most one layer with filters lies between the image and a norm."""
    pending, seen = [(norm.inputs[0], 0)], set()
    while pending:
        tensor, filters = pending.pop()
        producer = tensor.producer
        if producer is None:
            return True
        if producer in seen:
            continue
        seen.add(producer)
        filters += producer.is_a(*CONSUMERS) or _has_kernel(producer.operation)
        if filters <= 1:
            pending += [(source, filters) for source in producer.inputs]
    return False


def _has_kernel(operation) -> bool:
    return getattr(operation, "kernel", None) is not None
