"""Vectors of -1..1, as normals, in counts without sign: how files of 8 and 16 bits hold them.

`deploy/runtime/vector_counts.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def decoded(x: np.ndarray) -> np.ndarray:
    """Vectors of counts: float32, 0 -> -1, the largest count -> 1."""
    half = np.float32(np.iinfo(x.dtype).max / 2)
    return x.astype(np.float32) / half - np.float32(1)


def encoded(value: Any, dtype: np.dtype) -> Any:
    """The count of a component of -1..1, of 0 the middle one; others and other types stay."""
    if np.dtype(dtype).kind != "u" or np.min(value) < -1 or np.max(value) > 1:
        return value
    return np.round((np.asarray(value) + 1) * (np.iinfo(dtype).max / 2))


def negated(x: np.ndarray) -> np.ndarray:
    """A component turned round: -x, of counts their top minus x."""
    return np.iinfo(x.dtype).max - x if x.dtype.kind == "u" else -x
