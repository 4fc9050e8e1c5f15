"""What people see of a result: the picture for files, and the panels of the live page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..runtime.image_kind import ImageKind
from ..runtime.manifest import Manifest
from ..runtime.pictures import (
    colorize,
    depth_picture,
    image_picture,
    legend,
    overlay,
    side_by_side,
    stack,
)
from ..runtime.preprocess import Frame, resize_image, resize_nearest
from . import domains
from .network import Result

# Large frames are shown at this height: four of them side by side still fit a screen.
_MOST_HEIGHT, _LEAST_HEIGHT = 480, 240
# A panel of the live page is a third of a screen wide; more would only cost time.
_LIVE_HEIGHT = 360
PANEL_LAYOUTS = ("row", "column")
JPEG_QUALITY = 85


def picture(result: Result, whole_legend: bool = False) -> np.ndarray:
    """A result as one picture: of a segmentation see `compose`, of a translation the domains given
    and the image made of them, side by side.
    """
    if result.image is not None:
        row = domains.panels(result.frame, result.image, result.manifest, result.stream)
        return side_by_side(row, _height(result.image.shape[0]))
    frame = Frame(result.frame.name, {k: _fitted(v) for k, v in result.frame.images.items()})
    height, width = next(iter(frame.images.values())).shape[:2]
    classes = resize_nearest(result.classes, height, width)
    return compose(frame, classes, result.manifest, result.stream, whole_legend)


def _fitted(image: np.ndarray) -> np.ndarray:
    """An image no higher than it is shown: to paint a camera's every pixel first would take longer."""
    height, width = image.shape[:2]
    if height <= _MOST_HEIGHT:
        return image
    resize = resize_image if _is_colour(image) else resize_nearest
    return resize(image, _MOST_HEIGHT, round(width * _MOST_HEIGHT / height))


def compose(
    frame: Frame, classes: np.ndarray, manifest: Manifest, shown: str, whole_legend: bool = False
) -> np.ndarray:
    """Sets a frame, its prediction and the overlay side by side, with a legend below.

    Args:
        frame: with any images.
        classes: uint8 (h, w), the prediction at the frame's size.
        manifest: for names and colours.
        shown: name of the output that was predicted, for the title.
        whole_legend: name all classes, so that all pictures are of one size.

    Returns:
        uint8 (h', w', 3).
    """
    colours = colorize(classes, manifest.palette)
    row = []
    for name in shown_names(frame, manifest):
        image, kind = frame.images[name], kind_in(manifest, name)
        row.append((_title(name, image, kind), image_picture(image, kind)))
    row.append((f"prediction ({shown})", colours))
    base = base_name(frame, manifest)
    if base:
        row.append(("overlay", overlay(frame.images[base], colours)))
    pictures = side_by_side(row, _height(classes.shape[0]))
    present = [int(c) for c in np.unique(classes) if c < len(manifest.classes)]
    chosen = None if whole_legend else present
    return stack([pictures, legend(manifest.classes, manifest.palette, pictures.shape[1], chosen)])


def kind_in(manifest: Manifest, name: str) -> ImageKind | None:
    """The kind of an image that the artifact takes; None of another."""
    spec = manifest.inputs.get(name)
    return spec.kind if spec else None


def shown_names(frame: Frame, manifest: Manifest) -> list[str]:
    """The images of a frame, colours first, then as the artifact takes them, then the others."""
    names = [name for name in manifest.inputs if name in frame.images]
    names += [name for name in frame.images if name not in names]
    return sorted(names, key=lambda name: not _is_colour(frame.images[name]))


def base_name(frame: Frame, manifest: Manifest) -> str:
    """The colour image that a prediction is laid over; "" where there is none."""
    names = shown_names(frame, manifest)
    return names[0] if names and _is_colour(frame.images[names[0]]) else ""


def _is_colour(image: np.ndarray) -> bool:
    return image.dtype == np.uint8 and image.shape[2:] == (3,)


def is_depth(image: np.ndarray, kind: ImageKind | None) -> bool:
    """Metres in one channel; of an image that the artifact does not take by its type."""
    return image.ndim == 2 and (image.dtype == np.float32 if kind is None else kind.unit == "m")


def _title(name: str, image: np.ndarray, kind: ImageKind | None) -> str:
    if not is_depth(image, kind):
        return name
    known = image[image > 0]
    return f"{name}, median {np.median(known):.1f} m" if known.size else f"{name} (missing)"


def _height(rows: int) -> int:
    return min(max(rows, _LEAST_HEIGHT), _MOST_HEIGHT)


def shares(result: Result) -> list[float]:
    """The share of pixels of every class, 0 to 1."""
    names = result.manifest.classes
    counts = np.bincount(result.classes.ravel(), minlength=len(names))[: len(names)]
    return [float(n) / result.classes.size for n in counts]


class Panels:
    """Draws colour, another image and overlay of one result after the other at one size.

    The ramp of the depth picture follows the nearest and the farthest depths slowly, or a live
    picture would flicker.
    """

    def __init__(self) -> None:
        self.names = ("rgb", "depth")
        self._ramp: tuple[float, float] | None = None

    def __call__(self, result: Result) -> list[np.ndarray]:
        """The panels, each uint8 (h, w, 3); `names` says of which images the first two are."""
        images = result.frame.images
        height, width = next(iter(images.values())).shape[:2]
        factor = 1.0
        if height > _LIVE_HEIGHT:
            factor = _LIVE_HEIGHT / height
        elif height < _LEAST_HEIGHT:
            factor = float(-(-_LEAST_HEIGHT // height))  # whole: every pixel stays a square
        height, width = round(height * factor), round(width * factor)
        colour = base_name(result.frame, result.manifest)
        others = [n for n in shown_names(result.frame, result.manifest) if n != colour]
        self.names = (colour or "rgb", others[0] if others else "depth")
        second = np.zeros((height, width, 3), np.uint8)
        if others:
            kind = kind_in(result.manifest, others[0])
            small = resize_nearest(images[others[0]], height, width)
            if is_depth(small, kind):
                second = depth_picture(small, *self._range(small))
            else:
                second = image_picture(small, kind)
        if not colour:
            first = np.zeros((height, width, 3), np.uint8)
        elif factor > 1:
            first = resize_nearest(images[colour], height, width)
        else:
            first = resize_image(images[colour], height, width)
        base = second if not colour or colour in result.missing else first
        colours = colorize(resize_nearest(result.classes, height, width), result.manifest.palette)
        return [first, second, overlay(base, colours)]

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
