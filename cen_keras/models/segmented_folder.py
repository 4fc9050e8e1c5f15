"""Class maps and overlays of a folder of raw images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.labels import hexadecimal
from cen_keras.errors import InputError
from cen_keras.files import atomic_path

SHARE = 0.5
"""Of the classes' colours in an overlay."""
MOST_CLASSES = 256
"""That fit a PNG's palette."""


def segment_folder(
    model: Any,
    folder: str | Path,
    out: str | Path,
    output: str = "ensemble",
    folders: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cameras: Any = None,
) -> list[Path]:
    """Writes what a model says of every view of a folder.

        OUT/classes/NAME.png    class numbers, one channel, with the classes' colours as palette
        OUT/overlays/NAME.png   half the picture, half the classes' colours
        OUT/classes.txt         name=#rrggbb of each class, from number 0 on

    Args:
        model: a Segmenter.
        folder: of views, see `cen_keras.data.folder.FolderViews`; labels are not read.
        out: where the pictures go; it is made.
        output: "ensemble" or a modality.
        folders: modality -> folder or ending of files where they are none of the usual.
        progress: called with how many of how many views are done.
        cameras: of the rig, to register its depth, see `FolderViews`.

    Returns:
        the class maps' files.

    Raises:
        InputError: the folder's views cannot be read, or the model has more classes than a palette.
    """
    from PIL import Image

    from cen_keras.data.folder import FolderViews

    if len(model.classes) > MOST_CLASSES:
        raise InputError(f"{len(model.classes)} classes; a PNG has {MOST_CLASSES} colours at most.")
    views = FolderViews(
        folder, model.descriptions.values(), folders=folders, label=False, cameras=cameras
    )
    colours = np.array(model.classes.colours, np.uint8)
    written = []
    for index, name in enumerate(views.names):
        view = views[index]
        classes = model.segment(view, output).astype(np.uint8)
        picture = Image.fromarray(classes, "P")
        picture.putpalette(colours.tobytes())
        path = Path(out) / "classes" / f"{name}.png"
        overlay = (1 - SHARE) * _shown(view) + SHARE * colours[classes]
        blended = Image.fromarray(np.round(overlay).astype(np.uint8))
        for place, image in ((path, picture), (Path(out) / "overlays" / f"{name}.png", blended)):
            with atomic_path(place) as temporary:
                image.save(temporary)
        written.append(path)
        if progress is not None:
            progress(index + 1, len(views))
    names = zip(model.classes.names, colours, strict=True)
    lines = [f"{name}={hexadecimal(colour)}\n" for name, colour in names]
    with atomic_path(Path(out) / "classes.txt") as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    return written


def _shown(view: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns a picture of a view, (h, w, 3) in 0..255: colour, else the first modality, stretched."""
    for image in view.values():
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[-1] == 3:
            return image
    image = np.asarray(next(iter(view.values())), np.float32)
    image = image if image.ndim == 2 else image[..., 0]
    known = image[np.isfinite(image)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    image = np.nan_to_num(image, nan=low, posinf=high, neginf=low)
    return np.repeat((255 * (image - low) / max(high - low, 1e-6))[..., None], 3, -1)
