"""Frames from an Intel RealSense camera, its depth aligned to the colour image.

Not run on a camera by the authors: tested against a double of pyrealsense2 that refuses any call
it does not know.
"""

from __future__ import annotations

import itertools
from typing import Any, Iterator

import numpy as np

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame
from .sources import Options, Source, SourceLost

USUAL_SIZE, USUAL_RATE = (480, 640), 30
PATIENCE_MS = 2000


def open_source(argument: str, manifest: Manifest, options: Options, library: Any = None) -> Source:
    """Opens `realsense`, or `realsense:SERIAL` where several cameras are plugged in.

    Args:
        argument: a serial number, or "" for the first camera.
        manifest: not used; the camera gives the unit of its depth itself.
        options: size and rate are asked of the camera; `metres_per_count` is refused.
        library: a stand-in for pyrealsense2; None = the real one.
    """
    if options.metres_per_count is not None:
        raise InputError("--depth-scale: a RealSense camera tells its own; leave the option away")
    rs = library or _load()
    height, width = options.size or USUAL_SIZE
    rate = int(options.rate or USUAL_RATE)

    # The camera counts from one again when it is opened again; the names of frames go on.
    numbers = itertools.count(1)

    def start() -> Iterator[Frame]:
        return _frames(rs, argument, height, width, rate, numbers)

    name = f"realsense:{argument}" if argument else "realsense"
    return Source(name, start, camera=True, rate=rate, gives=("rgb", "depth"))


def _load() -> Any:
    try:
        import pyrealsense2
    except ImportError:
        raise InputError(
            "source realsense needs pyrealsense2, which is not installed: pip install "
            "pyrealsense2 (on a Jetson it is built with librealsense)"
        ) from None
    return pyrealsense2


def _frames(
    rs: Any, serial: str, height: int, width: int, rate: int, numbers: Iterator[int]
) -> Iterator[Frame]:
    pipeline, config = rs.pipeline(), rs.config()
    if serial:
        config.enable_device(serial)
    config.enable_stream(rs.stream.depth, width, height, rs.format.z16, rate)
    config.enable_stream(rs.stream.color, width, height, rs.format.rgb8, rate)
    try:
        profile = pipeline.start(config)
    except RuntimeError as error:  # all that librealsense throws
        raise SourceLost(
            f"the camera does not start at {width}x{height}, {rate} Hz ({error})"
        ) from error
    try:
        unit = np.float32(profile.get_device().first_depth_sensor().get_depth_scale())
        align = rs.align(rs.stream.color)
        while True:
            taken = align.process(pipeline.wait_for_frames(PATIENCE_MS))
            colour, depth = taken.get_color_frame(), taken.get_depth_frame()
            # Copies: the library uses the memory again for later frames.
            images = {}
            if colour:
                images["rgb"] = np.array(colour.get_data(), np.uint8)
            if depth:
                images["depth"] = np.asarray(depth.get_data()).astype(np.float32) * unit
            if images:
                yield Frame(f"camera_{next(numbers):08d}", images)
    except RuntimeError as error:
        raise SourceLost(f"the camera gives no frames ({error})") from error
    finally:
        try:
            pipeline.stop()
        except RuntimeError:
            pass  # unplugged: there is nothing left to stop
