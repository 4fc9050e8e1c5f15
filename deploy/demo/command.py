"""Run an artifact on frames and write what it sees: rgb, depth, prediction and overlay side by
side.

    python -m deploy demo --artifact cen/tflite/static_w8a8.tflite --source rooms --out pictures
    python -m deploy demo --artifact static_w8a8.tflite --source frames:captures --out pictures

FOLDER of frames:FOLDER holds rgb/NAME.* with depth/NAME.png, or NAME_rgb.* with NAME_depth.png.
Depth is 16-bit counts of --depth-scale metres; 0 and 65535 are missing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ..runtime.console import GOOD, Output
from ..runtime.errors import InputError
from ..runtime.files import atomic_path
from ..runtime.manifest import Manifest
from ..runtime.pictures import colorize, depth_picture, legend, overlay, side_by_side, stack
from ..runtime.postprocess import class_map
from ..runtime.preprocess import Frame, Preprocessor, resize_nearest
from ..runtime.runner import open_runner
from .sources import Options, open_source

# Large frames are shown at this height: four of them side by side still fit a screen.
_MOST_HEIGHT, _LEAST_HEIGHT = 480, 240


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--artifact", required=True, metavar="FILE", help="a .tflite or .onnx file")
    parser.add_argument("--source", required=True, help="rooms, or frames:FOLDER")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the pictures go")
    parser.add_argument(
        "--depth-scale",
        type=float,
        default=0.001,
        metavar="M",
        help="metres per count of depth files (default: 0.001)",
    )
    parser.add_argument("--output", help="stream to show (default: ensemble, or the first)")
    parser.add_argument("--count", type=int, metavar="N", help="at most so many frames")
    parser.add_argument("--threads", type=int, metavar="N", help="of the engine")
    parser.add_argument(
        "--engine", metavar="NAME", help="litert; ort, ort-cuda, ort-tensorrt or tensorrt"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Writes a picture per frame and prints frames per second."""
    for name in ("count", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} is {value}, wanted at least 1")
    runner = open_runner(arguments.artifact, arguments.threads, arguments.engine)
    manifest = runner.manifest
    shown = _shown_output(arguments.output, manifest)
    prepare = Preprocessor(runner.inputs)
    options = Options(arguments.depth_scale, arguments.count)
    folder = Path(arguments.out)
    times, pictures = [], []
    for frame in open_source(arguments.source, manifest, options):
        height, width = next(iter(frame.images.values())).shape[:2]
        if not times:
            # The first run of an engine prepares its kernels; it would spoil the mean of a few
            # frames.
            runner.run(prepare(frame))
        start = time.perf_counter()
        logits = runner.run(prepare(frame))[shown][0]
        classes = class_map(logits, *manifest.image_shape)
        times.append(time.perf_counter() - start)
        picture = compose(frame, resize_nearest(classes, height, width), manifest, shown)
        path = folder / (frame.name + ".png")
        _save(picture, path)
        pictures.append(str(path))
        output.say(f"{path}: {1e3 * times[-1]:.1f} ms")
    milliseconds = 1e3 * float(np.median(times))
    output.say(
        f"{len(times)} frames, {milliseconds:.1f} ms each (median; pre, inference and post on "
        f"{runner.engine}): {1e3 / milliseconds:.1f} frames per second"
    )
    output.result(
        {
            "artifact": str(arguments.artifact),
            "source": arguments.source,
            "output": shown,
            "frames": len(times),
            "median_ms": milliseconds,
            "fps": 1e3 / milliseconds,
            "pictures": pictures,
        }
    )
    return GOOD


def compose(frame: Frame, classes: np.ndarray, manifest: Manifest, shown: str) -> np.ndarray:
    """Sets a frame, its prediction and the overlay side by side, with a legend below.

    Args:
        frame: with "rgb", "depth" or both.
        classes: uint8 (h, w), the prediction at the frame's size.
        manifest: for names and colours.
        shown: name of the output that was predicted, for the title.

    Returns:
        uint8 (h', w', 3).
    """
    colours = colorize(classes, manifest.palette)
    row = []
    if "rgb" in frame.images:
        row.append(("rgb", frame.images["rgb"]))
    if "depth" in frame.images:
        known = frame.images["depth"][frame.images["depth"] > 0]
        title = f"depth, median {np.median(known):.1f} m" if known.size else "depth"
        row.append((title, depth_picture(frame.images["depth"])))
    row.append((f"prediction ({shown})", colours))
    if "rgb" in frame.images:
        row.append(("overlay", overlay(frame.images["rgb"], colours)))
    height = min(max(classes.shape[0], _LEAST_HEIGHT), _MOST_HEIGHT)
    pictures = side_by_side(row, height)
    present = [int(c) for c in np.unique(classes) if c < len(manifest.classes)]
    return stack([pictures, legend(manifest.classes, manifest.palette, pictures.shape[1], present)])


def _shown_output(wanted: str | None, manifest: Manifest) -> str:
    names = list(manifest.outputs)
    if wanted is None:
        return "ensemble" if "ensemble" in names else names[0]
    if wanted not in names:
        raise InputError(f"--output {wanted!r}: the artifact has {', '.join(names)}")
    return wanted


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(str(temporary))
