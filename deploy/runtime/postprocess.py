"""From the engine's numbers to a class for every pixel."""

from __future__ import annotations

import functools

import numpy as np

from .tensors import TensorSpec


def dequantize(codes: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Real values of an output: scale * (code - zero_point) as float32; float outputs and classes
    pass through.
    """
    if spec.content == "classes":
        return codes
    if spec.quantization is None:
        return np.asarray(codes, np.float32)
    shifted = codes.astype(np.float32) - np.float32(spec.quantization.zero_point)
    return shifted * np.float32(spec.quantization.scale)


def class_map(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """The class of every pixel: logits enlarged bilinearly, then the index of the largest.

    Interpolation is between pixel centres (half-pixel), as the training loss does it. One class at
    a time is enlarged, by two small matrix products, and held against the best so far: four times
    faster than enlarging all and taking numpy's argmax over the last axis.

    Args:
        logits: float32 (h, w, classes), at most 255 classes; or integers (h, w, 1), the classes
            themselves, each of which is repeated where the map is larger.
        height: of the wanted map.
        width: of the wanted map.

    Returns:
        uint8 (height, width); the first of equally large classes.
    """
    if logits.dtype.kind in "iu":
        rows = np.arange(height) * logits.shape[0] // height
        columns = np.arange(width) * logits.shape[1] // width
        return logits[:, :, 0].astype(np.uint8)[rows[:, None], columns]
    planes = np.ascontiguousarray(np.transpose(logits, (2, 0, 1)))
    columns = interpolation_matrix(logits.shape[1], width).T
    tall = np.matmul(interpolation_matrix(logits.shape[0], height), planes)
    best = np.matmul(tall[0], columns)
    classes = np.zeros(best.shape, np.uint8)
    for index in range(1, len(planes)):
        values = np.matmul(tall[index], columns)
        np.copyto(classes, np.uint8(index), where=values > best)
        np.maximum(best, values, out=best)
    return classes


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
