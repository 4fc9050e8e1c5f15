"""Making nodes: folding norms into convolutions and pushing per-channel operations through
views.
"""

import numpy as np

from .ir import (
    Conv,
    Depthwise,
    Input,
    InstanceNorm,
    Map,
    Merge,
    Node,
    Opaque,
    OpaqueCall,
    Operation,
    View,
    common_stream,
)


def out_size(size: int, kernel: int, stride: int, padding: str | int, dilation: int = 1) -> int:
    """Returns the length of a convolved axis; `padding` is "same", "valid" or zeros on each side."""
    if padding != "same":
        size += 2 * (0 if padding == "valid" else padding) - (kernel - 1) * dilation
    return -(-size // stride)


def enlarged_size(size: int, kernel: int, stride: int, padding: str) -> int:
    """Returns the length of an axis after a transposed convolution, as Keras defines it."""
    return size * stride + (max(kernel - stride, 0) if padding == "valid" else 0)


class PlainGraph:
    """All nodes of a network, in topological order."""

    def __init__(self):
        self.nodes: list[Node] = []
        self._maps: dict[tuple[int, Operation], Map] = {}

    def add(self, node: Node) -> Node:
        """Appends a node."""
        node.index = len(self.nodes)
        self.nodes.append(node)
        return node

    def input(self, name: str, stream: int | None, channels: int, size: tuple[int, int]) -> View:
        """An image of `channels` channels."""
        return View.of(self.add(Input(name=name, stream=stream, channels=channels, size=size)))

    def conv(
        self,
        view: View,
        kernel: np.ndarray,
        bias: np.ndarray,
        name: str,
        **geometry,
    ) -> View:
        """A convolution of a view.

        Factors move into the kernel; a channel that is read several times (a tiled depth image) is
        read once, with the sum of its kernel slices.
        """
        kernel = kernel.astype(np.float64) * view.factors[:, None]
        keys = {}
        for position, key in enumerate(zip(map(id, view.nodes), view.channels, strict=True)):
            keys.setdefault(key, []).append(position)
        first = np.array([positions[0] for positions in keys.values()])
        merged = np.stack(
            [kernel[:, :, positions].sum(axis=2) for positions in keys.values()], axis=2
        )
        stream = view.stream
        view = View(view.nodes[first], view.channels[first], np.ones(len(first)), stream)
        return View.of(
            self.add(
                Conv(
                    name=name,
                    stream=stream,
                    channels=kernel.shape[3],
                    size=self._size(view.size, kernel.shape, geometry),
                    view=view,
                    kernel=merged,
                    bias=bias.astype(np.float64),
                    **geometry,
                )
            )
        )

    def depthwise(
        self,
        view: View,
        kernel: np.ndarray,
        bias: np.ndarray,
        name: str,
        **geometry,
    ) -> View:
        """A depthwise convolution of a view; `kernel` is (kh, kw, C)."""
        return View.of(
            self.add(
                Depthwise(
                    name=name,
                    stream=view.stream,
                    channels=len(view),
                    size=self._size(view.size, kernel.shape, geometry),
                    view=View(view.nodes, view.channels, np.ones(len(view)), view.stream),
                    kernel=kernel.astype(np.float64) * view.factors,
                    bias=bias.astype(np.float64),
                    **geometry,
                )
            )
        )

    @staticmethod
    def _size(size, kernel_shape, geometry):
        strides, padding = geometry.get("strides", (1, 1)), geometry.get("padding", "same")
        if geometry.get("transposed"):
            return tuple(
                enlarged_size(size[axis], kernel_shape[axis], strides[axis], padding)
                for axis in (0, 1)
            )
        return tuple(
            out_size(
                size[axis],
                kernel_shape[axis],
                strides[axis],
                padding if isinstance(padding, str) else padding[axis],
                geometry.get("dilation", (1, 1))[axis],
            )
            for axis in (0, 1)
        )

    def instance_norm(
        self,
        view: View,
        gamma: np.ndarray,
        beta: np.ndarray,
        epsilon: float,
        name: str,
    ) -> View:
        """Normalises each channel of a view by its own statistics."""
        return View.of(
            self.add(
                InstanceNorm(
                    name=name,
                    stream=view.stream,
                    channels=len(view),
                    size=view.size,
                    view=self._without_factors(view),
                    gamma=gamma,
                    beta=beta,
                    epsilon=epsilon,
                )
            )
        )

    def _without_factors(self, view: View) -> View:
        """The view itself, or its channels multiplied with their factors for good."""
        if (view.factors == 1).all():
            return view
        first = view.nodes[0]
        return self.merge([view], f"{first.name}_scaled")

    def affine(
        self,
        view: View,
        scale: np.ndarray,
        bias: np.ndarray,
        name: str,
        largest: np.ndarray | None = None,
    ) -> View:
        """Computes scale * x + bias per channel: folded into the convolution that computes x, if there is one.

        The convolution without it stays in the graph; if nobody else reads it, it is dead and never
        emitted.
        """
        node = view.whole_node()
        if not isinstance(node, (Conv, Depthwise)):
            return self.depthwise(view, scale[None, None], bias, name)
        folded = {"kernel": node.kernel * scale, "bias": node.bias * scale + bias}
        folded["largest"] = largest
        return View.of(self.add(type(node)(**{**vars(node), **folded})))

    def map(self, view: View, operation: Operation, size: tuple[int, ...] | None = None) -> View:
        """Applies a per-channel operation: once to each node, whoever reads it."""
        if not operation.homogeneous:
            view = self._without_factors(view)
        mapped = np.empty(len(view), dtype=object)
        for node in view.distinct_nodes():
            key = (node.index, operation)
            if key not in self._maps:
                self._maps[key] = self.add(
                    Map(
                        name=f"{node.name}_{operation.kind.lower()}",
                        stream=node.stream,
                        channels=node.channels,
                        size=node.size if size is None else size,
                        source=node,
                        operation=operation,
                    )
                )
            mapped[[n is node for n in view.nodes]] = self._maps[key]
        return View(mapped, view.channels, view.factors, view.stream)

    def merge(self, views: list[View], name: str, kind: str = "Add") -> View:
        """Adds or multiplies views of one length channel by channel."""
        sizes = [view.size for view in views]
        node = Merge(
            name=name,
            stream=common_stream(views),
            channels=len(views[0]),
            size=max(sizes),
            views=views,
            kind=kind,
        )
        return View.of(self.add(node))

    def opaque(self, call: OpaqueCall, shapes: list[tuple]) -> list[View]:
        """A call that is emitted as it was.

        Args:
            call: with views in its arguments.
            shapes: of its outputs, the batch first and the channels last.
        """
        stream = common_stream(call.views)
        return [
            View.of(
                self.add(
                    Opaque(
                        name=call.name,
                        stream=stream,
                        channels=shape[-1],
                        size=tuple(shape[1:-1]),
                        call=call,
                        output=output,
                    )
                )
            )
            for output, shape in enumerate(shapes)
        ]
