"""Frames from a walk through a generated room, on a host that has the project's training part.

Rendering takes longer than a live picture allows (0.1 to 0.4 s a frame on one core), so a walk is
rendered once, kept in a temporary file, and played from there ever after.
"""

from __future__ import annotations

import tempfile
from typing import Iterator

import numpy as np

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame
from .sources import Options, Source

# One turn of a live walk: 12 s at 30 frames a second, where the file stays below KEPT_BYTES.
LONGEST, SHORTEST, KEPT_BYTES = 360, 30, 600_000_000
FEW = 8  # pictures for files, where nobody said how many


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `rooms` or `rooms:NUMBER`, a room that training has not seen."""
    if argument and not argument.isdigit():
        raise InputError(f"source rooms: found {argument!r}, wanted the number of a room")
    try:
        from cen_keras.data.rooms.views import walk_through
    except ImportError as error:
        raise InputError(
            f"source rooms needs the project's training part ({error}); on a board take "
            "frames:FOLDER, tum:FOLDER, video:RGB,DEPTH or realsense"
        ) from error
    height, width = options.size or manifest.image_shape
    bytes_each = height * width * 5
    length = options.count or max(SHORTEST, min(LONGEST, KEPT_BYTES // bytes_each))
    seed = options.seed
    if manifest.dataset is not None and manifest.dataset.get("name") == "rooms":
        # Only rooms of the same seed are known to be in another split than those of training.
        seed = int(manifest.dataset.get("seed", 0))

    def render() -> Iterator[dict[str, np.ndarray]]:
        return walk_through(
            seed, length, (height, width), number=int(argument or 0), wanted=("rgb", "depth")
        )

    kept = Walk(length, (height, width))
    return Source(
        f"rooms:{argument}" if argument else "rooms",
        lambda: kept.frames(render()),
        rate=options.rate or 30.0,
        note=f"rooms: a walk of {length} frames of {height}x{width}, rendered in its first round",
    )


class Walk:
    """Rendered frames in a temporary file: depth as a sensor gives it, whole millimetres.

    Args:
        length: frames of a walk.
        size: height and width.
    """

    def __init__(self, length: int, size: tuple[int, int]):
        self._length = length
        self._record = np.dtype([("rgb", np.uint8, (*size, 3)), ("depth", np.uint16, size)])
        self._file = tempfile.TemporaryFile()
        self._complete = False

    def frames(self, rendered: Iterator[dict[str, np.ndarray]]) -> Iterator[Frame]:
        """Plays the walk once; renders it if that has not been done to its end."""
        if self._complete:
            for index in range(self._length):
                self._file.seek(index * self._record.itemsize)
                record = np.frombuffer(self._file.read(self._record.itemsize), self._record)[0]
                yield self._frame(index, record["rgb"], record["depth"])
            return
        self._file.seek(0)
        for index, view in enumerate(rendered):
            record = np.zeros((), self._record)
            record["rgb"] = view["rgb"]
            record["depth"] = np.rint(view["depth"] * 1000)
            self._file.write(record.tobytes())
            yield self._frame(index, record["rgb"], record["depth"])
        self._complete = True

    @staticmethod
    def _frame(index: int, rgb: np.ndarray, counts: np.ndarray) -> Frame:
        return Frame(
            f"room_{index:03d}", {"rgb": rgb, "depth": counts.astype(np.float32) * np.float32(1e-3)}
        )
