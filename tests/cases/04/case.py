"""Masks of 0 and 255, and of 1 bit, where classes are 0 and 1."""

import os
import sys
from pathlib import Path

import common
import numpy as np

W = Path(os.environ["W"])
for kind in sys.argv[1:]:
    print("===", kind, flush=True)
    for split, n in (("train", 16), ("val", 4)):
        folder = common.frames(W / kind / split, n, n, k=2) / "label"  # 0 floor, 1 ball
        common.each(
            folder,
            (lambda a: a * np.uint8(255)) if kind == "255" else (lambda a: a.astype(bool)),
        )
    root = str(W / kind / "{split}")
    common.train(
        W / f"run_{kind}",
        {"name": "frames", "root": root, "classes": ["background", "object"]},
        epoch_steps=10,
    )
