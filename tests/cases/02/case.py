"""RGB + thermal through the documented way: own Views in the table of data sets (docs/add_a_dataset.md)."""

import os
import sys
from pathlib import Path

import common
import numpy as np
from PIL import Image

from cen_keras.data.datasets import DATASETS
from cen_keras.data.labels import palette
from cen_keras.data.views import Views

W, KIND = Path(os.environ["W"]), sys.argv[1]


class Thermal(Views):
    name, classes, palette = "thermal", ("floor", "ball", "box"), palette(3)

    def __init__(self, root):
        self.root = Path(root)

    def __len__(self):
        return len(list((self.root / "rgb").glob("*.png")))

    def __getitem__(self, i):
        def read(kind):
            return np.array(Image.open(self.root / kind / f"{i:04}.png"))

        t = read("thermal")  # uint8 (h, w)
        t = {
            "rgb3": lambda: np.repeat(t[..., None], 3, -1),
            "axis": lambda: t[..., None].astype("float32"),
            "uint8": lambda: t,
            "uint16": lambda: t.astype("uint16"),
            "float32": lambda: t.astype("float32"),
        }[KIND]()
        return {"rgb": read("rgb"), "thermal": t, "label": read("label")}


DATASETS["thermal"] = lambda spec, split: Thermal(f"{spec['root']}/{split}")
common.frames(W / "d/train", 16, 0)
common.frames(W / "d/val", 4, 1)
channels = 3 if KIND == "rgb3" else 1
run = W / "run"
common.train(
    run,
    {"name": "thermal", "root": str(W / "d")},
    modalities=("rgb", "thermal"),
    normalization={
        "thermal": {"scale": 1 / 255, "mean": [0.45] * channels, "std": [0.25] * channels}
    },
    epoch_steps=20,
)

common.deploy("export", run)
common.deploy("verify", run / "tflite/fp32.tflite", "--max-drop", "100")
common.deploy("export", run, "--scheme", "static_w8a8")
