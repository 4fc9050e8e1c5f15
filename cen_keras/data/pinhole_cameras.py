"""The cameras of a rig: intrinsics and extrinsics, from a data spec or a JSON file.

`deploy/runtime/pinhole_cameras.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError

_WANTED = (
    '{"rgb": {"fx": 525, "fy": 525, "cx": 319.5, "cy": 239.5}, "depth": {..., "rotation": 9 numbers, '
    '"translation": 3, metres}}'
)
_FIELDS = ("fx", "fy", "cx", "cy", "width", "height", "rotation", "translation")


@dataclass(frozen=True, eq=False)
class PinholeCamera:
    """Intrinsics of a camera without distortion, and how its points become the other camera's.

    Attributes:
        fx: focal length in pixels, along a row; above 0.
        fy: likewise down a column.
        cx: column of the principal point; the centre of the first pixel is 0, as in OpenCV and ROS.
        cy: its row.
        size: height and width of the pictures that the numbers are for; None where not given.
        rotation: float64 (3, 3), of points of this camera into the other's axes: x right, y down, z
            forward.
        translation: float64 (3,), metres: other = rotation @ point + translation.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: tuple[int, int] | None = None
    rotation: np.ndarray | None = None
    translation: np.ndarray | None = None

    def __post_init__(self):
        rotation = np.eye(3) if self.rotation is None else np.array(self.rotation, np.float64)
        translation = np.zeros(3) if self.translation is None else self.translation
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", np.array(translation, np.float64))


def read_cameras(value: Any, where: str = "cameras") -> dict[str, PinholeCamera]:
    """Reads the cameras of a rig.

    Args:
        value: modality -> {"fx", "fy", "cx", "cy"}, with "width" and "height" where they are known, and
            with "rotation" (9 numbers, row by row) and "translation" (3, metres) from that camera's
            points to the colour camera's; or a JSON file that holds this; or `PinholeCamera`s.
        where: opens the message.

    Returns:
        A camera for each modality; none of None.

    Raises:
        InputError: the file cannot be read, or a number is missing or is none.
    """
    if value is None:
        return {}
    if isinstance(value, (str, Path)):
        where, value = str(value), _from_file(Path(value))
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{where}: is {value!r}; wanted {_WANTED}")
    return {
        str(name): camera
        if isinstance(camera, PinholeCamera)
        else _camera(camera, f"{where}: the camera of {name!r}")
        for name, camera in value.items()
    }


def _from_file(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted {_WANTED}") from None
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); wanted {_WANTED}") from None


def _camera(value: Any, where: str) -> PinholeCamera:
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is {value!r}; wanted {_WANTED}")
    unknown = sorted(map(str, set(value) - set(_FIELDS)))
    if unknown:
        raise InputError(f"{where} has {unknown[0]!r}; known are {', '.join(_FIELDS)}")
    fx, fy, cx, cy = (_numbers(value.get(key), 1, f"{where}: {key}")[0] for key in _FIELDS[:4])
    if min(fx, fy) <= 0:
        raise InputError(f"{where}: fx and fy are {fx:g} and {fy:g}; wanted pixels, above 0")
    size = None
    if "width" in value or "height" in value:
        size = tuple(
            int(_numbers(value.get(k), 1, f"{where}: {k}")[0]) for k in ("height", "width")
        )
    rotation = translation = None
    if value.get("rotation") is not None:
        rotation = np.reshape(_numbers(value["rotation"], 9, f"{where}: rotation"), (3, 3))
        # Calibrations are written with four digits or more.
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
            raise InputError(f"{where}: rotation is none; wanted 9 numbers, row by row")
    if value.get("translation") is not None:
        translation = np.array(_numbers(value["translation"], 3, f"{where}: translation"))
        if np.abs(translation).max() > 10:
            raise InputError(
                f"{where}: translation is {translation.tolist()}; wanted metres between the two "
                "cameras of a rig"
            )
    return PinholeCamera(fx, fy, cx, cy, size, rotation, translation)


def _numbers(value: Any, count: int, where: str) -> list[float]:
    """So many finite numbers, of a list or nested lists."""
    try:
        found = [float(x) for x in np.ravel(np.asarray(value, np.float64))]
    except (TypeError, ValueError, OverflowError):
        found = []
    if isinstance(value, (bool, str)) or len(found) != count or not all(map(math.isfinite, found)):
        raise InputError(f"{where} is {value!r}; wanted {count} number{'s' * (count > 1)}")
    return found
