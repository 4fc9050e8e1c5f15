"""Depth of one camera as another camera sees it: registration by pinhole intrinsics and extrinsics.

A depth pixel is back-projected with the depth camera's intrinsics, moved by the extrinsics, projected
with the colour camera's, and covers the area there that its corners enclose; of several that meet the
nearest counts (z-buffer). Pixels that no depth reaches are 0, missing.

`deploy/runtime/depth_registration.py` is a link to this file, for boards, which have no other part of
the project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InputError
from .pinhole_cameras import PinholeCamera

LARGEST_PIXEL = 32
"""A depth pixel covers at most so many colour pixels a side: one at the lens would cover all."""
NEAREST = 1e-3
"""Metres before the colour camera from which on something is seen."""
_TIE = 1e-6  # colour pixels; the edge that two depth pixels share differs by float64 rounding only


def register_depth(
    depth: np.ndarray, camera: PinholeCamera, onto: PinholeCamera, height: int, width: int
) -> np.ndarray:
    """Depth as another camera sees it.

    Args:
        depth: (h, w) metres along the optical axis; 0, negative, NaN or infinite = missing.
        camera: that gave it, with the extrinsics.
        onto: the other camera; its own extrinsics do not count.
        height: rows of its pictures.
        width: columns of its pictures.

    Returns:
        float32 (height, width), metres along the other camera's axis; 0 = missing.
    """
    depth = np.asarray(depth, np.float64)
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    z = depth[rows, columns]
    low = np.full((2, z.size), np.inf)
    high, inside = -low, np.ones(z.size, bool)
    for down, right in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
        place, far = _project(rows + down, columns + right, z, camera, onto)
        inside &= far > NEAREST
        low, high = np.minimum(low, place), np.maximum(high, place)
    _, far = _project(rows, columns, z, camera, onto)
    limits = np.array([[height], [width]])
    # A colour pixel belongs to the area that holds its centre, at an edge to the one behind it.
    with np.errstate(invalid="ignore"):
        first = np.ceil(np.clip(low - _TIE, -1, limits))
        end = np.ceil(np.clip(high - _TIE, -1, limits))
    first = np.maximum(first, 0)
    end = np.minimum(end, first + LARGEST_PIXEL)
    keep = inside & (end > first).all(axis=0)
    # The farthest first: of several values for one place the last stays.
    order = np.argsort(-far[keep], kind="stable")
    far = far[keep][order]
    first, end = (edge[:, keep][:, order].astype(np.int64) for edge in (first, end))
    return _nearest(far, first, end, height, width)


def register_frame(
    images: dict[str, np.ndarray],
    name: str,
    cameras: Mapping[str, PinholeCamera],
    target: str,
    files: Mapping[str, Any],
) -> np.ndarray:
    """One depth image of a view, registered onto the view's target.

    Args:
        images: of the view, `name` and `target` among them.
        name: of the depth.
        cameras: of both.
        target: of whose camera.
        files: for messages.

    Returns:
        float32 (h, w), metres, of the target's size.

    Raises:
        InputError: a picture has another size than its camera's numbers are for.
    """
    for key in (name, target):
        height, width = images[key].shape[:2]
        size = cameras[key].size
        if size is not None and size != (height, width):
            raise InputError(
                f"{files[key]}: is {width}x{height}, but the camera of {key!r} is described for "
                f"{size[1]}x{size[0]}; give the numbers of these pictures"
            )
    height, width = images[target].shape[:2]
    return register_depth(images[name], cameras[name], cameras[target], height, width)


def target_of(cameras: Mapping[str, PinholeCamera], kinds: Mapping[str, Any], where: str) -> str:
    """The modality onto which depth is registered: the first with a camera that is no depth.

    Args:
        cameras: by modality.
        kinds: of the view's modalities, in their order, with `unit` and `channels`.
        where: opens the message.

    Returns:
        its name; that of the first modality where there is no depth to register.

    Raises:
        InputError: depth or what it is registered to has no camera, or a picture of no depth has one
            beside that, which nothing can register.
    """
    depths = [name for name in kinds if is_depth(kinds[name])]
    targets = [name for name in kinds if name in cameras and name not in depths]
    if depths and not (targets and any(name in cameras for name in depths)):
        raise InputError(
            f"{where}: are of {', '.join(cameras)}, the modalities are {', '.join(kinds)}; wanted one "
            f"of {depths[0]} and one of what it is registered to"
        )
    if len(targets) > 1:
        raise InputError(
            f"{where}: {targets[1]} has a camera beside that of {targets[0]}, but depth alone is "
            f"registered; register the pictures of {targets[1]} yourself and leave its camera out"
        )
    return targets[0] if depths else next(iter(kinds))


def is_depth(kind: Any) -> bool:
    """Whether images of a kind are distances along the optical axis, as registration needs."""
    return kind.unit == "m" and kind.channels == 1


def _project(rows, columns, z, camera, onto):
    """(row, column) float64 (2, n) in the other picture and metres before its camera."""
    points = np.stack(
        [(columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z, z]
    )
    x, y, far = camera.rotation @ points + camera.translation[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([onto.fy * y / far + onto.cy, onto.fx * x / far + onto.cx]), far


def _nearest(far, first, end, height, width):
    """Fills areas, sorted from far to near, and keeps the nearest."""
    found = np.full(height * width, np.inf)
    tall, wide = (end - first).max(axis=1) if far.size else (0, 0)
    for down in range(tall):
        for right in range(wide):
            row, column = first[0] + down, first[1] + right
            covered = (row < end[0]) & (column < end[1])
            layer = np.full(height * width, np.inf)
            layer[row[covered] * width + column[covered]] = far[covered]
            np.minimum(found, layer, out=found)
    found[np.isinf(found)] = 0
    return found.reshape(height, width).astype(np.float32)
