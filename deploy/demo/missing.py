"""Notices a modality that has gone: a depth camera that is unplugged, covered or out of range.

A modality is missing in a frame that lacks it or where all of its values are 0. Single frames are
normal; PATIENCE of them in a row are news, told once, and once more when it is back.
"""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

from ..runtime.preprocess import Frame

PATIENCE = 10


class MissingWatch:
    """Counts in how many frames in a row each modality was missing.

    Args:
        modalities: names of those to watch.
        patience: so many frames in a row make it missing.
    """

    def __init__(self, modalities: Sequence[str], patience: int = PATIENCE):
        self._patience = patience
        self._runs = {name: 0 for name in modalities}
        self._missing: set[str] = set()

    @property
    def missing(self) -> tuple[str, ...]:
        """The modalities that are missing now, in the given order."""
        return tuple(name for name in self._runs if name in self._missing)

    def look(self, images: Mapping[str, np.ndarray]) -> list[str]:
        """Takes one frame's images.

        Returns:
            what there is to tell people: nothing for most frames.
        """
        news = []
        for name, run in self._runs.items():
            gone = name not in images or not images[name].any()
            self._runs[name] = run + 1 if gone else 0
            if gone and self._runs[name] == self._patience:
                self._missing.add(name)
                news.append(f"{name} is missing: {self._patience} frames in a row held none of it")
            elif not gone and name in self._missing:
                self._missing.discard(name)
                news.append(f"{name} is back after {run} frames")
        return news


def complete(frame: Frame, modalities: Sequence[str]) -> Frame:
    """The frame with 0 for every modality that it lacks: black, or depth that is missing."""
    absent = [name for name in modalities if name not in frame.images]
    if not absent:
        return frame
    height, width = next(iter(frame.images.values())).shape[:2]
    images = dict(frame.images)
    for name in absent:
        if name == "depth":
            images[name] = np.zeros((height, width), np.float32)
        else:
            images[name] = np.zeros((height, width, 3), np.uint8)
    return Frame(frame.name, images)
