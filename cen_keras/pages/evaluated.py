"""What the last evaluation of a training can show: scores by class, confusion matrix, pictures of views."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from cen_keras.data.labels import hexadecimal
from cen_keras.pages.extremes import Segmented
from cen_keras.visualization import shown

HEIGHT = 168
"""Rows of a picture on a page at most, pixels."""
_WRONG, _RIGHT, _UNKNOWN = (214, 40, 57), (222, 226, 230), (0, 0, 0)


@dataclass(frozen=True)
class ViewPictures:
    """One view: its inputs, what was true, what the model made of it.

    Attributes:
        title: a line about it.
        pictures: (caption, uint8 (h, w, 3)) in order.
        name: short, for logs.
    """

    title: str
    pictures: list[tuple[str, np.ndarray]]
    name: str

    def urls(self) -> list[tuple[str, str]]:
        """Returns the pictures as (caption, data URL of a PNG); a single one keeps its size."""
        height = HEIGHT if len(self.pictures) > 1 else None
        return [(caption, data_url(picture, height)) for caption, picture in self.pictures]


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation can show; what a task does not have is empty.

    Attributes:
        epoch: of the evaluation, from 0.
        iou: stream -> class -> IoU in 0..1, None where it is undefined.
        confusion: (n, n) pixels of the ensemble, rows are true classes.
        classes: the n names.
        palette: (n, 3) colours of the classes in the pictures, 0..255.
        views: pictures.
    """

    epoch: int
    iou: dict[str, dict[str, float | None]] = field(default_factory=dict)
    confusion: Any = None
    classes: Sequence[str] = ()
    palette: Any = ()
    views: list[ViewPictures] = field(default_factory=list)


def views_of(
    kept: Mapping[str, Sequence[Segmented]],
    views: Any,
    descriptions: Mapping[str, Any],
    ignore: int = 255,
) -> list[ViewPictures]:
    """Reads views again and paints them.

    Args:
        kept: "worst" or "best" -> views, as `Extremes` has them.
        views: of that evaluation, a `cen_keras.data.views.Views`.
        descriptions: modality -> `Modality`, or None where nothing is known of it; what is shown first.
        ignore: the label of pixels that do not count.
    """
    found = []
    for kind, some in kept.items():
        for number, one in enumerate(some, 1):
            title = (
                f"{kind} {number}: view {one.index}, {100 * one.accuracy:.1f} % of its pixels right"
            )
            pictures = _pictures(views[one.index], one, descriptions, views.palette, ignore)
            found.append(ViewPictures(title, pictures, f"{kind}_{number}"))
    return found


def legend_of(classes: Sequence[str], palette: Any) -> list[tuple[str, str]]:
    """Returns the classes as (name, colour as #rrggbb)."""
    return [(name, hexadecimal(colour)) for name, colour in zip(classes, palette, strict=False)]


def _pictures(
    view: Mapping[str, Any],
    segmented: Segmented,
    descriptions: Mapping[str, Any],
    palette: np.ndarray,
    ignore: int,
) -> list[tuple[str, np.ndarray]]:
    pictures = [
        (name, shown(np.asarray(view[name]), getattr(modality, "missing", None)))
        for name, modality in descriptions.items()
        if name in view
    ]
    label = np.asarray(view["label"]).astype(int)
    known = label != ignore
    # Not every data set gives labels at the size of its pictures.
    predicted = cv2.resize(
        segmented.classes.astype(np.uint8), label.shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    wrong = np.where((label != predicted)[..., None], _WRONG, _RIGHT)
    wrong = np.where(known[..., None], wrong, _UNKNOWN).astype(np.uint8)
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    truth = np.where(known[..., None], colours[np.where(known, label, 0)], 0).astype(np.uint8)
    return [*pictures, ("truth", truth), ("ensemble", colours[predicted]), ("wrong in red", wrong)]


def confusion_picture(matrix: Any, side: int = 12) -> np.ndarray:
    """Paints a confusion matrix without words: white 0, dark 1 of the true class.

    Args:
        matrix: (n, n) pixels; rows are true classes.
        side: of a cell, pixels.

    Returns:
        uint8 (n * side, n * side, 3).
    """
    counts = np.asarray(matrix, float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cells = np.round(255 - 215 * share[..., None] * (1, 0.7, 0.4)).astype(np.uint8)
    return np.kron(cells, np.ones((side, side, 1), np.uint8))


def data_url(picture: np.ndarray, most: int | None = HEIGHT) -> str:
    """Returns a uint8 (h, w, 3) picture, of at most so many rows, as the data URL of a PNG."""
    height, width = picture.shape[:2]
    if most is not None and height > most:
        size = max(1, round(width * most / height)), most
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode()
