"""The demo at a camera's size: pictures of 1280x720 in, a network of 480x640, a live page with a viewer out.

A frame's way is all of it: a JPEG and a 16-bit PNG decoded, resized, inferred, the class of every pixel of 1280x720,
the overlay, and its JPEG for the viewer. The demo is a process of its own, as somebody would start it; frames come at
30 Hz, as from a camera, and one that finds the loop busy is dropped.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cen_keras.data.datasets import open_dataset

from ..runtime.errors import InputError
from .endurance import export
from .terminal import Terminal
from .viewer import Viewer

PRESETS = ("cen_edge_s_rooms", "cen_edge_m_rooms", "cen_lite0_nyudv2")
SIZE = (720, 1280)
RATE = 30
FRAMES = 20 * RATE
VIEWS = 8
_URL = re.compile(rb"live page: (http://\S+?)/?\s")
_STARTS_WITHIN, _ENDS_WITHIN = 120.0, 10.0 * FRAMES / RATE
"""Seconds."""


def measure(
    out: Path,
    say: Callable[[str], None],
    threads: int = 2,
    presets: tuple[str, ...] = PRESETS,
    frames: int = FRAMES,
) -> dict[str, Any]:
    """Runs the demo with each preset in int8.

    Args:
        out: folder for pictures, artifacts and the demo's own figures.
        say: takes one line of progress.
        threads: of the engine.
        presets: one after another.
        frames: that the source has, at `RATE`.

    Returns:
        `whole_loop`: `threads`, `frames`, `rate`; by preset `fps` (frames whose classes were computed, a second),
        `dropped` (of `frames`) and `stages_ms` (`p50` and `p95` by stage).

    Raises:
        InputError: an export failed, or a demo did not start or end.
    """
    pictures = _pictures(out / "camera", frames)
    found: dict[str, Any] = {"threads": threads, "frames": frames, "rate": RATE}
    for preset in presets:
        folder = out / preset
        export(preset, folder)
        found[preset] = _run(folder / "static_w8a8.tflite", pictures, folder / "demo.json", threads)
        say(f"{preset}: {found[preset]['fps']:.1f} frames per second of {RATE}")
    return {"whole_loop": found}


def _pictures(folder: Path, frames: int) -> Path:
    """Writes views of rooms as a camera's frames, each of them many times under other names."""
    folder.mkdir(parents=True, exist_ok=True)
    rooms = open_dataset({"name": "rooms", "size": list(SIZE), "test": VIEWS}, "test")
    views = [rooms[index] for index in range(VIEWS)]
    for number in range(frames):
        first, names = number < VIEWS, (f"{number:04}_rgb.jpg", f"{number:04}_depth.png")
        if first:
            Image.fromarray(views[number]["rgb"]).save(folder / names[0], quality=90)
            depth = np.round(1000 * views[number]["depth"]).astype(np.uint16)
            Image.fromarray(depth[..., 0] if depth.ndim == 3 else depth).save(folder / names[1])
        else:
            for name in names:
                (folder / name).unlink(missing_ok=True)
                os.link(folder / f"{number % VIEWS:04}{name[4:]}", folder / name)
    return folder


def _run(artifact: Path, pictures: Path, report: Path, threads: int) -> dict[str, Any]:
    report.unlink(missing_ok=True)
    words = ["--artifact", str(artifact), "--source", f"frames:{pictures}", "--rate", str(RATE)]
    words += ["--depth-scale", "0.001", "--threads", str(threads), "--serve", "0"]
    environment = {k: v for k, v in os.environ.items() if k != "CEN_DEMO_TOKEN"}
    command = [sys.executable, "-m", "deploy", "demo", *words, "--json", str(report)]
    terminal = Terminal(command, "the demo", environment)
    try:
        Viewer(terminal.wait_for(_URL, _STARTS_WITHIN).decode(), "row")
        code = terminal.wait(_ENDS_WITHIN)
    finally:
        terminal.kill()
    if code or not report.is_file():
        raise InputError(f"the demo of {artifact} ended with exit code {code}")
    figures = json.loads(report.read_text(encoding="utf-8"))
    return {name: figures[name] for name in ("fps", "dropped", "stages_ms")}
