"""Notices a modality that has gone: a depth camera that is unplugged, covered or out of range.

A modality is missing in a frame that lacks it or where nothing was measured: all of its values are
the one that stands for missing, 0 where there is none, or NaN. Single frames are normal; PATIENCE
of them in a row are news, reported once, and once more when it is back.
"""

from __future__ import annotations

from typing import Iterable, Mapping

import numpy as np

from ..runtime.image_kind import ImageKind
from ..runtime.preprocess import Frame
from ..runtime.tensors import TensorSpec
from ..runtime.vector_counts import encoded

PATIENCE = 10


class MissingWatch:
    """Counts in how many frames in a row each modality was missing.

    Args:
        kinds: of those to watch, by name.
        patience: so many frames in a row make it missing.
    """

    def __init__(self, kinds: Mapping[str, ImageKind], patience: int = PATIENCE):
        self._patience = patience
        self._kinds: dict[str, ImageKind] = {}
        self._runs: dict[str, int] = {}
        self._missing: set[str] = set()
        self._frames = 0
        self.add(kinds)

    def add(self, kinds: Mapping[str, ImageKind]) -> None:
        """Watches these too, as the inputs of another artifact."""
        for name, kind in kinds.items():
            self._kinds[name] = kind
            self._runs.setdefault(name, 0)

    @property
    def missing(self) -> tuple[str, ...]:
        """The modalities that are missing now, in the given order."""
        return tuple(name for name in tuple(self._runs) if name in self._missing)

    def look(self, images: Mapping[str, np.ndarray]) -> list[str]:
        """Takes one frame's images.

        Returns:
            the messages for people: none for most frames.
        """
        news = []
        self._frames += 1
        for name, run in tuple(self._runs.items()):
            gone = name not in images or is_blank(images[name], self._kinds[name])
            self._runs[name] = run + 1 if gone else 0
            if gone and self._runs[name] == self._patience:
                self._missing.add(name)
                news.append(f"{name} is missing: {self._patience} frames in a row held none of it")
            elif not gone and name in self._missing:
                self._missing.discard(name)
                news.append(f"{name} is back after {run} frames")
        return news

    def end(self) -> list[str]:
        """Messages on a recording too short for patience: what no frame held."""
        return [
            f"{name} is missing: not one of {self._frames} frames held any of it"
            for name, run in self._runs.items()
            if 0 < self._frames == run < self._patience
        ]


def is_blank(image: np.ndarray, kind: ImageKind) -> bool:
    """Whether nothing was measured in any pixel of an image."""
    if kind.blank == 0 and not image.any():
        return True
    if image.dtype.kind == "f":
        return not (np.isfinite(image) & (image != kind.blank)).any()
    return kind.blank != 0 and bool((image == kind.blank).all())


def complete(frame: Frame, specs: Iterable[TensorSpec]) -> Frame:
    """The frame with a blank image for every input that it lacks: black, or depth that is missing."""
    absent = [spec for spec in specs if spec.name not in frame.images]
    if not absent:
        return frame
    height, width = next(iter(frame.images.values())).shape[:2]
    images = dict(frame.images)
    for spec in absent:
        channels = spec.hwc[2]
        shape = (height, width) if channels == 1 else (height, width, channels)
        kind, value = spec.kind, spec.kind.blank
        if kind.mirror == "negate_x" and kind.unit is None and kind.missing is None:
            value = encoded(0, np.uint8)  # the count 0 would be the vector -1, not none
        eight_bits = kind.unit is None and 0 <= value <= 255
        images[spec.name] = np.full(shape, value, np.uint8 if eight_bits else np.float32)
    return Frame(frame.name, images)
