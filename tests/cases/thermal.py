"""RGB + thermal through the documented way: own Views in the table of data sets (docs/add_a_dataset.md)."""

import os
from pathlib import Path

import common
import numpy as np
from PIL import Image

from cen_keras.data.datasets import DATASETS
from cen_keras.data.labels import palette
from cen_keras.data.views import Views

W = Path(os.environ["W"])
KINDS = {
    "rgb3": lambda t: np.repeat(t[..., None], 3, -1),
    "axis": lambda t: t[..., None].astype("float32"),
    "uint8": lambda t: t,
    "uint16": lambda t: t.astype("uint16"),
    "float32": lambda t: t.astype("float32"),
}


class Thermal(Views):
    """Views with thermal pictures of a kind."""

    name, classes, palette = "thermal", ("floor", "ball", "box"), palette(3)

    def __init__(self, root, kind):
        self.root, self.kind = Path(root), kind

    def __len__(self):
        return len(list((self.root / "rgb").glob("*.png")))

    def __getitem__(self, i):
        def read(kind):
            return np.array(Image.open(self.root / kind / f"{i:04}.png"))

        thermal = KINDS[self.kind](read("thermal"))  # of uint8 (h, w)
        return {"rgb": read("rgb"), "thermal": thermal, "label": read("label")}


def train(run, kind, epoch_steps=20):
    """Trains on thermal pictures of a kind."""
    DATASETS["thermal"] = lambda spec, split: Thermal(f"{spec['root']}/{split}", kind)
    common.frames(W / "d/train", 16, 0)
    common.frames(W / "d/val", 4, 1)
    channels = 3 if kind == "rgb3" else 1
    return common.train(
        run,
        {"name": "thermal", "root": str(W / "d")},
        modalities=("rgb", "thermal"),
        normalization={
            "thermal": {"scale": 1 / 255, "mean": [0.45] * channels, "std": [0.25] * channels}
        },
        epoch_steps=epoch_steps,
    )
