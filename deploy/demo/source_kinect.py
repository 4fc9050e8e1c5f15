"""Frames from an Azure Kinect, its depth transformed to the colour camera.

Tested against a double of pyk4a, not with a camera.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from .cameras import PATIENCE_MS, Camera, asked, camera_source, load, metres
from .sources import Options, Source

_RATES = (5, 15, 30)
MILLIMETRES = 0.001  # the unit of its depth, by the sensor's own definition


def open_source(argument: str, manifest: Manifest, options: Options, library: Any = None) -> Source:
    """Opens `kinect`, or `kinect:NUMBER` where several are plugged in."""
    wanted = asked("kinect", argument, options, "an Azure Kinect")
    k4a = library or load("pyk4a", "kinect", "pyk4a (needs Microsoft's libk4a)")
    if argument and not argument.isdigit():
        raise InputError(f"source kinect: found {argument!r}, wanted kinect or kinect:NUMBER")
    rate = wanted.rate
    if rate not in _RATES:
        raise InputError(f"--rate is {rate}; an Azure Kinect has {', '.join(map(str, _RATES))}")
    return camera_source(wanted.name, lambda: _Kinect(k4a, int(argument or 0), rate), rate)


class _Kinect(Camera):
    def __init__(self, k4a: Any, number: int, rate: int):
        config = k4a.Config(
            color_resolution=k4a.ColorResolution.RES_720P,
            color_format=k4a.ImageFormat.COLOR_BGRA32,
            depth_mode=k4a.DepthMode.NFOV_UNBINNED,
            camera_fps=getattr(k4a.FPS, f"FPS_{rate}"),
            synchronized_images_only=True,
        )
        self._device = k4a.PyK4A(config, device_id=number)
        self.errors = (k4a.K4AException, RuntimeError)

    def start(self) -> None:
        self._device.start()

    def read(self) -> dict[str, np.ndarray]:
        capture = self._device.get_capture(timeout=PATIENCE_MS)
        images = {}
        if capture.color is not None:
            images["rgb"] = np.ascontiguousarray(capture.color[..., 2::-1])  # blue comes first
        if capture.transformed_depth is not None:
            images["depth"] = metres(capture.transformed_depth, MILLIMETRES)
        return images

    def stop(self) -> None:
        self._device.stop()
