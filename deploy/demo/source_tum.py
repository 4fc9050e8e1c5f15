"""Frames of a TUM RGB-D sequence (Sturm et al., IROS 2012): `rgb.txt` and `depth.txt` list files
with the time of each in seconds; a depth image counts 1/5000 m.

Colour and depth were not taken at the same moments. Each colour image gets the depth image nearest
in time, at most LIMIT seconds away, and no depth image serves twice.
"""

from __future__ import annotations

import bisect
import math
from pathlib import Path
from typing import Iterator, Sequence

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame
from .source_files import read_pairs
from .sources import Options, Source, need_argument

LIMIT = 0.02  # seconds, that of the data set's own tools: less than one frame at 30 per second
SCALE = 1 / 5000


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `tum:FOLDER`."""
    folder = Path(need_argument(argument, "tum"))
    colours, depths = read_list(folder / "rgb.txt"), read_list(folder / "depth.txt")
    matched = associate([time for time, _ in colours], [time for time, _ in depths])
    if not matched:
        raise InputError(
            f"{folder}: no colour image has a depth image within {1e3 * LIMIT:g} ms; are rgb.txt "
            "and depth.txt of one sequence?"
        )
    pairs = [
        (colours[i][1].stem, folder / colours[i][1], folder / depths[j][1]) for i, j in matched
    ]
    times = [colours[i][0] for i, _ in matched]
    left = len(colours) - len(pairs)
    note = ""
    if left:
        note = (
            f"{folder}: {left} of {len(colours)} colour images have no depth image within "
            f"{1e3 * LIMIT:g} ms; they are left out"
        )
    chosen, scale = pairs[: options.count], options.depth_scale(SCALE)

    def start() -> Iterator[Frame]:
        return read_pairs(chosen, scale, manifest, options)

    rate = options.rate or _rate(times)
    return Source(f"tum:{argument}", start, rate=rate, note=note, gives=("rgb", "depth"))


def read_list(path: Path) -> list[tuple[float, Path]]:
    """Reads `rgb.txt` or `depth.txt`: a time in seconds and a file a line, `#` opens a comment.

    Returns:
        (time, file) sorted by time.

    Raises:
        InputError: the file is missing, empty, or a line is no such pair.
    """
    if not path.is_file():
        raise InputError(f"{path}: missing; a TUM RGB-D sequence holds rgb.txt and depth.txt")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text file ({error.reason})") from error
    entries = []
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            time = float(words[0])
            if len(words) != 2 or not math.isfinite(time):
                raise ValueError
        except ValueError:
            raise InputError(
                f"{path}, line {number}: found {line!r:.60}, wanted a time and a file name"
            ) from None
        entries.append((time, Path(words[1])))
    if not entries:
        raise InputError(f"{path}: lists no image")
    return sorted(entries)


def associate(
    first: Sequence[float], second: Sequence[float], limit: float = LIMIT
) -> list[tuple[int, int]]:
    """Matches two lists of times, the nearest pairs first, each time at most once.

    Args:
        first: seconds, rising.
        second: seconds, rising.
        limit: most seconds between the two of a pair.

    Returns:
        pairs of indices, by the first one.
    """
    candidates = []
    for i, time in enumerate(first):
        # The rounding of time - limit must not lose a pair exactly at the limit.
        for j in range(bisect.bisect_left(second, time - 2 * limit), len(second)):
            if second[j] > time + 2 * limit:
                break
            apart = abs(second[j] - time)
            if apart <= limit:
                candidates.append((apart, i, j))
    taken_first: dict[int, int] = {}
    taken_second = set()
    for _, i, j in sorted(candidates):
        if i not in taken_first and j not in taken_second:
            taken_first[i] = j
            taken_second.add(j)
    return sorted(taken_first.items())


def _rate(times: Sequence[float]) -> float:
    """Frames per second of a recording, from its median step."""
    steps = sorted(b - a for a, b in zip(times, times[1:]) if b > a)  # noqa: B905 - Python 3.8
    return min(120.0, 1 / steps[len(steps) // 2]) if steps else 30.0
