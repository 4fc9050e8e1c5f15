"""From the engine's numbers to a class for every pixel."""

from __future__ import annotations

import numpy as np

from .tensors import TensorSpec


def dequantize(codes: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Real values of an output: scale * (code - zero_point) as float32; float outputs pass
    through.
    """
    if spec.quantization is None:
        return np.asarray(codes, np.float32)
    shifted = codes.astype(np.float32) - np.float32(spec.quantization.zero_point)
    return shifted * np.float32(spec.quantization.scale)


def enlarge(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation between pixel centres (half-pixel), as the training loss does it.

    Args:
        logits: float32 (h, w, classes).
        height: wanted.
        width: wanted.

    Returns:
        float32 (height, width, classes).
    """
    if logits.shape[:2] == (height, width):
        return logits
    low, high, weight = _neighbours(logits.shape[0], height)
    rows = logits[low] + (logits[high] - logits[low]) * weight[:, None, None]
    low, high, weight = _neighbours(logits.shape[1], width)
    left = rows[:, low]
    return left + (rows[:, high] - left) * weight[None, :, None]


def class_map(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """The class of every pixel: logits enlarged, then the index of the largest.

    Args:
        logits: float32 (h, w, classes).
        height: of the wanted map.
        width: of the wanted map.

    Returns:
        uint8 (height, width).
    """
    return np.argmax(enlarge(logits, height, width), axis=-1).astype(np.uint8)


def _neighbours(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel: the two old pixels around its centre and the weight of the second."""
    position = (np.arange(wanted) + 0.5) * (size / wanted) - 0.5
    position = np.clip(position, 0, size - 1)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(low + 1, size - 1)
    return low, high, (position - low).astype(np.float32)
