"""The first convolution of an int8 file over depth, with columns of the image packed into channels.

XNNPACK's int8 convolutions multiply eight channels at a time, or four (Arm's dot products). A depth
image has one, so that most of the products of the stem are with padding, on the largest map of all.
In memory a row of (width, channels) is also a row of (width / P, P channels): P columns side by side
make one pixel of P c channels, by a reshape that moves nothing. A convolution of stride s over these
gives the P / s columns of its result that fall on a packed pixel as so many times its filters, and a
second reshape lays them side by side again.

    (h, w, c)  reshape  (h, w/P, P c)  k' x k', P/s n filters  (h/s, w/P, P/s n)  reshape  (h/s, w/s, n)

The kernel holds the same codes among zeros, wide enough that "same" padding begins where the margin
of zeros in front of the old one did; that operator goes. Every sum has the same terms, so the
result is the same to the last bit. Three colours stay as they are: what they would gain of eight
lanes they would lose of four.
"""

import dataclasses

import numpy as np

from ..quantize.tflite_file import (
    add_buffer,
    add_constant,
    add_like,
    operator_code,
    pack,
    unpack,
    without_unread,
)
from .tflite_graph import builtin_of

LANES = (4, 8)
"""Channels that an int8 kernel of XNNPACK multiplies at once: Arm with dot products; x86 and Arm with
i8mm."""


@dataclasses.dataclass(frozen=True)
class Packing:
    """How a k x k convolution of stride s, with `margin` zeros on each side, is packed.

    Attributes:
        columns: P, columns of the image in one packed pixel.
        stride: s.
        margin: rows and columns of zeros in front of the image.
        rows: height of the packed kernel.
        reach: packed pixels on each side of the middle of the packed kernel.
    """

    columns: int
    stride: int
    margin: int
    rows: int
    reach: int

    @classmethod
    def of(cls, columns: int, kernel: int, stride: int, margin: int) -> "Packing":
        """Finds the smallest kernel that "same" padding puts in the right place."""
        last = (columns // stride - 1) * stride + kernel - 1 - margin
        reach = max(-(-margin // columns), last // columns)
        return cls(columns, stride, margin, 2 * margin + stride, reach)

    @property
    def outputs(self) -> int:
        """Columns of the result in one packed pixel."""
        return self.columns // self.stride

    def products(self, channels: int) -> list[int]:
        """Multiplications for one value of the result, those with padding included, by `LANES`."""
        return _products(self.rows * (2 * self.reach + 1), self.columns * channels)

    def kernel(self, kernel: np.ndarray) -> np.ndarray:
        """Packs (n, k, k, c) codes into (P/s n, rows, 2 reach + 1, P c)."""
        filters, height, width, channels = kernel.shape
        packed = np.zeros(
            (self.outputs, filters, self.rows, (2 * self.reach + 1) * self.columns, channels),
            kernel.dtype,
        )
        for output in range(self.outputs):
            start = self.reach * self.columns + output * self.stride - self.margin
            packed[output, :, :height, start : start + width] = kernel
        return packed.reshape(
            self.outputs * filters, self.rows, 2 * self.reach + 1, self.columns * channels
        )


def _products(taps: int, channels: int) -> list[int]:
    return [taps * -(-channels // lanes) * lanes for lanes in LANES]


def pack_stems(content: bytes) -> bytes:
    """Rewrites the first convolution of every input where that saves products.

    Args:
        content: a .tflite file.

    Returns:
        The file with these convolutions packed; one without any that gain comes back as it was.
    """
    model = unpack(content)
    changed = [_pack_graph(model, graph) for graph in model.subgraphs]
    return pack(without_unread(model)) if any(changed) else content


@dataclasses.dataclass
class _Stem:
    """A margin of zeros and the convolution that alone reads it."""

    pad: object
    conv: object
    packing: Packing


def _pack_graph(model, graph) -> bool:
    stems = _stems(model, graph)
    for stem in stems:
        before, after = _packed(model, graph, stem)
        place = graph.operators.index(stem.conv)
        graph.operators[place : place + 1] = [*before, stem.conv, *after]
        graph.operators.remove(stem.pad)
    return bool(stems)


def _stems(model, graph) -> list[_Stem]:
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator

    readers: dict[int, list] = {}
    for operator in graph.operators:
        for tensor in operator.inputs:
            readers.setdefault(int(tensor), []).append(operator)
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
    """The packing with the fewest products; None where some kernel would have as many as before."""
    image, padded = graph.tensors[pad.inputs[0]], graph.tensors[pad.outputs[0]]
    kernel, options = graph.tensors[conv.inputs[1]], conv.builtinOptions
    _, height, width, channels = image.shape
    _, rows, columns, _ = kernel.shape
    stride = options.strideH
    margins = np.asarray(model.buffers[graph.tensors[pad.inputs[1]].buffer].data).view(np.int32)
    margin = (rows - 1) // 2
    square = (
        rows == columns == 2 * margin + 1
        and len(conv.inputs) == 3
        and stride == options.strideW
        and options.dilationHFactor == options.dilationWFactor == 1
        and options.padding == schema.Padding.VALID
        and margins.tolist() == [0, 0, margin, margin, margin, margin, 0, 0]
    )
    same_numbers = (
        image.type == kernel.type == schema.TensorType.INT8
        and image.quantization.scale == padded.quantization.scale
        and image.quantization.zeroPoint == padded.quantization.zeroPoint
    )
    if not square or not same_numbers or height % stride:
        return None
    candidates = [
        Packing.of(packed, rows, stride, margin)
        for packed in range(stride, max(LANES) + 1, stride)
        if width % packed == 0
    ]
    best = min(candidates, key=lambda packing: packing.products(channels), default=None)
    now = _products(rows * columns, channels)
    if best is None or any(np.greater_equal(best.products(channels), now)):
        return None
    return best


def _packed(model, graph, stem: _Stem) -> tuple[list, list]:
    """Turns the convolution into the packed one; returns the reshapes before and after it."""
    from ai_edge_litert import schema_py_generated as schema

    packing, conv = stem.packing, stem.conv
    image = graph.tensors[stem.pad.inputs[0]]
    kernel, bias = (graph.tensors[index] for index in conv.inputs[1:3])
    result = graph.tensors[conv.outputs[0]]
    _, height, width, channels = (int(n) for n in image.shape)
    codes = np.asarray(model.buffers[kernel.buffer].data, np.uint8).view(np.int8)
    codes = packing.kernel(codes.reshape(kernel.shape))
    sums = np.tile(np.asarray(model.buffers[bias.buffer].data, np.uint8), packing.outputs)

    def packed(like, shape, buffer=0):
        return add_like(graph, like, like.name + b"_packed", shape, buffer)

    columns = packing.columns
    packed_image = packed(image, (1, height, width // columns, channels * columns))
    new_kernel = packed(kernel, codes.shape, add_buffer(model, codes))
    new_bias = packed(bias, codes.shape[:1], add_buffer(model, sums))
    for index in (new_kernel, new_bias):
        quantization = graph.tensors[index].quantization
        if len(quantization.scale) > 1:
            quantization.scale = np.tile(quantization.scale, packing.outputs)
            quantization.zeroPoint = np.tile(quantization.zeroPoint, packing.outputs)
    before = [_reshape(model, graph, int(stem.pad.inputs[0]), packed_image)]
    after = []
    if packing.outputs > 1:
        _, result_height, result_width, filters = (int(n) for n in result.shape)
        shape = (1, result_height, result_width // packing.outputs, filters * packing.outputs)
        packed_result = packed(result, shape)
        after = [_reshape(model, graph, packed_result, int(conv.outputs[0]))]
        conv.outputs = np.array([packed_result], np.int32)
    conv.inputs = np.array([packed_image, new_kernel, new_bias], np.int32)
    conv.builtinOptions.padding = schema.Padding.SAME
    conv.builtinOptions.strideW = 1
    return before, after


def _reshape(model, graph, source: int, target: int):
    """An operator that reads one tensor as the other."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = graph.tensors[target]
    wanted = np.asarray(tensor.shape, np.int32)
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.RESHAPE)
    shape = add_constant(model, graph, tensor.name + b"_shape", wanted)
    operator.inputs = np.array([source, shape], np.int32)
    operator.outputs = np.array([target], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = wanted
    return operator
