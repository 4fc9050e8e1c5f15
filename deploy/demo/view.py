"""What people see of a result: the picture for files, and the panels of the live page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..runtime.manifest import Manifest
from ..runtime.pictures import colorize, depth_picture, legend, overlay, side_by_side, stack
from ..runtime.preprocess import Frame, resize_image, resize_nearest
from . import domains
from .network import Result

# Large frames are shown at this height: four of them side by side still fit a screen.
_MOST_HEIGHT, _LEAST_HEIGHT = 480, 240
# A panel of the live page is a third of a screen wide; more would only cost time.
_LIVE_HEIGHT = 360
PANELS = ("rgb", "depth", "overlay")
LAYOUTS = ("row", "column")
JPEG_QUALITY = 85


def picture(result: Result, whole_legend: bool = False) -> np.ndarray:
    """A result as one picture: of a segmentation see `compose`, of a translation the domains given
    and the image made of them, side by side.
    """
    if result.image is not None:
        row = domains.panels(result.frame, result.image, result.manifest, result.stream)
        return side_by_side(row, _height(result.image.shape[0]))
    height, width = next(iter(result.frame.images.values())).shape[:2]
    classes = resize_nearest(result.classes, height, width)
    return compose(result.frame, classes, result.manifest, result.stream, whole_legend)


def compose(
    frame: Frame, classes: np.ndarray, manifest: Manifest, shown: str, whole_legend: bool = False
) -> np.ndarray:
    """Sets a frame, its prediction and the overlay side by side, with a legend below.

    Args:
        frame: with "rgb", "depth" or both.
        classes: uint8 (h, w), the prediction at the frame's size.
        manifest: for names and colours.
        shown: name of the output that was predicted, for the title.
        whole_legend: name all classes, so that all pictures are of one size.

    Returns:
        uint8 (h', w', 3).
    """
    colours = colorize(classes, manifest.palette)
    row = []
    if "rgb" in frame.images:
        row.append(("rgb", frame.images["rgb"]))
    if "depth" in frame.images:
        known = frame.images["depth"][frame.images["depth"] > 0]
        title = f"depth, median {np.median(known):.1f} m" if known.size else "depth (missing)"
        row.append((title, depth_picture(frame.images["depth"])))
    row.append((f"prediction ({shown})", colours))
    if "rgb" in frame.images:
        row.append(("overlay", overlay(frame.images["rgb"], colours)))
    pictures = side_by_side(row, _height(classes.shape[0]))
    present = [int(c) for c in np.unique(classes) if c < len(manifest.classes)]
    chosen = None if whole_legend else present
    return stack([pictures, legend(manifest.classes, manifest.palette, pictures.shape[1], chosen)])


def _height(rows: int) -> int:
    return min(max(rows, _LEAST_HEIGHT), _MOST_HEIGHT)


def shares(result: Result) -> list[float]:
    """The share of pixels of every class, 0 to 1."""
    names = result.manifest.classes
    counts = np.bincount(result.classes.ravel(), minlength=len(names))[: len(names)]
    return [float(n) / result.classes.size for n in counts]


class Panels:
    """Draws rgb, depth and overlay of one result after the other at one size.

    The ramp of the depth picture follows the nearest and the farthest depths slowly, or a live
    picture would flicker.
    """

    def __init__(self) -> None:
        self._ramp: tuple[float, float] | None = None

    def __call__(self, result: Result) -> list[np.ndarray]:
        """The panels in the order of PANELS, each uint8 (h, w, 3)."""
        images = result.frame.images
        height, width = next(iter(images.values())).shape[:2]
        factor = 1.0
        if height > _LIVE_HEIGHT:
            factor = _LIVE_HEIGHT / height
        elif height < _LEAST_HEIGHT:
            factor = float(-(-_LEAST_HEIGHT // height))  # whole: every pixel stays a square
        height, width = round(height * factor), round(width * factor)
        depth = images.get("depth")
        if depth is None:
            depth_panel = np.zeros((height, width, 3), np.uint8)
        else:
            small = resize_nearest(depth, height, width)
            depth_panel = depth_picture(small, *self._range(small))
        rgb = images.get("rgb")
        if rgb is None:
            rgb_panel = np.zeros((height, width, 3), np.uint8)
        elif factor > 1:
            rgb_panel = resize_nearest(rgb, height, width)
        else:
            rgb_panel = resize_image(rgb, height, width)
        base = depth_panel if rgb is None or "rgb" in result.missing else rgb_panel
        colours = colorize(resize_nearest(result.classes, height, width), result.manifest.palette)
        return [rgb_panel, depth_panel, overlay(base, colours)]

    def _range(self, depth: np.ndarray) -> tuple[float, float]:
        sample = depth[::4, ::4]
        known = sample[sample > 0]
        if known.size:
            now = (float(np.percentile(known, 2)), float(np.percentile(known, 98)))
            before = self._ramp or now
            self._ramp = (
                before[0] + 0.1 * (now[0] - before[0]),
                before[1] + 0.1 * (now[1] - before[1]),
            )
        return self._ramp or (0.0, 1.0)


def jpeg(panels: list[np.ndarray], layout: str) -> bytes:
    """The panels beside ("row") or below ("column") each other as one JPEG."""
    axis = 1 if layout == "row" else 0
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(panels, axis=axis)).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def png(image: np.ndarray) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
