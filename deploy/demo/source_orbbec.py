"""Frames from an Orbbec camera (Gemini, Femto, Astra 2), its depth aligned to the colour image.

Tested against a double of pyorbbecsdk, not with a camera.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.manifest import Manifest
from .cameras import PATIENCE_MS, Camera, asked, camera_source, load, metres
from .sources import Options, Source, SourceLost


def open_source(argument: str, manifest: Manifest, options: Options, library: Any = None) -> Source:
    """Opens `orbbec`, or `orbbec:SERIAL` where several cameras are plugged in."""
    wanted = asked("orbbec", argument, options, "an Orbbec camera")
    ob = library or load("pyorbbecsdk", "orbbec", "pyorbbecsdk2")
    return camera_source(
        wanted.name, lambda: _Orbbec(ob, argument, wanted.size, wanted.rate), wanted.rate
    )


class _Orbbec(Camera):
    def __init__(self, ob: Any, serial: str, size: tuple[int, int], rate: int):
        self._ob, self._serial, self._size, self._rate = ob, serial, size, rate
        self._pipeline: Any = None
        self.errors = (ob.OBError, RuntimeError)

    def start(self) -> None:
        ob, (height, width) = self._ob, self._size
        if self._serial:
            device = ob.Context().query_devices().get_device_by_serial_number(self._serial)
            self._pipeline = ob.Pipeline(device)
        else:
            self._pipeline = ob.Pipeline()
        config = ob.Config()
        profiles = self._pipeline.get_stream_profile_list(ob.OBSensorType.COLOR_SENSOR)
        colour = profiles.get_video_stream_profile(width, height, ob.OBFormat.RGB, self._rate)
        config.enable_stream(colour)
        profiles = self._pipeline.get_stream_profile_list(ob.OBSensorType.DEPTH_SENSOR)
        config.enable_stream(profiles.get_default_video_stream_profile())
        self._pipeline.enable_frame_sync()
        self._pipeline.start(config)
        self._align = ob.AlignFilter(align_to_stream=ob.OBStreamType.COLOR_STREAM)

    def read(self) -> dict[str, np.ndarray]:
        frames = self._pipeline.wait_for_frames(PATIENCE_MS)
        if frames is None:
            raise SourceLost(f"no frame for {PATIENCE_MS / 1000:g} s")
        aligned = self._align.process(frames)
        if aligned is None:
            return {}
        frames = aligned.as_frame_set()
        colour, depth = frames.get_color_frame(), frames.get_depth_frame()
        images = {}
        if colour is not None:
            shape = (colour.get_height(), colour.get_width(), 3)
            images["rgb"] = np.array(colour.get_data(), np.uint8).reshape(shape)
        if depth is not None:
            shape = (depth.get_height(), depth.get_width())
            counts = np.frombuffer(depth.get_data(), np.uint16).reshape(shape)
            # The library gives millimetres a count.
            images["depth"] = metres(counts, 0.001 * depth.get_depth_scale())
        return images

    def stop(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()
