"""Faults of a data spec: a palette shorter than the classes, one as an array, a root without {split}."""

import os
from pathlib import Path

import common
import numpy as np

from cen_keras.data.frames import FrameViews

W = Path(os.environ["W"])
CLASSES = ["floor", "ball", "box"]
common.frames(W / "d/train", 16, 0)
common.frames(W / "d/val", 4, 1)
spec = {"name": "frames", "root": str(W / "d/{split}"), "classes": CLASSES}
common.train(W / "run", spec | {"palette": [[1, 2, 3], [4, 5, 6]]})
views = FrameViews(W / "d/val", classes=CLASSES, palette=np.zeros((3, 3), np.uint8))
print("palette as an array:", views.palette.dtype, views.palette.shape)
common.train(W / "run2", spec | {"root": str(W / "d/train")})
