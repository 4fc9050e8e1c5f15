"""From the engine's numbers to a class for every pixel, or to an image."""

from __future__ import annotations

import functools
from typing import Iterable

import numpy as np

from .tensors import Quantization, TensorSpec


def dequantize(codes: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Real values of an output as float32; classes pass through."""
    return codes if spec.content == "classes" else real_values(codes, spec.quantization)


def real_values(codes: np.ndarray, quantization: Quantization | None) -> np.ndarray:
    """Gives scale * (code - zero_point) as float32; without quantisation the values themselves."""
    if quantization is None:
        return np.asarray(codes, np.float32)
    shifted = codes.astype(np.float32) - np.float32(quantization.zero_point)
    return shifted * np.float32(quantization.scale)


def image_values(image: np.ndarray) -> np.ndarray:
    """An output image on the scale of 8-bit pictures: float32, -1..1 to 0..255, not rounded."""
    values = (np.asarray(image, np.float32) + np.float32(1)) * np.float32(127.5)
    return np.clip(values, 0, 255, out=values)


def class_map(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """The class of every pixel: logits enlarged bilinearly, then the index of the largest.

    Interpolation is between pixel centres (half-pixel), as the training loss does it. Where the
    four logits around a pixel agree on the largest class, every mean of them does, too: enlarging
    by a whole factor, only the others - the borders between classes - are interpolated at all.

    Args:
        logits: (h, w, classes), at most 255 classes: float32, or the codes of an integer output,
            whose order is theirs. int32 with one channel are the classes themselves, each of which
            is repeated where the map is larger.
        height: of the wanted map.
        width: of the wanted map.

    Returns:
        uint8 (height, width); the first of equally large classes.
    """
    rows, columns, count = logits.shape
    if count == 1 and logits.dtype == np.int32:
        picked = np.arange(height) * rows // height, np.arange(width) * columns // width
        return logits[:, :, 0].astype(np.uint8)[np.ix_(*picked)]
    if (rows, columns) == (height, width):
        return logits.argmax(axis=-1).astype(np.uint8)
    factor = height // rows
    if factor > 1 and (height, width) == (factor * rows, factor * columns):
        return _enlarged_classes(logits, factor)
    planes = np.ascontiguousarray(np.transpose(logits, (2, 0, 1)), np.float32)
    tall = np.matmul(interpolation_matrix(rows, height), planes)
    matrix = interpolation_matrix(columns, width).T
    return _largest(np.matmul(plane, matrix) for plane in tall)


def _largest(planes: Iterable[np.ndarray]) -> np.ndarray:
    """The index of the largest of equally shaped planes, the first of equals, as uint8.

    One plane at a time is held against the best so far: several times faster than numpy's argmax
    over the last axis.
    """
    best = classes = None
    for index, values in enumerate(planes):
        if best is None or classes is None:
            best, classes = np.array(values), np.zeros(values.shape, np.uint8)
            continue
        np.copyto(classes, np.uint8(index), where=values > best)
        np.maximum(best, values, out=best)
    if classes is None:
        raise ValueError("no classes")
    return classes


def _largest_whole(planes: Iterable[np.ndarray]) -> np.ndarray:
    """`_largest` of whole numbers, several times faster; the planes are overwritten.

    Each number gets the number of its plane as a lowest byte, counted downwards so that the first of
    equals is the largest: one maximum then gives both.

    Args:
        planes: int16 or float32, whole numbers that hold 8 bits more.
    """
    best = None
    for index, values in enumerate(planes):
        values *= 256
        values += 255 - index
        best = values if best is None else np.maximum(best, values, out=best)
    if best is None:
        raise ValueError("no classes")
    return (~best.astype(np.int32)).astype(np.uint8)


def _enlarged_classes(logits: np.ndarray, factor: int) -> np.ndarray:
    """`class_map` for a whole factor, cell by cell.

    A cell is the square between four neighbouring centres: factor x factor pixels, at the border
    with the outermost centres repeated. All cells weigh their corners alike, so that the
    interpolation of the disputed ones is one small matrix product; of 8-bit codes it is a sum of
    whole numbers.
    """
    h, w, count = logits.shape
    weights = _corner_weights(factor)
    # The largest sum, and a byte for the class, must fit the 24 bits in which float32 is exact.
    whole = logits.dtype == np.int8 and 128 * weights[0].sum() * 256 < 1 << 24
    planes = np.empty((count, h + 2, w + 2), np.int8 if whole else np.float32)
    planes[:, 1:-1, 1:-1] = np.transpose(logits, (2, 0, 1))
    planes[:, 0], planes[:, -1] = planes[:, 1], planes[:, -2]
    planes[..., 0], planes[..., -1] = planes[..., 1], planes[..., -2]
    classes = _largest_whole(planes.astype(np.int16)) if whole else _largest(planes)
    corner = classes[:-1, :-1]
    disputed = (corner != classes[:-1, 1:]) | (corner != classes[1:, :-1])
    disputed |= corner != classes[1:, 1:]
    # Rows first and then copies of them: ten times faster than all four axes at once.
    cells = np.empty((h + 1, factor, (w + 1) * factor), np.uint8)
    cells[:] = np.repeat(corner, factor, axis=1)[:, None]
    i, j = np.divmod(np.flatnonzero(disputed), w + 1)
    first = i * (w + 2) + j
    # (classes, corners, cells); corners as in `_corner_weights`.
    corners = np.stack([first, first + 1, first + w + 2, first + w + 3])
    around = np.take(planes.reshape(count, -1), corners, axis=1).astype(np.float32, copy=False)
    largest = _largest_whole if whole else _largest
    chosen = largest(np.matmul(weights, corner_values) for corner_values in around)
    squares = cells.reshape(h + 1, factor, w + 1, factor)
    squares[i, :, j, :] = chosen.T.reshape(len(i), factor, factor)
    # The outermost cells reach half a pixel of the logits beyond the image.
    start = factor - factor // 2
    whole = cells.reshape((h + 1) * factor, (w + 1) * factor)
    return whole[start : start + h * factor, start : start + w * factor]


@functools.lru_cache(maxsize=8)
def _corner_weights(factor: int) -> np.ndarray:
    """float32 (factor * factor, 4): what the corners of a cell count in each of its pixels, row by
    row, in whole numbers; corners in the order upper left, upper right, lower left, lower right.
    """
    # In parts of half a pixel of the enlarged image.
    share = (2 * (np.arange(factor) + factor // 2) + 1 - factor).astype(np.float32)
    ends = np.stack([2 * factor - share, share], axis=1)
    weights = np.einsum("ya,xb->yxab", ends, ends).reshape(factor * factor, 4)
    weights.setflags(write=False)  # shared by all callers
    return weights


@functools.lru_cache(maxsize=32)
def interpolation_matrix(size: int, wanted: int) -> np.ndarray:
    """The (wanted, size) float32 matrix that resizes one axis bilinearly between pixel centres.

    Row i holds the weights of the two old pixels around (i + 0.5) * size / wanted - 0.5; beyond the
    outermost centres the outermost pixel counts alone.
    """
    position = np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((wanted, size), np.float32)
    rows = np.arange(wanted)
    # add.at, since low and high are one pixel at the far edge.
    np.add.at(matrix, (rows, low), 1 - (position - low))
    np.add.at(matrix, (rows, high), position - low)
    matrix.setflags(write=False)  # shared by all callers
    return matrix
