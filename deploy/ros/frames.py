"""From sets of messages to the frames that a network is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping

import numpy as np

from ..demo.source_files import UnitCheck
from ..demo.sources import Options
from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.preprocess import SAME_VIEW, Frame, resize_nearest
from .encodings import colour_image, depth_image, grey_image, holds_metres

GREY = "grey"


@dataclass(frozen=True)
class StampedFrame(Frame):
    """A frame of a robot.

    Attributes:
        header: of the colour image, or of the first image that is there.
        arrived: seconds of `time.monotonic` when the last of its images came.
    """

    header: Any = None
    arrived: float = 0.0


def contents_of(manifest: Manifest) -> dict[str, str]:
    """Returns for each input "depth", "image" (colours), or "grey" for one channel of anything else."""
    return {
        name: GREY if (spec.content, spec.hwc[2]) == ("image", 1) else spec.content
        for name, spec in manifest.inputs.items()
    }


class Frames:
    """Turns sets of messages into frames; what cannot be read is left out with one warning.

    Args:
        contents: by modality, see `contents_of`.
        metres_per_count: of depth in whole numbers.
        say: takes one line for people.
    """

    def __init__(
        self, contents: Mapping[str, str], metres_per_count: float, say: Callable[[str], None]
    ):
        self._contents, self._scale, self._say = contents, metres_per_count, say
        self._warned: set[tuple[str, str]] = set()

    def __call__(
        self, found: Mapping[str, tuple[float, Any]], arrived: float
    ) -> StampedFrame | None:
        """Reads a set.

        Args:
            found: (stamp, message) by modality.
            arrived: see `StampedFrame`.

        Returns:
            The frame; None where none of its images can be read.
        """
        images: dict[str, np.ndarray] = {}
        header = stamp = None
        for name, (time, message) in found.items():
            try:
                image = self._read(name, message)
                if images:
                    image = self._fitted(name, image, next(iter(images.values())))
            except InputError as error:
                self._warn(name, str(error))
                continue
            images[name] = image
            if header is None:
                header, stamp = message.header, time
        if not images:
            return None
        return StampedFrame(f"stamp_{stamp:.6f}", images, header, arrived)

    def _read(self, name: str, message: Any) -> np.ndarray:
        if self._contents[name] == "depth":
            return depth_image(message, self._scale)
        return (grey_image if self._contents[name] == GREY else colour_image)(message)

    def _fitted(self, name: str, image: np.ndarray, first: np.ndarray) -> np.ndarray:
        """The image at the size of the first one."""
        height, width = image.shape[:2]
        rows, columns = first.shape[:2]
        if (height, width) == (rows, columns):
            return image
        sizes = f"{width}x{height} pixels, the colour image {columns}x{rows}"
        if abs(width * rows / (height * columns) - 1) > SAME_VIEW:
            raise InputError(
                f"{sizes}: of other proportions, so not of the same view; take the topic that is "
                "aligned to the colour image (aligned_depth_to_color, depth_registered)"
            )
        self._warn(name, f"{sizes}; scaled by taking the nearest pixels")
        return resize_nearest(image, rows, columns)

    def _warn(self, name: str, text: str) -> None:
        if (name, text) not in self._warned and len(self._warned) < 100:
            self._warned.add((name, text))
            self._say(f"{name}: {text}")


class CheckedFrames(Frames):
    """Frames whose first depth is held against what the network was trained on.

    A robot goes on: depth in another unit is one warning.

    Args:
        manifest: of the artifact.
        metres_per_count: as for `Frames`.
        say: likewise.
    """

    def __init__(self, manifest: Manifest, metres_per_count: float, say: Callable[[str], None]):
        contents = contents_of(manifest)
        super().__init__(contents, metres_per_count, say)
        options = Options(warn=say)
        self._checks = {
            name: UnitCheck(metres_per_count, manifest, options, name, "nothing is wrong")
            for name, content in contents.items()
            if content == "depth"
        }

    def _read(self, name: str, message: Any) -> np.ndarray:
        image = super()._read(name, message)
        if name in self._checks:
            try:
                self._checks[name](image, name, holds_metres(message))
            except InputError as error:
                del self._checks[name]
                self._say(f"warning: {error}")
        return image
