"""Frames from a walk through a generated room, on a host that has the project's training part.

Rendering takes longer than a live picture allows (0.1 to 0.4 s a frame on one core), so a walk is
rendered once, kept in a temporary file, and played from there ever after.
"""

from __future__ import annotations

import contextlib
import tempfile
from typing import Generator, Iterator

import numpy as np

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.postprocess import image_values
from ..runtime.preprocess import Frame
from .domains import parts_of
from .sources import Options, Source

# One turn of a live walk: 12 s at 30 frames a second, where the file stays below KEPT_BYTES.
LONGEST, SHORTEST, KEPT_BYTES = 360, 30, 600_000_000
FEW = 8  # pictures for files, where no number is given


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `rooms` or `rooms:NUMBER`, a room that training has not seen."""
    if argument and not argument.isdigit():
        raise InputError(f"source rooms: found {argument!r}, wanted the number of a room")
    try:
        from cen_keras.data.image_domains import to_image
        from cen_keras.data.rooms.views import DOMAINS, walk_through
        from cen_keras.data.rooms.walk_process import walk_apart
    except ImportError as error:
        raise InputError(
            f"source rooms needs the project's training part ({error}); on a board take "
            "frames:FOLDER, tum:FOLDER, video:RGB,DEPTH or realsense"
        ) from error
    size = options.size or manifest.image_shape
    translates = manifest.task == "translation"
    wanted = parts_of(manifest) if translates else tuple(manifest.inputs)
    unknown = [domain for domain in wanted if domain not in DOMAINS or domain == "label"]
    if unknown:
        raise InputError(f"source rooms: has no {', no '.join(unknown)}; take frames:FOLDER")
    bytes_each = size[0] * size[1] * 5
    usual = FEW if translates else max(SHORTEST, min(LONGEST, KEPT_BYTES // bytes_each))
    length = options.count or usual
    seed, sensed = options.seed, True
    if manifest.dataset is not None and manifest.dataset.get("name") == "rooms":
        # Only rooms of the same seed are known to be in another split than those of training.
        seed = int(manifest.dataset.get("seed", 0))
        # A translation that was trained on clean pictures is shown clean ones.
        sensed = not translates or bool(manifest.dataset.get("sensor", True))

    def render() -> Generator[dict[str, np.ndarray], None, None]:
        number = int(argument or 0)
        if options.count is None and not translates and set(wanted) <= {"rgb", "depth"}:
            # A live demo goes on while its walk is rendered.
            return walk_apart(seed, length, size, number=number, sensed=sensed)
        domains = tuple(dict.fromkeys((*wanted, *(() if translates else ("rgb", "depth")))))
        return walk_through(seed, length, size, number=number, sensed=sensed, wanted=domains)

    def others() -> Iterator[Frame]:
        for index, view in enumerate(render()):
            yield Frame(f"room_{index:03d}", view)

    def images() -> Iterator[Frame]:
        for index, view in enumerate(render()):
            yield Frame(
                f"room_{index:03d}",
                {
                    domain: picture
                    if picture.dtype == np.uint8
                    else image_values(to_image(domain, picture))
                    for domain, picture in view.items()
                },
            )

    name, rate = f"rooms:{argument}" if argument else "rooms", options.rate or 30.0
    if translates:
        return Source(name, images, rate=rate)
    if not set(wanted) <= {"rgb", "depth"}:
        return Source(name, others, rate=rate)
    kept = Walk(length, size)
    return Source(
        name,
        lambda: kept.frames(render()),
        rate=rate,
        note=f"rooms: a walk of {length} frames of {size[0]}x{size[1]}, rendered in its first round",
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

    def frames(self, rendered: Generator[dict[str, np.ndarray], None, None]) -> Iterator[Frame]:
        """Plays the walk once; renders it if that has not been done to its end."""
        if self._complete:
            for index in range(self._length):
                self._file.seek(index * self._record.itemsize)
                record = np.frombuffer(self._file.read(self._record.itemsize), self._record)[0]
                yield self._frame(index, record["rgb"], record["depth"])
            return
        self._file.seek(0)
        with contextlib.closing(rendered):
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
