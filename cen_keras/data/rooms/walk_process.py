"""A walk through a room, rendered by a process of its own while this one does something else.

Rendering holds Python's lock for much of its time and leaves the allocator some tens of megabytes
larger; a live demo wants neither. The frames come through a pipe, so the process is never more than
a frame or two ahead, and ends when nobody reads any more.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from cen_keras.data.rooms.views import walk_through


def record_of(size: tuple[int, int]) -> np.dtype:
    """What the pipe holds of one frame: `rgb` (h, w, 3) uint8 and `depth` (h, w) float32, metres."""
    return np.dtype([("rgb", np.uint8, (*size, 3)), ("depth", np.float32, size)])


def walk_apart(
    seed: int, frames: int, size: tuple[int, int], *, number: int = 0, sensed: bool = True
) -> Iterator[dict[str, np.ndarray]]:
    """Renders colour and depth of `views.walk_through`; the arguments are the same.

    Yields:
        `rgb` and `depth` of one frame, `frames` of them. Closing the iterator ends the process.

    Raises:
        RuntimeError: the process ended before its time; its last words.
    """
    record = record_of(size)
    arguments = (seed, frames, *size, number, int(sensed))
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        for _ in range(frames):
            content = process.stdout.read(record.itemsize)
            if len(content) < record.itemsize:
                errors = process.stderr.read().decode(errors="replace").strip().splitlines()
                raise RuntimeError(f"rendering the walk ended early: {(errors or ['killed'])[-1]}")
            frame = np.frombuffer(content, record)[0]
            yield {"rgb": frame["rgb"], "depth": frame["depth"]}
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Writes the frames to the pipe."""
    # Ctrl-C is for the process that reads; this one ends with the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seed, frames, height, width, number, sensed = map(int, sys.argv[1:])
    record = np.zeros((), record_of((height, width)))
    options = {"number": number, "sensed": bool(sensed), "wanted": ("rgb", "depth")}
    for view in walk_through(seed, frames, (height, width), **options):
        record["rgb"], record["depth"] = view["rgb"], view["depth"]
        try:
            sys.stdout.buffer.write(record.tobytes())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Nobody reads any more; nor is there anybody to tell.
            sys.stderr.close()
            break


if __name__ == "__main__":
    main()
