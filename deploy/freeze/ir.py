"""Nodes and views: a network in which every single channel knows where it comes from.

A node computes channels. A view is a list of channels picked from nodes, each with a factor; it is
what a layer reads. Exchanging, concatenating, tiling and dropping channels only make new views, so
they cost nothing.
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np


@dataclasses.dataclass(eq=False)
class View:
    """Channels picked from nodes.

    Attributes:
        nodes: (C,) object array, the node that computes each channel.
        channels: (C,) ints, the channel of that node.
        factors: (C,) positive float64, what the channel is multiplied with.
        stream: index of the modality that reads it, None for all of them together.
    """

    nodes: np.ndarray
    channels: np.ndarray
    factors: np.ndarray
    stream: int | None = None

    @classmethod
    def of(cls, node: "Node") -> "View":
        """All channels of one node, in order."""
        nodes = np.empty(node.channels, dtype=object)
        nodes[:] = node
        return cls(nodes, np.arange(node.channels), np.ones(node.channels), node.stream)

    @classmethod
    def concat(cls, views: Sequence["View"]) -> "View":
        """Channels of several views, one after the other."""
        return cls(
            np.concatenate([view.nodes for view in views]),
            np.concatenate([view.channels for view in views]),
            np.concatenate([view.factors for view in views]),
            common_stream(views),
        )

    @classmethod
    def select(cls, keep: np.ndarray, own: "View", other: "View") -> "View":
        """`own` where `keep` is true, `other` elsewhere; no computation is involved."""
        return cls(
            np.where(keep, own.nodes, other.nodes),
            np.where(keep, own.channels, other.channels),
            np.where(keep, own.factors, other.factors),
            own.stream,
        )

    def pick(self, index: np.ndarray) -> "View":
        """The channels at `index`."""
        return View(self.nodes[index], self.channels[index], self.factors[index], self.stream)

    def scaled(self, factor: float | np.ndarray) -> "View":
        """The same channels, multiplied by positive factors."""
        return View(self.nodes, self.channels, self.factors * factor, self.stream)

    def __len__(self) -> int:
        return len(self.channels)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width; other than two numbers where an opaque layer gave a tensor of another rank."""
        return self.nodes[0].size

    def whole_node(self) -> "Node | None":
        """The node of which this view is all channels in order with factor 1, or None."""
        node = self.nodes[0]
        same = len(self) == node.channels and all(n is node for n in self.nodes)
        if same and (self.channels == np.arange(len(self))).all() and (self.factors == 1).all():
            return node
        return None

    def distinct_nodes(self) -> list["Node"]:
        """The nodes read, each once, in the order they were made."""
        return sorted({id(n): n for n in self.nodes}.values(), key=lambda node: node.index)


def common_stream(views: Sequence[View]) -> int | None:
    """Returns the stream of all views, None where they differ."""
    streams = {view.stream for view in views}
    return streams.pop() if len(streams) == 1 else None


@dataclasses.dataclass(eq=False, kw_only=True)
class Node:
    """Something that computes channels at one size.

    Attributes:
        name: of the layer it comes from, without the modality.
        stream: index of the modality it works for, or None for all of them together.
        channels: how many channels it can compute.
        size: (height, width); of an opaque layer whatever lies between batch and channels.
        index: position in the order of creation, which is a topological order.
    """

    name: str
    stream: int | None
    channels: int
    size: tuple[int, ...]
    index: int = -1

    def reads(self, channel: int) -> list[tuple["Node", int]]:
        """The (node, channel) pairs that one output channel is computed from."""
        return []


@dataclasses.dataclass(eq=False, kw_only=True)
class Input(Node):
    """An image of one modality."""


@dataclasses.dataclass(eq=False, kw_only=True)
class Conv(Node):
    """A convolution with bias; every output channel reads the whole view.

    Attributes:
        view: its input.
        kernel: (kh, kw, C_in, C_out) float64.
        bias: (C_out,) float64.
        strides: (rows, columns).
        padding: "same", "valid", or the rows and columns of zeros on each side.
        dilation: (rows, columns).
        transposed: whether it enlarges by its strides instead; `padding` is then a word and
            `dilation` 1.
        largest: (C_out,) what its channels come to by the norm that is folded in; None without one.
    """

    view: View
    kernel: np.ndarray
    bias: np.ndarray
    strides: tuple[int, int] = (1, 1)
    padding: str | tuple[int, int] = "same"
    dilation: tuple[int, int] = (1, 1)
    transposed: bool = False
    largest: np.ndarray | None = None

    @property
    def macs_per_channel(self) -> int:
        """Multiply-adds of one output channel."""
        # A transposed one multiplies the whole kernel with every pixel of its input.
        pixels = self.view.size if self.transposed else self.size
        return int(np.prod(pixels)) * int(np.prod(self.kernel.shape[:3]))


@dataclasses.dataclass(eq=False, kw_only=True)
class Depthwise(Node):
    """A depthwise convolution with bias; channel c reads channel c of its view.

    Attributes:
        view: its input, C channels.
        kernel: (kh, kw, C) float64.
        bias: (C,) float64.
        strides, padding, dilation, largest: as for Conv.
    """

    view: View
    kernel: np.ndarray
    bias: np.ndarray
    strides: tuple[int, int] = (1, 1)
    padding: str | tuple[int, int] = "same"
    dilation: tuple[int, int] = (1, 1)
    largest: np.ndarray | None = None

    def reads(self, channel):
        """The (node, channel) pairs that one output channel is computed from."""
        return [(self.view.nodes[channel], int(self.view.channels[channel]))]

    @property
    def macs_per_channel(self) -> int:
        """Multiply-adds of one output channel."""
        return int(np.prod(self.size)) * int(np.prod(self.kernel.shape[:2]))


@dataclasses.dataclass(eq=False, kw_only=True)
class InstanceNorm(Node):
    """Each channel less its mean over the image, by its deviation, times gamma plus beta.

    Its statistics are of the image, so it folds into nothing.

    Attributes:
        view: its input, C channels with factor 1.
        gamma: (C,) float32.
        beta: (C,) float32.
        epsilon: added to the variance.
    """

    view: View
    gamma: np.ndarray
    beta: np.ndarray
    epsilon: float

    def reads(self, channel):
        """The (node, channel) pairs that one output channel is computed from."""
        return [(self.view.nodes[channel], int(self.view.channels[channel]))]


@dataclasses.dataclass(frozen=True)
class Operation:
    """A per-channel operation without weights: ReLU, pooling, padding, resizing.

    Attributes:
        kind: name of the Keras layer it becomes.
        options: that layer's arguments, sorted.
        homogeneous: whether f(a x) = a f(x) for a > 0, so that factors may pass through.
    """

    kind: str
    options: tuple[tuple[str, object], ...] = ()
    homogeneous: bool = True


@dataclasses.dataclass(eq=False, kw_only=True)
class Map(Node):
    """An Operation on every channel of one node."""

    source: Node
    operation: Operation

    def reads(self, channel):
        """The (node, channel) pairs that one output channel is computed from."""
        return [(self.source, channel)]


@dataclasses.dataclass(eq=False, kw_only=True)
class Merge(Node):
    """Views added or multiplied channel by channel.

    Attributes:
        views: of one length; of a product one may be 1x1.
        kind: name of the Keras layer it becomes: "Add" or "Multiply".
    """

    views: list[View]
    kind: str = "Add"

    def reads(self, channel):
        """The (node, channel) pairs that one output channel is computed from."""
        return [(v.nodes[channel], int(v.channels[channel])) for v in self.views]


@dataclasses.dataclass(eq=False, kw_only=True)
class Opaque(Node):
    """One output of a layer without a rule, called as it was on whole streams; every channel reads all of them.

    Attributes:
        call: the call, which its outputs have in common.
        output: number of the output.
    """

    call: "OpaqueCall"
    output: int


@dataclasses.dataclass(eq=False)
class OpaqueCall:
    """A call that is emitted as it was.

    Attributes:
        operation: the trained layer or operation.
        arguments: (args, kwargs) with views in the place of tensors.
        name: of the layer.
    """

    operation: object
    arguments: tuple[tuple, dict]
    name: str

    @property
    def views(self) -> list[View]:
        """The views among the arguments."""
        return [leaf for leaf in keras.tree.flatten(self.arguments) if isinstance(leaf, View)]
