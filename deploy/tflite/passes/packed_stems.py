"""Convolutions of an int8 file over few channels, as its first, with columns packed into channels.

XNNPACK's int8 convolutions multiply eight channels at a time, or four (Arm's dot products). A depth
image has one and a colour image three, so that most of the products of the stem are with padding, on
the largest map of all. In memory a row of (width, channels) is also a row of (width / P, P channels):
P columns side by side make one pixel of P c channels, by a reshape that moves nothing. A convolution
of stride s over these gives the P / s columns of its result that fall on a packed pixel as so many
times its filters, and a second reshape lays them side by side again.

    (h, w, c)  reshape  (h, w/P, P c)  pad, convolve  (h/s, w/P, P/s n)  reshape  (h/s, w/s, n)

The kernels hold the same codes among zeros, and every sum has the same terms.

Needs int8 convolutions, each behind a padding of its own. Promises the same numbers to the last bit.
"""

import dataclasses

import numpy as np

from ..model import (
    add_buffer,
    add_constant,
    add_like,
    builtin_of,
    padding_of,
    readers_of,
    reshape,
)

LANES = (4, 8)
"""Channels that an int8 kernel of XNNPACK multiplies at once: Arm with dot products; x86 and Arm with
i8mm."""
_ADDRESS = 2
"""Reading the addresses of one tap's pixels takes about as long as so many of its products: the
kernels for Arm spend some twenty instructions on the one and thirty-four on four of the other."""


@dataclasses.dataclass(frozen=True)
class Packing:
    """How a k x k convolution of stride s, with `padding` zeros on each side, is packed.

    Attributes:
        columns: P, columns of the image in one packed pixel.
        kernel: k.
        stride: s.
        padding: rows and columns of zeros around the image.
    """

    columns: int
    kernel: int
    stride: int
    padding: int

    @property
    def outputs(self) -> int:
        """Columns of the result in one packed pixel."""
        return self.columns // self.stride

    @property
    def left(self) -> int:
        """Packed pixels of zeros in front of a row."""
        return -(-self.padding // self.columns)

    @property
    def taps(self) -> int:
        """Width of the packed kernel."""
        return (self._start(self.outputs - 1) + self.kernel - 1) // self.columns + 1

    @property
    def sides(self) -> np.ndarray:
        """Zeros around the packed image, as PAD takes them."""
        right = self.taps - 1 - self.left
        rows = (self.padding, self.padding)
        return np.array([(0, 0), rows, (self.left, right), (0, 0)], np.int32)

    def _start(self, output: int) -> int:
        """The first column that one of the results of a packed pixel reads, from the left edge."""
        return self.left * self.columns - self.padding + output * self.stride

    def cost(self, channels: int) -> list[int]:
        """What one value of the result takes, in products with padding included, by `LANES`."""
        return _cost(self.kernel * self.taps, self.columns * channels)

    def kernels(self, kernel: np.ndarray) -> np.ndarray:
        """Packs (n, k, k, c) codes into (P/s n, k, taps, P c)."""
        filters, height, width, channels = kernel.shape
        shape = (self.outputs, filters, height, self.taps * self.columns, channels)
        wide = np.zeros(shape, kernel.dtype)
        for output in range(self.outputs):
            start = self._start(output)
            wide[output, :, :, start : start + width] = kernel
        return wide.reshape(self.outputs * filters, height, self.taps, self.columns * channels)


def _cost(taps: int, channels: int) -> list[int]:
    return [taps * (-(-channels // lanes) * lanes + _ADDRESS) for lanes in LANES]


def pack_stems(model) -> None:
    """Packs every convolution of a `ModelT` behind a padding where that saves time by `Packing.cost`."""
    for graph in model.subgraphs:
        _pack_graph(model, graph)


@dataclasses.dataclass
class _Stem:
    """A padding and the convolution that alone reads it."""

    pad: object
    conv: object
    packing: Packing


def _pack_graph(model, graph) -> None:
    for stem in _stems(model, graph):
        before, after = _packed(model, graph, stem)
        graph.operators.remove(stem.pad)
        place = graph.operators.index(stem.conv)
        graph.operators[place : place + 1] = [*before, stem.pad, stem.conv, *after]


def _stems(model, graph) -> list[_Stem]:
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator

    readers = readers_of(graph)
    found = []
    for pad in graph.operators:
        padded = int(pad.outputs[0])
        if (
            builtin_of(model, pad) != kinds.PAD
            or padded in graph.outputs
            or len(readers[padded]) != 1
        ):
            continue
        conv = readers[padded][0]
        if builtin_of(model, conv) == kinds.CONV_2D and int(conv.inputs[0]) == padded:
            packing = _best(model, graph, pad, conv, schema)
            if packing is not None:
                found.append(_Stem(pad, conv, packing))
    return found


def _best(model, graph, pad, conv, schema) -> Packing | None:
    """The cheapest packing of those that gain with every number of lanes, or None."""
    image, padded = graph.tensors[pad.inputs[0]], graph.tensors[pad.outputs[0]]
    kernel, options = graph.tensors[conv.inputs[1]], conv.builtinOptions
    _, height, width, channels = image.shape
    _, rows, columns, _ = kernel.shape
    stride = options.strideH
    sides = padding_of(model, graph, pad)
    padding = (rows - 1) // 2
    square = (
        rows == columns == 2 * padding + 1
        and kernel.shape[3] == channels  # not in groups
        and len(conv.inputs) == 3
        and stride == options.strideW
        and options.dilationHFactor == options.dilationWFactor == 1
        and options.padding == schema.Padding.VALID
        and sides.tolist() == [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    )
    same_numbers = (
        image.type == kernel.type == schema.TensorType.INT8
        and image.quantization.scale == padded.quantization.scale
        and image.quantization.zeroPoint == padded.quantization.zeroPoint
    )
    if not square or not same_numbers or height % stride:
        return None
    candidates = [
        Packing(together, rows, stride, padding)
        for together in range(stride, max(LANES) + 1, stride)
        if width % together == 0
    ]
    now = np.array(_cost(rows * columns, channels))
    gains = [p for p in candidates if np.all(np.less(p.cost(channels), now))]
    return min(gains, key=lambda packing: np.sum(packing.cost(channels) / now), default=None)


def _packed(model, graph, stem: _Stem) -> tuple[list, list]:
    """Turns padding and convolution into packed ones; returns the reshapes before and after them."""
    packing, pad, conv = stem.packing, stem.pad, stem.conv
    unpacked = int(pad.inputs[0])
    image, padded = graph.tensors[unpacked], graph.tensors[pad.outputs[0]]
    kernel, bias = (graph.tensors[index] for index in conv.inputs[1:3])
    result = graph.tensors[conv.outputs[0]]
    _, height, width, channels = (int(n) for n in image.shape)
    codes = np.asarray(model.buffers[kernel.buffer].data, np.uint8).view(np.int8)
    codes = packing.kernels(codes.reshape(kernel.shape))
    sums = np.tile(np.asarray(model.buffers[bias.buffer].data, np.uint8), packing.outputs)

    def packed(like, shape, buffer=0):
        return add_like(graph, like, like.name + b"_packed", tuple(shape), buffer)

    shape = np.array((1, height, width // packing.columns, channels * packing.columns))
    packed_image = packed(image, shape)
    packed_padding = packed(padded, shape + packing.sides.sum(1))
    new_kernel = packed(kernel, codes.shape, add_buffer(model, codes))
    new_bias = packed(bias, codes.shape[:1], add_buffer(model, sums))
    for index in (new_kernel, new_bias):
        quantization = graph.tensors[index].quantization
        if len(quantization.scale) > 1:
            quantization.scale = np.tile(quantization.scale, packing.outputs)
            quantization.zeroPoint = np.tile(quantization.zeroPoint, packing.outputs)
    sides = add_constant(model, graph, padded.name + b"_sides", packing.sides)
    pad.inputs = np.array([packed_image, sides], np.int32)
    pad.outputs = np.array([packed_padding], np.int32)
    before = [reshape(model, graph, unpacked, packed_image)]
    after = []
    if packing.outputs > 1:
        _, result_height, result_width, filters = (int(n) for n in result.shape)
        outputs = packing.outputs
        packed_result = packed(
            result, (1, result_height, result_width // outputs, filters * outputs)
        )
        after = [reshape(model, graph, packed_result, int(conv.outputs[0]))]
        conv.outputs = np.array([packed_result], np.int32)
    conv.inputs = np.array([packed_padding, new_kernel, new_bias], np.int32)
    conv.builtinOptions.strideW = 1
    return before, after
