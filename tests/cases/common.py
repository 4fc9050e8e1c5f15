"""Generated RGB-D (and thermal) frames with labels, and a run of a few steps on them."""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, os.environ.get("CEN", os.getcwd()))


def scene(rng, h=96, w=128, k=3):
    """rgb, depth in millimetres, label (0 floor, 1 ball, 2 box), thermal 0..255."""
    rgb = np.empty((h, w, 3), np.uint8)
    rgb[:] = rng.integers(60, 120, 3)
    depth = np.linspace(4000, 1500, h)[:, None].repeat(w, 1)
    label, thermal = np.zeros((h, w), np.uint8), np.full((h, w), 90.0)
    yy, xx = np.mgrid[:h, :w]
    for c in range(1, k):
        y, x, s = rng.integers(10, h - 40), rng.integers(10, w - 40), int(rng.integers(18, 34))
        ball = (yy - y - s / 2) ** 2 + (xx - x - s / 2) ** 2 < (s / 2) ** 2
        m = ball if c % 2 else (yy >= y) & (yy < y + s) & (xx >= x) & (xx < x + s)
        rgb[m] = [(200, 40, 40), (40, 60, 200)][(c - 1) % 2]
        depth[m] -= 500 * c
        label[m], thermal[m] = c, 150 + 30 * c
    depth[rng.random(depth.shape) < 0.03] = 0
    return rgb, depth.clip(0, 65535).astype(np.uint16), label, thermal.astype(np.uint8)


def frames(root, n, seed=0, h=96, w=128, k=3):
    rng, root = np.random.default_rng(seed), Path(root)
    for i in range(n):
        for kind, a in zip(("rgb", "depth", "label", "thermal"), scene(rng, h, w, k), strict=True):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(a).save(root / kind / f"{i:04}.png")
    return root


def each(folder, change):
    """Rewrites every picture of a folder: change(array) -> array."""
    for p in sorted(Path(folder).glob("*.png")):
        Image.fromarray(change(np.array(Image.open(p)))).save(p)


def recipe(data, modalities=("rgb", "depth"), model=None, **changes):
    import dataclasses

    from recipes import rooms_tiny

    base = rooms_tiny.RECIPE
    changes = {"name": "own", "epochs": 1, "epoch_steps": 3, "batch": 8, **changes}
    return dataclasses.replace(
        base, data=data, model={**base.model, "modalities": modalities, **(model or {})}, **changes
    )


def train(run, data, **kw):
    """Trains as `recipes.train` does; prints and returns the exit code."""
    from rich.console import Console

    from cen_keras.training.console import run_command
    from recipes import train as training

    def command():
        training.train(recipe(data, **kw), Path(run), Console(width=100))
        return 0

    code = run_command(command)
    sys.stderr.flush()
    print("exit code", code, flush=True)
    return code


def deploy(*arguments):
    """`python -m deploy ARGUMENTS` in this process; prints and returns the exit code."""
    from deploy.__main__ import main

    print("$ python -m deploy", *arguments, flush=True)
    code = main([str(a) for a in arguments])
    print("exit code", code, flush=True)
    return code
