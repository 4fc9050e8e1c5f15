"""Frames from any camera that OpenCV opens: a number, /dev/video0, an address (rtsp://, http://), a
GStreamer pipeline (anything with a "!"), a pipe or a file.

`camera:0` gives colours alone. `camera:0+depth:/dev/video2` takes depth from a second one, which gives
16-bit greys in counts of --depth-scale metres, aligned to the first.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ..runtime.errors import InputError
from ..runtime.image_kind import METRES
from ..runtime.manifest import Manifest
from ..runtime.preprocess import SAME_VIEW, resize_nearest
from .cameras import USUAL_RATE, Camera, camera_source, metres
from .source_files import UnitCheck
from .source_video import load_opencv
from .sources import OF_DEPTH, Options, Source, SourceLost, need_argument

DEPTH = "+depth:"


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `camera:WHAT` or `camera:WHAT+depth:WHAT`.

    Raises:
        InputError: OpenCV is not installed, or cannot open one of the two.
    """
    colour, _, depth = need_argument(argument, "camera").partition(DEPTH)
    if not colour or (DEPTH in argument and not depth):
        raise InputError(f"source camera: found {argument!r}, wanted camera:WHAT+depth:WHAT")
    idle = [] if depth else options.given(OF_DEPTH)
    if idle:
        raise InputError(
            f"source camera:{argument}: gives no depth, so {' and '.join(idle)} would change nothing; "
            f"leave it, or name the camera of the depth, camera:{colour}{DEPTH}WHAT"
        )
    cv2 = load_opencv(f"source camera:{argument}")
    scale = options.depth_scale(METRES.unit_per_count)
    # One of each for all openings: a camera that comes back is the same.
    check, said = UnitCheck(scale, manifest, options), set()

    def warn(text: str) -> None:
        if text not in said:
            said.add(text)
            options.warn(f"warning: {text}")

    def capture() -> _Capture:
        return _Capture(cv2, colour, depth, scale, options, check, warn)

    # Kept for the first start: a pipe can be opened once.
    first = [capture()]
    try:
        first[0].start()
    except SourceLost as error:
        first[0].stop()
        raise InputError(f"camera:{argument}: {error}") from error

    def make() -> Camera:
        return first.pop() if first else capture()

    takes_depth = any(spec.content == "depth" for spec in manifest.inputs.values())
    note = ""
    if takes_depth and not depth:
        note = (
            f"camera:{argument} gives no depth, which the artifact takes: it is missing in every frame "
            f"(camera:{colour}{DEPTH}WHAT names a second camera)"
        )
    return camera_source(f"camera:{argument}", make, options.rate or USUAL_RATE, note)


class _Capture(Camera):
    def __init__(
        self,
        cv2: Any,
        colour: str,
        depth: str,
        scale: float,
        options: Options,
        check: UnitCheck,
        warn: Callable[[str], None],
    ):
        self._cv2, self._scale, self._options = cv2, scale, options
        self._check, self._warn = check, warn
        self._names = [name for name in (colour, depth) if name]
        self._captures: list = []

    def start(self) -> None:
        if self._captures:
            return
        for index, name in enumerate(self._names):
            self._captures.append(self._open(name, raw=index == 1))

    def read(self) -> dict[str, np.ndarray]:
        # All at one moment, then decoded.
        for name, capture in zip(self._names, self._captures):  # noqa: B905 - Python 3.8
            if not capture.grab():
                raise SourceLost(f"{name} gives no frame")
        images = [capture.retrieve()[1] for capture in self._captures]
        if any(image is None for image in images):
            raise SourceLost("a frame could not be decoded")
        if images[0].ndim == 2:
            rgb = np.repeat(images[0][..., None], 3, axis=-1)
        else:
            rgb = np.ascontiguousarray(images[0][..., 2::-1])  # OpenCV gives blue first
        height, width = rgb.shape[:2]
        wanted = self._options.size
        if wanted and (height, width) != wanted:
            self._warn(
                f"camera:{self._names[0]}: gives {height}x{width}, not the {wanted[0]}x{wanted[1]} of "
                "--size; `v4l2-ctl --list-formats-ext` lists what a USB camera has"
            )
        if len(images) == 1:
            return {"rgb": rgb}
        depth = self._depth(images[1], height, width)
        self._check(depth, f"camera:{self._names[1]}")
        return {"rgb": rgb, "depth": depth}

    def stop(self) -> None:
        while self._captures:
            self._captures.pop().release()

    def _depth(self, counts: np.ndarray, height: int, width: int) -> np.ndarray:
        if counts.dtype != np.uint16 or counts.ndim != 2:
            raise InputError(
                f"{self._names[1]}: gives {counts.dtype} {counts.shape}, wanted 16-bit greys; a picture "
                "of the depth has lost the metres"
            )
        rows, columns = counts.shape
        if abs(columns * height / (rows * width) - 1) > SAME_VIEW:
            raise InputError(
                f"{self._names[1]}: {columns}x{rows} pixels, {self._names[0]} {width}x{height}: of other "
                "proportions, so not of the same view; take the depth that is aligned to the colours"
            )
        return resize_nearest(metres(counts, self._scale), height, width)

    def _open(self, name: str, raw: bool) -> Any:
        cv2 = self._cv2
        if name.isdigit():
            capture = cv2.VideoCapture(int(name))
        elif "!" in name:
            capture = cv2.VideoCapture(name, cv2.CAP_GSTREAMER)
        else:
            capture = cv2.VideoCapture(name)
        if not capture.isOpened():
            capture.release()
            raise SourceLost(
                f"OpenCV cannot open {name!r} as a camera; is it plugged in, free, and of a kind that "
                "this build of OpenCV has (cv2.getBuildInformation())?"
            )
        if raw:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if self._options.size:
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._options.size[0])
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._options.size[1])
        if self._options.rate:
            capture.set(cv2.CAP_PROP_FPS, self._options.rate)
        # Old frames are of no use; not every driver knows the setting.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture
