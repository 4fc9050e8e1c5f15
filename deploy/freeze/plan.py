"""Which channels are needed, and which of them travel together.

Walking back from the outputs marks every channel that somebody reads; the rest is never computed.
The channels of a node that have the same readers form a group and become one tensor: of a
convolution before an exchange these are the channels only its own stream reads, and those that both
streams read.
"""

import dataclasses

import numpy as np

from .builder import PlainGraph
from .ir import Conv, Depthwise, Map, Node, Opaque, View


@dataclasses.dataclass(frozen=True)
class Group:
    """Channels of one node that become one tensor.

    Attributes:
        node: the node.
        channels: which of its channels, ascending.
        users: indices of the streams that read them in the end.
        whole: whether it holds all of the node's channels, whoever reads them: of an opaque layer.
    """

    node: Node
    channels: tuple[int, ...]
    users: frozenset[int]
    whole: bool = False

    @property
    def role(self) -> str:
        """Who reads it: "own" stream only, "shared" by several, "given" to others only."""
        if len(self.users) > 1:
            return "shared"
        return "own" if self.users <= {self.node.stream} else "given"

    @property
    def order(self) -> tuple:
        """Sorts what a convolution reads alike for every modality: its own channels, then the
        shared by giver.
        """
        stream = -1 if self.node.stream is None else self.node.stream
        return (self.node.name, self.role != "own", stream, self.channels)


def _user(stream: int | None) -> set[int]:
    return set() if stream is None else {stream}


class Plan:
    """The groups of every node that is needed for `outputs`.

    Args:
        graph: the network.
        outputs: name -> (view, index of its stream or None) to compute.
    """

    def __init__(self, graph: PlainGraph, outputs: dict[str, tuple[View, int | None]]):
        readers: dict[Node, dict[int, set]] = {node: {} for node in graph.nodes}
        users: dict[Node, dict[int, set]] = {node: {} for node in graph.nodes}

        def read(node, channel, token, streams):
            readers[node].setdefault(channel, set()).add(token)
            users[node].setdefault(channel, set()).update(streams)

        for name, (view, stream) in outputs.items():
            for node, channel in zip(view.nodes, view.channels, strict=True):
                read(node, int(channel), name, _user(stream))
        self.groups: dict[Node, list[Group]] = {}
        self._group_of: dict[tuple[Node, int], tuple[Group, int]] = {}
        for node in reversed(graph.nodes):
            if not readers[node]:
                continue
            self.groups[node] = self._partition(node, readers[node], users[node])
            if isinstance(node, (Conv, Opaque)):
                for view in [node.view] if isinstance(node, Conv) else node.call.views:
                    for source, channel in zip(view.nodes, view.channels, strict=True):
                        read(source, int(channel), node.index, _user(node.stream))
            else:
                for number, group in enumerate(self.groups[node]):
                    for channel in group.channels:
                        for source, source_channel in node.reads(channel):
                            read(source, source_channel, (node.index, number), group.users)
        # What a per-channel operation reads may have more readers, so be in more pieces; it then
        # works piece by piece.
        for node in graph.nodes:
            if node not in self.groups:
                continue
            if isinstance(node, Map):
                self.groups[node] = self._as_source(node)
            for group in self.groups[node]:
                for position, channel in enumerate(group.channels):
                    self._group_of[node, channel] = (group, position)
        self.nodes = [node for node in graph.nodes if node in self.groups]

    @staticmethod
    def _partition(node, readers, users):
        if isinstance(node, Opaque):
            every = frozenset().union(*users.values())
            return [Group(node, tuple(range(node.channels)), every, whole=True)]
        classes: dict[frozenset, list[int]] = {}
        for channel in sorted(readers):
            classes.setdefault(frozenset(readers[channel]), []).append(channel)
        return [
            Group(node, tuple(channels), frozenset().union(*(users[c] for c in channels)))
            for channels in classes.values()
        ]

    def _as_source(self, node):
        live = {channel for group in self.groups[node] for channel in group.channels}
        users = {c: group.users for group in self.groups[node] for c in group.channels}
        pieces = []
        for group in self.groups[node.source]:
            read = [c for c in group.channels if c in live]
            if read:
                channels = group.channels if group.whole else tuple(read)
                joined = frozenset().union(*(users[c] for c in read))
                pieces.append(Group(node, channels, joined, group.whole))
        return pieces

    def locate(self, node: Node, channel: int) -> tuple[Group, int]:
        """Returns the group of a channel and its position in it."""
        return self._group_of[node, int(channel)]

    def groups_read(self, view: View) -> list[Group]:
        """Returns the groups that a view reads from, in canonical order."""
        found = {self.locate(n, c)[0] for n, c in zip(view.nodes, view.channels, strict=True)}
        return sorted(found, key=lambda group: group.order)

    def positions(self, view: View, groups: list[Group]) -> np.ndarray:
        """Returns where each channel of `view` lies in the concatenation of `groups`."""
        starts = dict(
            zip(groups, np.cumsum([0] + [len(g.channels) for g in groups[:-1]]), strict=True)
        )
        located = (self.locate(n, c) for n, c in zip(view.nodes, view.channels, strict=True))
        return np.array([starts[group] + position for group, position in located])

    def convolutions(self) -> list[Conv | Depthwise]:
        """Returns the needed nodes that multiply."""
        return [node for node in self.nodes if isinstance(node, (Conv, Depthwise))]

    def live_channels(self, node: Node) -> int:
        """Returns how many channels of a node are computed."""
        return sum(len(group.channels) for group in self.groups.get(node, ()))
