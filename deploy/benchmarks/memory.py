"""Samples of a process's memory: what `endurance` and `ros` hold a program to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..runtime.errors import InputError
from ..runtime.files import atomic_path
from .terminal import Memory

MOST_MOVED = 5.0
"""Megabytes between the smallest and largest sample of a program's own memory, and from the first to the
largest of all that is resident: pages of files that the system drops are not the program's."""

INTERVAL = 5.0
"""Seconds from one sample to the next."""

Sample = tuple[float, Memory]
"""Seconds, and the memory at that time."""


def check_watchable(minutes: float, settled: float, interval: float) -> None:
    """Checks that memory can be watched on this system, and long enough.

    Args:
        minutes: how long a program runs.
        settled: seconds after which its samples count.
        interval: seconds from one sample to the next.

    Raises:
        InputError: the system has no /proc, or the time is too short for two samples.
    """
    if not Path("/proc/self/status").is_file():
        raise InputError("memory is read from /proc/PID/status, which this system does not have")
    if 60 * minutes < settled + 2 * interval:
        raise InputError(
            f"{minutes:g} minutes are too short: memory is watched after {settled:g} s; give more"
        )


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Writes samples as a .csv of seconds and megabytes."""
    heads = ["seconds", *(f"{name}_mb" for name in Memory._fields)]
    rows = [",".join([f"{at:.0f}", *(f"{mb:.1f}" for mb in memory)]) for at, memory in samples]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([",".join(heads), *rows, ""]), encoding="utf-8")


def ranges(samples: Sequence[Memory]) -> dict[str, Any]:
    """How memory moved over some samples.

    Returns:
        `resident_mb` and `own_mb` (each `first`, `least`, `most` and `last`), `moved_mb` (own memory, from
        the least to the most) and `grown_mb` (resident, from the first to the most); None without samples.
    """
    if not samples:
        return dict.fromkeys(("resident_mb", "own_mb", "moved_mb", "grown_mb"))
    resident, own = (_ends([getattr(m, name) for m in samples]) for name in ("resident", "own"))
    return {
        "resident_mb": resident,
        "own_mb": own,
        "moved_mb": own["most"] - own["least"],
        "grown_mb": resident["most"] - resident["first"],
    }


def _ends(values: list[float]) -> dict[str, float]:
    return {"first": values[0], "least": min(values), "most": max(values), "last": values[-1]}
