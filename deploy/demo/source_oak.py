"""Frames from a Luxonis OAK-D, its stereo depth aligned to the colour image.

Tested against a double of depthai 3, not with a camera.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from ..runtime.manifest import Manifest
from .cameras import (
    PATIENCE_MS,
    USUAL_RATE,
    USUAL_SIZE,
    Camera,
    camera_source,
    load,
    metres,
    refuse_scale,
)
from .sources import Options, Source, SourceLost

_STEREO = (640, 400)  # what the depth is computed from


def open_source(argument: str, manifest: Manifest, options: Options, library: Any = None) -> Source:
    """Opens `oak`, or `oak:ID` (its serial number or address) where several are plugged in."""
    refuse_scale(options, "an OAK camera")
    dai = library or load("depthai", "oak", "'depthai>=3'")
    size, rate = options.size or USUAL_SIZE, int(options.rate or USUAL_RATE)
    name = f"oak:{argument}" if argument else "oak"
    return camera_source(name, lambda: _Oak(dai, argument, size, rate), rate)


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
        # A camera's frames replace each other: the newest counts.
        self._colours = picture.createOutputQueue(maxSize=1, blocking=False)
        self._depths = stereo.depth.createOutputQueue(maxSize=1, blocking=False)
        pipeline.start()

    def read(self) -> dict[str, np.ndarray]:
        if not self._pipeline.isRunning():
            raise SourceLost("the device has stopped")
        patience = datetime.timedelta(milliseconds=PATIENCE_MS)
        colour, depth = self._colours.get(patience), self._depths.get(patience)
        images = {}
        if colour is not None:
            images["rgb"] = np.array(colour.getFrame(), np.uint8)
        if depth is not None:
            images["depth"] = metres(depth.getFrame(), 0.001)
        if not images:
            raise SourceLost(f"no frame for {PATIENCE_MS / 1000:g} s")
        return images

    def stop(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()
