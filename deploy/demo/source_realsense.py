"""Frames from an Intel RealSense camera, its depth aligned to the colour image.

Not run on a camera by the authors: tested against a double of pyrealsense2 that refuses any call
it does not know.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.manifest import Manifest
from .cameras import PATIENCE_MS, Camera, asked, camera_source, load, metres
from .sources import Options, Source


def open_source(argument: str, manifest: Manifest, options: Options, library: Any = None) -> Source:
    """Opens `realsense`, or `realsense:SERIAL` where several cameras are plugged in."""
    wanted = asked("realsense", argument, options, "a RealSense camera")
    # On a Jetson it is built with librealsense.
    rs = library or load("pyrealsense2", "realsense", "pyrealsense2")
    return camera_source(
        wanted.name, lambda: _RealSense(rs, argument, wanted.size, wanted.rate), wanted.rate
    )


class _RealSense(Camera):
    """`errors` is RuntimeError, all that librealsense throws."""

    def __init__(self, rs: Any, serial: str, size: tuple[int, int], rate: int):
        self._rs = rs
        self._pipeline, self._config = rs.pipeline(), rs.config()
        height, width = size
        if serial:
            self._config.enable_device(serial)
        self._config.enable_stream(rs.stream.depth, width, height, rs.format.z16, rate)
        self._config.enable_stream(rs.stream.color, width, height, rs.format.rgb8, rate)

    def start(self) -> None:
        profile = self._pipeline.start(self._config)
        self._unit = profile.get_device().first_depth_sensor().get_depth_scale()
        self._align = self._rs.align(self._rs.stream.color)

    def read(self) -> dict[str, np.ndarray]:
        taken = self._align.process(self._pipeline.wait_for_frames(PATIENCE_MS))
        colour, depth = taken.get_color_frame(), taken.get_depth_frame()
        images = {}
        if colour:
            images["rgb"] = np.array(colour.get_data(), np.uint8)
        if depth:
            images["depth"] = metres(depth.get_data(), self._unit)
        return images

    def stop(self) -> None:
        self._pipeline.stop()
