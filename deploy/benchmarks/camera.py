"""The demo as somebody starts it, from a camera's pictures of 1280x720 to a video of what was seen.

A recording stands for the camera: colours as motion JPEG, depth as 16-bit PNG. Each frame is read
and decoded, scaled to the network's image, seen in 8 bits, drawn at the camera's size and written
as JPEG. The threads of the engine are fixed beforehand; capture, network and drawing have their own.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cen_keras.data.datasets import open_dataset

from .. import bench
from ..demo.source_video import load_opencv
from ..runtime.errors import InputError
from .endurance import export
from .terminal import output_of

PRESETS = ("cen_edge_s_rooms", "cen_edge_m_rooms")
SIZE = (720, 1280)
VIEWS = 8
"""Rendered; the recording shows them in turn."""
FRAMES = 240
RATE = 30
_DEMO = (sys.executable, "-m", "deploy.demo")


def measure(
    out: Path,
    say: Callable[[str], None],
    threads: int = 2,
    frames: int = FRAMES,
    presets: tuple[str, ...] = PRESETS,
) -> dict[str, Any]:
    """Records the camera's pictures, exports the presets, and runs the demo of each.

    Args:
        out: folder for the recording, the artifacts and the videos.
        say: takes one line of progress.
        threads: of the engine.
        frames: of the recording.
        presets: with weights, exported in 8 bits at their own image size.

    Returns:
        `whole_loop`: by preset `fps`, frames per second from the first picture to the last, and
        `stages_ms`, the median of each stage; and `details`.

    Raises:
        InputError: OpenCV is not installed or has no encoder, an export or a demo failed.
    """
    folder = out / "camera"
    say(f"recording {frames} frames of {SIZE[1]}x{SIZE[0]}")
    colours, depth = record(folder, frames)
    loops = {}
    for name in presets:
        say(f"exporting {name}")
        export(name, folder / name)
        say(f"{name}: {frames} frames with {threads} threads")
        loops[name] = _demo(folder / name, f"video:{colours},{depth}", threads)
    return {
        "whole_loop": loops,
        "details": {
            "threads": threads,
            "frames": frames,
            "camera": list(SIZE),
            "processor": bench.processor(),
            "cores": os.cpu_count(),
        },
    }


def table(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of what `measure` gave."""
    stages = list(next(iter(found["whole_loop"].values()))["stages_ms"])
    rows = [
        [name, f"{loop['fps']:.1f}", *(f"{loop['stages_ms'][stage]:.1f}" for stage in stages)]
        for name, loop in found["whole_loop"].items()
    ]
    return ["preset", "frames/s", *(f"{stage} ms" for stage in stages)], rows


def record(folder: Path, frames: int, size: tuple[int, int] = SIZE) -> tuple[Path, Path]:
    """Writes rooms as a camera records them.

    Returns:
        the colours' video, and the folder of depth images in millimetres.

    Raises:
        InputError: OpenCV is not installed or has no encoder for motion JPEG.
    """
    cv2 = load_opencv("this measurement")
    rooms = open_dataset({"name": "rooms", "size": list(size), "test": VIEWS}, "test")
    views = [rooms[index] for index in range(VIEWS)]
    colours, depth = folder / "rgb.avi", folder / "depth"
    depth.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(colours), cv2.VideoWriter_fourcc(*"MJPG"), RATE, size[::-1])
    if not writer.isOpened():
        raise InputError(f"{colours}: OpenCV here has no encoder for motion JPEG")
    for index in range(frames):
        view = views[index % VIEWS]
        writer.write(np.ascontiguousarray(view["rgb"][..., ::-1]))
        counts = np.round(1000 * view["depth"]).astype(np.uint16)
        Image.fromarray(counts).save(depth / f"{index:05d}.png", compress_level=1)
    writer.release()
    return colours, depth


def _demo(folder: Path, source: str, threads: int) -> dict[str, Any]:
    words = ["--artifact", str(folder / "static_w8a8.tflite"), "--source", source, "--json", "-"]
    words += ["--out", str(folder / "seen.avi"), "--threads", str(threads)]
    result = json.loads(output_of([*_DEMO, *words], f"the demo of {folder.name}"))
    stages = {stage: times["p50"] for stage, times in result["stages_ms"].items()}
    return {"fps": result["fps"], "frames": result["frames"], "stages_ms": stages}
