"""Frames from a Luxonis OAK-D, its stereo depth aligned to the colour image.

Tested against a double of depthai 3, not with a camera.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from ..runtime.manifest import Manifest
from .cameras import PATIENCE_MS, Camera, asked, camera_source, load, metres
from .sources import Options, Source, SourceLost

_STEREO = (640, 400)  # what the depth is computed from


def open_source(argument: str, manifest: Manifest, options: Options, library: Any = None) -> Source:
    """Opens `oak`, or `oak:ID` (its serial number or address) where several are plugged in."""
    wanted = asked("oak", argument, options, "an OAK camera")
    dai = library or load("depthai", "oak", "'depthai>=3'")
    return camera_source(
        wanted.name, lambda: _Oak(dai, argument, wanted.size, wanted.rate), wanted.rate
    )


class _Oak(Camera):
    def __init__(self, dai: Any, identifier: str, size: tuple[int, int], rate: int):
        self._dai, self._identifier, self._size, self._rate = dai, identifier, size, rate
        self._pipeline: Any = None

    def start(self) -> None:
        dai, (height, width) = self._dai, self._size
        device = dai.Device(dai.DeviceInfo(self._identifier)) if self._identifier else dai.Device()
        self._pipeline = pipeline = dai.Pipeline(device)
        sockets = dai.CameraBoardSocket
        colour = pipeline.create(dai.node.Camera).build(sockets.CAM_A)
        picture = colour.requestOutput((width, height), dai.ImgFrame.Type.RGB888i, fps=self._rate)
        stereo = pipeline.create(dai.node.StereoDepth)
        for socket, side in ((sockets.CAM_B, stereo.left), (sockets.CAM_C, stereo.right)):
            grey = pipeline.create(dai.node.Camera).build(socket)
            grey.requestOutput(_STEREO, fps=self._rate).link(side)
        stereo.setDepthAlign(sockets.CAM_A)
        stereo.setOutputSize(width, height)
        stereo.initialConfig.setDepthUnit(dai.LengthUnit.MILLIMETER)
        # Two queues would give the colours of one moment and the depth of another.
        views = pipeline.create(dai.node.Sync)
        # Sensors that are not triggered together are half a period apart at most, and some jitter.
        views.setSyncThreshold(datetime.timedelta(seconds=0.6 / self._rate))
        picture.link(views.inputs["rgb"])
        stereo.depth.link(views.inputs["depth"])
        # A camera's frames replace each other: the newest counts.
        self._views = views.out.createOutputQueue(maxSize=1, blocking=False)
        self._colours = picture.createOutputQueue(maxSize=1, blocking=False)
        pipeline.start()

    def read(self) -> dict[str, np.ndarray]:
        if not self._pipeline.isRunning():
            raise SourceLost("the device has stopped")
        view = self._views.get(datetime.timedelta(milliseconds=PATIENCE_MS))
        colours = self._colours.tryGet()
        if view is not None:
            return {**_rgb(view["rgb"]), "depth": metres(view["depth"].getFrame(), 0.001)}
        if colours is not None:  # the stereo sensors have stopped
            return _rgb(colours)
        raise SourceLost(f"no frame for {PATIENCE_MS / 1000:g} s")

    def stop(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()


def _rgb(message: Any) -> dict[str, np.ndarray]:
    return {"rgb": np.array(message.getFrame(), np.uint8)}
