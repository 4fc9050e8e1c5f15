"""Channels in front of a depthwise convolution brought to one range, so that 8 bits serve all of them.

Activations have one scale for all channels of a map. A channel whose values are a hundredth of the largest channel's
keeps one or two codes, and norms after training differ by as much, above all where penalty and exchange moved them.
ReLU passes positive factors on, so a channel may be divided by its range and the filter that reads it multiplied with
it (Nagel et al., ICCV 2019, who take the ranges of weights). A depthwise filter has a scale for each channel, so this
costs its codes nothing; in front of other convolutions it would. Here the range is what the norm says, beta +
3 |gamma|, one for all modalities, which keep sharing the filters behind.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from .builder import PlainGraph
from .ir import Conv, Depthwise, Input, Map, Merge, Node, Opaque, View

LIMIT = 64.0
"""Most that a channel is multiplied by, relative to the layer's largest."""


def equalise(graph: PlainGraph, outputs: Iterable[View]) -> None:
    """Divides the channels of normalised convolutions by their ranges, where depthwise ones alone read them.

    Args:
        graph: changed in place; factors are powers of 2, so it computes the very same.
        outputs: what is read of it.
    """
    readers: dict[int, list[Node | None]] = {}
    for node in graph.nodes:
        for source in _sources(node):
            readers.setdefault(id(source), []).append(node)
    for view in outputs:
        for source in view.distinct_nodes():
            readers.setdefault(id(source), []).append(None)
    layers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node, (Conv, Depthwise)) and node.largest is not None:
            layers.setdefault(node.name, []).append(node)
    for nodes in layers.values():
        reading = [list(_filters(node, readers)) for node in nodes]
        largest = np.max([node.largest for node in nodes], axis=0)
        if all(found and None not in found for found in reading) and largest.max() > 0:
            factors = 2.0 ** np.round(np.log2(np.maximum(largest, largest.max() / LIMIT)))
            for node, found in zip(nodes, reading, strict=True):
                _divide(node, found, factors)


def _divide(node: Node, found: list[tuple[Depthwise, Node]], factors: np.ndarray) -> None:
    node.kernel = node.kernel / factors
    node.bias = node.bias / factors
    for reader, source in found:
        read = np.array([other is source for other in reader.view.nodes])
        reader.kernel = reader.kernel * np.where(
            read, factors[np.where(read, reader.view.channels, 0)], 1.0
        )


def _sources(node: Node) -> list[Node]:
    """The nodes that a node reads."""
    if isinstance(node, Input):
        return []
    if isinstance(node, Map):
        return [node.source]
    if isinstance(node, Opaque):
        views = node.call.views
    else:
        views = node.views if isinstance(node, Merge) else [node.view]
    return [source for view in views for source in view.distinct_nodes()]


def _filters(node: Node, readers: dict) -> Iterator[tuple[Depthwise, Node] | None]:
    """Yields (depthwise convolution, what it reads) through all that passes factors on; None for other readers."""
    for reader in readers.get(id(node), []):
        if isinstance(reader, Depthwise):
            yield reader, node
        elif isinstance(reader, Map) and reader.operation.homogeneous:
            yield from _filters(reader, readers)
        else:
            yield None
