"""Frames as the source gave them, in a folder that `frames:FOLDER`, `--calibration` and `cen new` read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable

import numpy as np
from PIL import Image

from ..runtime.errors import InputError
from ..runtime.files import atomic_path
from .network import Result
from .pipeline import Sink
from .view import is_depth, kind_in

EVERY = 1.0
"""Seconds: neighbours of a camera at 30 Hz show the same."""
_COUNTS_PER_METRE, _MOST_COUNTS = 1000, 65534


class Recording(Sink):
    """Writes `FOLDER/MODALITY/TIME-NUMBER.png`, one file for each image of a frame.

    Depth becomes 16 bits of millimetres, 0 = missing; colours and whole numbers of one channel stay as they are; any
    other image becomes an .npy file. Names begin with the time at which the recording began, so that
    the next one into the same folder overwrites nothing. Frames that lack an input of the artifact are left out, and
    counted: readers want views that are whole.

    Args:
        folder: made where it is not there.
        say: takes a line for people.
        every: seconds between two frames that are kept, at least; 0 = all.
    """

    name, wait = "recording", True

    def __init__(self, folder: Path, say: Callable[[str], None], every: float = EVERY):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--record {folder}: is a file; wanted a folder for the frames")
        self._folder, self._say, self.every = folder, say, every
        self._began = time.strftime("%Y%m%d-%H%M%S")
        self._next, self._far = 0.0, False
        self.count = self._incomplete = 0

    def show(self, result: Result) -> None:
        """Writes a frame, if it is time for one; each file whole or not at all."""
        if result.at < self._next:
            return
        if set(result.manifest.inputs) - set(result.frame.images):
            self._incomplete += 1
            return
        self._next = result.at + self.every
        for name, image in result.frame.images.items():
            if is_depth(image, kind_in(result.manifest, name)):
                image = self._millimetres(image)
            path = self._folder / name / f"{self._began}-{result.number:06d}"
            _write(path, image)
        self.count += 1

    def _millimetres(self, depth: np.ndarray) -> np.ndarray:
        known = np.isfinite(depth) & (depth > 0)
        counts = np.rint(np.where(known, depth, 0) * _COUNTS_PER_METRE)
        far = counts > _MOST_COUNTS
        if far.any() and not self._far:
            self._far = True
            self._say(f"--record: depth beyond {_MOST_COUNTS / 1000:.1f} m is written as missing")
        return np.where(far, 0, counts).astype(np.uint16)

    def close(self, whole: bool) -> None:
        """Says how many frames there are."""
        left_out = f"; {self._incomplete} that lacked an input were left out"
        self._say(f"{self.count} frames in {self._folder}{left_out if self._incomplete else ''}")


def _write(path: Path, image: np.ndarray) -> None:
    whole_numbers = image.ndim == 2 and image.dtype in (np.uint8, np.uint16)
    colours = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    suffix = ".png" if whole_numbers or colours else ".npy"
    with atomic_path(path.with_name(path.name + suffix), durable=False) as temporary:
        if suffix == ".npy":
            np.save(str(temporary), image)
        else:
            # The quickest level: a camera does not wait.
            Image.fromarray(image).save(str(temporary), compress_level=1)
