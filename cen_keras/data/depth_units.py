"""Whether depths are in the stated unit, and which of the usual ones they are in.

`deploy/runtime/depth_units.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError
from .image_files import read_array


def check_limits(
    medians: Sequence[float],
    per_count: float | None,
    limits: tuple[float, float] | None,
    source: Any,
    option: str,
    limits_option: str,
) -> None:
    """Refuses quantities that are in another unit than the stated one.

    Args:
        medians: of the known values of one image or several, in the unit that was assumed.
        per_count: unit of one count that was assumed; None for files of floats, which hold metres.
        limits: least and largest median in the right unit; None for no check.
        source: file or folder, for the message.
        option: that states another unit.
        limits_option: that states other limits.

    Raises:
        InputError: the middle one of the medians lies outside.
    """
    if limits is None or not len(medians):
        return
    median = float(np.median(medians))
    low, high = limits
    if low <= median <= high:
        return
    how, way = explain(median, per_count, limits, option)
    raise InputError(
        f"{source}: the median depth is {median:.4g} m {how}, wanted {low:g} to {high:g} m; {way}; or, "
        f"if that is how far things are, {limits_option}"
    )


USUAL_SCALES = {
    0.001: "millimetres: Kinect, RealSense, Azure Kinect",
    0.0002: "1/5000 m: TUM RGB-D, the authors' NYUDv2",
    0.00025: "1/4000 m",
    0.000125: "1/8000 m: SUN RGB-D as published",
    1 / 512: "1/512 m: Taskonomy",
    0.0001: "1/10000 m: RealSense D405",
    0.01: "centimetres",
    1 / 256: "1/256 m: KITTI",
    1.0: "metres",
}
"""Metres per count -> who counts so."""
MIDDLE = 2.5
"""Metres: the median depth of most rooms."""


def explain(
    median: float, per_count: float | None, limits: tuple[float, float], option: str
) -> tuple[str, str]:
    """How a file's numbers became a median outside the limits, and the way out; None are floats."""
    if per_count is None:
        return "as floats are metres", as_metres(median, limits)
    return f"at {per_count:.6g} m a count", propose(median / per_count, option)


def are_millimetres(median: float, limits: tuple[float, float]) -> bool:
    """Whether the median of floats is plainly of millimetres, for limits in metres."""
    return median > limits[1] and limits[0] <= median / 1000 <= limits[1]


def as_metres(median: float, limits: tuple[float, float]) -> str:
    """What to do with files of floats that are not in metres."""
    if not are_millimetres(median, limits):
        return "write them again in metres"
    return (
        f"they are millimetres ({median / 1000:.3g} m): divide them by 1000, or write them as whole "
        "numbers of 16 bits"
    )


def holds_floats(source: Any) -> bool:
    """Whether a file's numbers are in their unit already; False of what is no file."""
    kinds = (".npy", ".tif", ".tiff", ".exr", ".pfm")
    path = Path(str(source))
    return path.suffix.lower() in kinds and path.is_file() and read_array(path).dtype.kind == "f"


def propose(counts: float, option: str) -> str:
    """Which of the usual units would put a median of so many counts where rooms have it."""
    fitting = [scale for scale in USUAL_SCALES if 0.5 <= counts * scale <= 8]
    fitting.sort(key=lambda scale: abs(np.log(counts * scale / MIDDLE)))
    if not fitting:
        return f"{option} {MIDDLE / counts:.3g} would make it {MIDDLE} m"
    candidates = [
        f"{scale:.6g} ({USUAL_SCALES[scale]}; {counts * scale:.3g} m)" for scale in fitting[:2]
    ]
    return f"try {option} {' or '.join(candidates)}"
