"""Where the demo's pictures go: a folder of PNGs, or a video."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable

import numpy as np
from PIL import Image

from ..runtime.errors import InputError
from ..runtime.files import atomic_path
from .network import Result
from .pipeline import Sink
from .source_video import load_opencv
from .view import picture

VIDEO_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
LONGEST_STILL = 10.0  # seconds of a gap between two frames that a video shows
MOST_LISTED = 1000  # pictures named in the result; a camera runs for days


class PictureFolder(Sink):
    """One PNG a frame.

    Args:
        folder: made where it is not there.
        say: called with a line about every picture.
    """

    name, wait = "pictures", True

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self._folder, self._say = folder, say
        self.written: list[str] = []

    def show(self, result: Result) -> None:
        """Writes a picture, whole or not at all."""
        path = self._folder / (result.frame.name + ".png")
        with atomic_path(path, durable=False) as temporary:
            Image.fromarray(picture(result)).save(str(temporary))
        if len(self.written) < MOST_LISTED:
            self.written.append(str(path))
        self._say(f"{path}: {1e3 * sum(result.seconds.values()):.1f} ms")

    def close(self, whole: bool) -> None:
        """Nothing is open between two pictures."""


class Video(Sink):
    """One video of all frames, each shown until the next one; it takes its name when it is complete.

    Args:
        path: a file whose suffix is a key of VIDEO_CODECS.
        rate: frames per second of the file. A camera's frames that the network had no time for
            leave the one before standing.

    Raises:
        InputError: another suffix, or OpenCV is not installed.
    """

    name, wait = "video", True

    def __init__(self, path: Path, rate: float):
        if path.suffix.lower() not in VIDEO_CODECS:
            raise InputError(f"--out {path}: a video is one of {', '.join(VIDEO_CODECS)}")
        self._path, self._rate = path, rate
        self._cv2 = load_opencv(f"--out {path}")
        self._stack = contextlib.ExitStack()
        self._writer: Any = None
        self._temporary = path  # where the writer writes, once it is open
        self._size = (0, 0)
        self._last: np.ndarray | None = None
        self._count, self._cut = 0, 0.0  # frames written; seconds of gaps left out
        self.written: list[str] = []

    def show(self, result: Result) -> None:
        """Adds a frame."""
        image = picture(result, whole_legend=True)
        # Codecs that halve the colours need even sides.
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        if self._writer is None:
            self._open(image)
        width, height = self._size
        if image.shape[:2] != (height, width):  # another camera mode, another artifact
            image = np.asarray(Image.fromarray(image).resize((width, height), Image.BOX))
        self._place(result.at, np.ascontiguousarray(image[..., ::-1]))

    def _place(self, at: float, image: np.ndarray) -> None:
        """Writes an image where its time is, and the one before it up to there."""
        gap = at - self._cut - self._count / self._rate
        if gap > LONGEST_STILL:
            self._cut += gap - LONGEST_STILL
        due = int((at - self._cut) * self._rate + 0.5)
        if self._last is not None:
            for _ in range(self._count, due):
                self._writer.write(self._last)
                self._count += 1
        if due >= self._count:  # or the file's rate has no place for it
            self._writer.write(image)
            self._count += 1
        self._last = image

    def _open(self, image: np.ndarray) -> None:
        self._size = (image.shape[1], image.shape[0])
        self._temporary = self._stack.enter_context(atomic_path(self._path))
        code = self._cv2.VideoWriter_fourcc(*VIDEO_CODECS[self._path.suffix.lower()])
        self._writer = self._cv2.VideoWriter(str(self._temporary), code, self._rate, self._size)
        if not self._writer.isOpened():
            raise InputError(f"{self._path}: OpenCV here has no encoder for it; take .avi")

    def close(self, whole: bool) -> None:
        """Ends the file and gives it its name; after an error it is deleted.

        Raises:
            InputError: the file lacks its last frame, as on a full disk.
        """
        if self._writer is None:
            return
        self._writer.release()
        if whole:
            with self._stack:
                if not self._has_last_frame():
                    raise InputError(f"{self._path}: is not whole; is the disk full?")
            self.written.append(str(self._path))
        else:
            error = RuntimeError("the video is not whole")
            with contextlib.suppress(RuntimeError):
                with self._stack:
                    raise error

    def _has_last_frame(self) -> bool:
        """OpenCV's writer does not say that it could not write."""
        capture = self._cv2.VideoCapture(str(self._temporary))
        try:
            capture.set(self._cv2.CAP_PROP_POS_FRAMES, self._count - 1)
            return bool(capture.read()[0])
        finally:
            capture.release()


def open_file_sink(out: str, rate: float, say: Callable[[str], None]) -> PictureFolder | Video:
    """The sink for `--out`: a video where the name has a suffix, otherwise a folder.

    Raises:
        InputError: see `Video`.
    """
    path = Path(out)
    if path.suffix and not path.is_dir():
        return Video(path, rate)
    return PictureFolder(path, say)
