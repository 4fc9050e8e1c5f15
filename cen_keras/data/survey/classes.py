"""Which classes label files hold, and how a data set's spec has to say so."""

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.image_files import LOSSY, read_array, read_label
from cen_keras.errors import InputError

MOST_COLOURS = 256
SPARSE = 2
"""So many times more numbers than classes make a label map worth it."""
LISTS = ("classes.txt", "labels.txt")
"""Where names may stand, one a line, in or beside the folder."""


def label_options(
    files: Sequence[Path], names: Sequence[str] | None, ignore: int
) -> tuple[dict[str, Any], np.ndarray, int]:
    """Finds what a spec has to say of labels.

    Args:
        files: label files.
        names: of the classes; None for "class0", "class1", ...
        ignore: the label that does not count.

    Returns:
        `classes`, and `colours` or `label_map` where the files need them; pixels of each class,
        int64 (classes,); pixels ignored.

    Raises:
        InputError: a file cannot be read, or the names are too few.
    """
    counts = _counts(files)
    options: dict[str, Any] = {}
    numbers: dict[Any, int]
    if any(isinstance(value, str) for value in counts):
        numbers = {colour: number for number, colour in enumerate(sorted(counts))}
        options["colours"] = numbers
    else:
        values = sorted(value for value in counts if value != ignore)
        if len(values) == 1 and ignore in counts:
            values = sorted(counts)  # a mask of 0 and 255
        if not values:
            raise InputError(
                f"{files[0].parent}: all labels are {ignore}, which is ignored; there is nothing to "
                "learn. Name another one with --ignore."
            )
        numbers = {value: value for value in values}
        wanted = len(names) if names else max(SPARSE * len(values), 16)
        if values[0] < 0 or values[-1] >= wanted or ignore in values:
            numbers = {value: number for number, value in enumerate(values)}
            options["label_map"] = {str(old): new for old, new in numbers.items() if old != new}
    count = max(numbers.values()) + 1
    if names is None:
        names = [f"class{number}" for number in range(count)]
    if len(names) < count:
        raise InputError(
            f"{files[0].parent}: {len(names)} names of classes ({', '.join(names)}), but the labels "
            f"hold {len(numbers)} classes, {', '.join(map(str, list(numbers)[:12]))}; name them all."
        )
    pixels = np.zeros(len(names), np.int64)
    for value, number in numbers.items():
        pixels[number] += counts[value]
    ignored = sum(counts.values()) - int(pixels.sum())
    return {"classes": tuple(names), **options}, pixels, ignored


def names_beside(*folders: Path) -> list[str] | None:
    """Names of classes in a list of one of the usual names; None where there is none."""
    for folder in folders:
        for name in LISTS:
            path = folder / name
            if path.is_file():
                lines = path.read_text(encoding="utf-8").splitlines()
                return [line.strip() for line in lines if line.strip()]
    return None


def _counts(files: Sequence[Path]) -> dict[Any, int]:
    """Pixels of each label, or of each colour "#rrggbb" where a file has colours."""
    colours = any(_is_coloured(path) for path in files[:3])
    counts: collections.Counter = collections.Counter()
    for path in files:
        if not colours:
            found, pixels = np.unique(read_label(path), return_counts=True)
            counts.update(dict(zip(found.tolist(), pixels.tolist(), strict=True)))
            continue
        image = read_array(path)
        image = image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)
        packed = image.astype(np.int64) @ np.array([65536, 256, 1])
        found, pixels = np.unique(packed, return_counts=True)
        counts.update({f"#{c:06x}": int(n) for c, n in zip(found, pixels, strict=True)})
        if len(counts) > MOST_COLOURS:
            raise InputError(
                f"{path}: labels have more than {MOST_COLOURS} colours, as after smoothing or JPEG; "
                "save one colour for each class, as PNG."
            )
    return dict(counts)


def _is_coloured(path: Path) -> bool:
    if path.suffix.lower() in LOSSY:
        return False  # refused when it is read
    try:
        read_label(path)
    except InputError:
        image = read_array(path)
        return image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    return False
