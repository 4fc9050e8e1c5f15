"""Frames from a colour video and its depth: a second video of 16-bit greys, or a folder of 16-bit
images in the order of their names.

Frame i of one belongs to frame i of the other. Where the depth ends before the colours, it is
missing from then on. Depth must be recorded without loss (FFV1 of 16-bit greys, for example): what
an ordinary video codec leaves of it is a picture, not metres.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from ..runtime.errors import InputError
from ..runtime.image_kind import METRES
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame, read_depth
from .cameras import metres
from .source_files import DEPTH_SUFFIXES, UnitCheck, images
from .sources import Options, Source, need_argument


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `video:RGB,DEPTH`."""
    parts = need_argument(argument, "video").split(",")
    if len(parts) != 2 or not all(parts):
        raise InputError(f"source video: found {argument!r}, wanted video:RGB,DEPTH")
    rgb, depth = (Path(part) for part in parts)
    for path in (rgb, depth):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    scale = options.depth_scale(METRES.unit_per_count)
    cv2 = load_opencv(f"source video:{argument}")
    capture = _opened(cv2, rgb)
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if not depth.is_dir():
        _opened(cv2, depth).release()

    warned: list[str] = []  # once, however often it is played

    def warn(longer: Path, shorter: Path, frames: int) -> None:
        if not warned:
            warned.append(
                f"warning: {longer} goes on after the {frames} frames of {shorter}: are they of one "
                "recording, from the same first frame?"
            )
            options.warn(warned[0])

    def start() -> Iterator[Frame]:
        check = UnitCheck(scale, manifest, options)
        pairs = itertools.zip_longest(_colours(cv2, rgb), _depths(cv2, depth, scale))
        for index, (colour, distances) in enumerate(itertools.islice(pairs, options.count)):
            if colour is None:
                warn(depth, rgb, index)
                return
            frame = {"rgb": colour}
            if distances is None:
                warn(rgb, depth, index)
            else:
                if distances.shape != colour.shape[:2]:
                    raise InputError(
                        f"{depth}: frame {index} has {distances.shape[1]}x{distances.shape[0]} pixels, "
                        f"but {rgb} has {colour.shape[1]}x{colour.shape[0]}; depth must be "
                        "registered to the colour image, pixel on pixel"
                    )
                check(distances, depth)
                frame["depth"] = distances
            yield Frame(f"frame_{index:06d}", frame)

    known = 1 <= rate <= 240
    rate = options.rate or (rate if known else 30.0)
    return Source(f"video:{argument}", start, rate=rate, gives=("rgb", "depth"))


def load_opencv(purpose: str) -> Any:
    """OpenCV, which a board needs for videos only.

    Raises:
        InputError: it is not installed.
    """
    # What cannot be opened is said by whoever opens it, in one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        import cv2
    except ImportError:
        raise InputError(
            f"{purpose} needs OpenCV, which is not installed: pip install opencv-python-headless "
            "(on a Jetson: apt install python3-opencv); or take folders of images"
        ) from None
    return cv2


def _opened(cv2: Any, path: Path) -> Any:
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        capture.release()
        raise InputError(f"{path}: OpenCV cannot read it as a video; convert it, or record again")
    return capture


def _read(cv2: Any, path: Path, raw: bool) -> Iterator[np.ndarray]:
    capture = _opened(cv2, path)
    try:
        if raw:
            # As recorded, without OpenCV's turn into 8-bit colours.
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        while True:
            good, image = capture.read()
            if not good:
                return
            yield image
    finally:
        capture.release()


def _colours(cv2: Any, path: Path) -> Iterator[np.ndarray]:
    for image in _read(cv2, path, raw=False):
        yield np.ascontiguousarray(image[..., ::-1])  # OpenCV gives blue first


def _depths(cv2: Any, path: Path, scale: float) -> Iterator[np.ndarray]:
    if path.is_dir():
        files = images(path, DEPTH_SUFFIXES)
        if not files:
            raise InputError(f"{path}: no 16-bit images ({', '.join(DEPTH_SUFFIXES)})")
        for file in files:
            yield read_depth(file, scale)
        return
    for counts in _read(cv2, path, raw=True):
        if counts.dtype != np.uint16 or counts.ndim != 2:
            raise InputError(
                f"{path}: a video of {counts.dtype} {counts.shape}, wanted 16-bit greys such as "
                "FFV1's gray16le; other codecs have lost the metres"
            )
        yield metres(counts, scale)
