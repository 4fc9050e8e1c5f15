"""Folders as somebody else might bring them, made of generated rooms with five merged classes."""

import numpy as np
from PIL import Image

from cen_keras.data.rooms.views import RoomSpec, RoomViews

CLASSES = ("ground", "wall", "seat", "table", "rest")
MERGED = np.array([2, 4, 1, 2, 0, 3, 4, 4, 2, 3, 4, 1, 4, *([255] * 243)], np.uint8)
"""Class of the rooms -> one of the five."""


def write_views(root, count, split="train", size=(64, 96), kinds=("rgb", "depth"), scale=0.001):
    """Writes rgb/, label/ and depth/ (16 bits of `scale` metres) or thermal/ (16 bits); returns the views."""
    views = [v for v in RoomViews(RoomSpec(split=split, size=size), count)]
    written = []
    for index, view in enumerate(views):
        depth = np.round(view["depth"] / scale).astype(np.uint16)
        pictures = {
            "rgb": view["rgb"],
            "depth": depth,
            # Warm where it is near: centikelvin, as cameras of 16 bits give it.
            "thermal": np.round(30500 - 200 * view["depth"]).astype(np.uint16),
            "label": MERGED[view["label"]],
        }
        pictures = {name: pictures[name] for name in (*kinds, "label")}
        for name, picture in pictures.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(root / name / f"{index:03d}.png")
        written.append(pictures)
    return written
