"""Which classes label files hold, and how a data set's spec has to say so."""

import collections
import dataclasses
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.image_files import read_array
from cen_keras.data.label_files import LOSSY, packed, read_label, read_label_colours
from cen_keras.data.labels import IGNORE
from cen_keras.data.survey.names import IGNORE_NAME, Names, parsed
from cen_keras.errors import InputError

MOST_COLOURS = 255
BLACK = "#000000"
SPARSE = 2
"""So many times more numbers than classes make a label map worth it."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """What label files hold.

    Attributes:
        options: of a spec: `classes`, and `colours`, `palette` or `label_map` where they are needed.
        pixels: int64 (classes,).
        ignored: pixels that do not count.
        ignore: their label in a view: that of the files, or IGNORE where it is a class' number.
    """

    options: dict[str, Any]
    pixels: np.ndarray
    ignored: int
    ignore: int


def survey_labels(files: Sequence[Path], names: Sequence[str] | None, ignore: int) -> Labels:
    """Finds what a spec has to say of labels.

    Args:
        files: label files.
        names: of the classes, with or without their colours, see `survey.names.parsed`; None for
            "class0", "class1", ...
        ignore: the label in the files that does not count.

    Raises:
        InputError: a file cannot be read, the names are too few, or do not fit the labels' colours.
    """
    named = parsed(names) if names else Names((), {})
    counts = _counts(files, named.colours.keys())
    coloured = any(isinstance(value, str) for value in counts)
    if coloured:
        numbers = _numbers_of_colours(counts, named, files[0].parent)
        colours = numbers
    else:
        numbers = _numbers_of_values(counts, named.names, ignore, files[0].parent)
        colours = named.colours
    found = {value: number for value, number in numbers.items() if number is not None}
    count = max(found.values()) + 1
    classes = named.names or tuple(f"class{number}" for number in range(count))
    if len(classes) < count:
        raise InputError(
            f"{files[0].parent}: {len(classes)} names of classes ({', '.join(classes)}), but the labels "
            f"hold {len(found)} classes, {', '.join(map(str, list(found)[:12]))}; name them all."
        )
    outside = ignore
    if ignore in found.values():
        outside = IGNORE
        numbers = numbers if coloured else {ignore: None, **numbers}
    lookup = {value: outside if number is None else number for value, number in numbers.items()}
    options: dict[str, Any] = {"classes": classes}
    if coloured:
        options["colours"] = lookup
    elif any(old != new for old, new in lookup.items()):
        options["label_map"] = {str(old): new for old, new in lookup.items() if old != new}
    if colours:
        options["palette"] = _palette(colours)
    pixels = np.zeros(len(classes), np.int64)
    for value, number in found.items():
        pixels[number] += counts.get(value, 0)
    return Labels(options, pixels, sum(counts.values()) - int(pixels.sum()), outside)


def _numbers_of_values(
    counts: dict[Any, int], names: Sequence[str], ignore: int, folder: Path
) -> dict[Any, int | None]:
    """Label -> class number: the same, unless the labels are sparse or of another range."""
    values = sorted(value for value in counts if value != ignore)
    if len(values) == 1 and ignore in counts:
        values = sorted(counts)  # a mask of 0 and 255
    if not values:
        raise InputError(
            f"{folder}: all labels are {ignore}, which is ignored; there is nothing to learn. Name "
            "another one with --ignore."
        )
    wanted = len(names) or max(SPARSE * len(values), 16)
    if values[0] < 0 or values[-1] >= wanted or ignore in values:
        if names and len(names) != len(values):
            raise InputError(
                f"{folder}: {len(names)} names of classes ({', '.join(names)}), but the labels hold "
                f"{', '.join(map(str, values[:12]))}, so whose is whose is open; name as many, in their order, and "
                "what does not count with --ignore."
            )
        return {value: number for number, value in enumerate(values)}
    return {value: value for value in values}


def _numbers_of_colours(
    counts: dict[Any, int], named: Names, folder: Path
) -> dict[Any, int | None]:
    """Colour -> class number, None for what does not count: as named, else by value."""
    if not named.names:
        return {colour: number for number, colour in enumerate(sorted(counts))}
    unknown = sorted(set(counts) - set(named.colours), key=lambda colour: -counts[colour])
    if unknown:
        total = sum(counts.values())
        shares = [f"{c} ({100 * counts[c] / total:.2g} % of the pixels)" for c in unknown[:12]]
        more = ", ..." if len(unknown) > 12 else ""
        raise InputError(
            f"{folder}: labels hold colours of no class: {', '.join(shares)}{more}; say whose they "
            f"are: --classes 'NAME={unknown[0]},...', or {IGNORE_NAME}={unknown[0]} for what does not count."
        )
    return dict(named.colours)


def _palette(colours: dict[str, int | None]) -> list[list[int]]:
    """RGB of each class, the first of its colours."""
    first: dict[int, str] = {}
    for colour, number in colours.items():
        if number is not None:
            first.setdefault(number, colour)
    return [list(bytes.fromhex(first[number][1:])) for number in sorted(first)]


def _counts(files: Sequence[Path], named: Set[str]) -> dict[Any, int]:
    """Pixels of each label, or of each colour "#rrggbb" where a file has colours.

    Args:
        files: label files.
        named: colours of the classes, where they have some: files of numbers with a palette count
            as colours then.
    """
    colours = _are_coloured(files, named)
    counts: collections.Counter = collections.Counter()
    for path in files:
        if not colours:
            found, pixels = np.unique(read_label(path), return_counts=True)
            counts.update(dict(zip(found.tolist(), pixels.tolist(), strict=True)))
            continue
        counts.update(_colours_in(path))
        if len(counts) > MOST_COLOURS:
            raise InputError(
                f"{path}: labels have more than {MOST_COLOURS} colours, as after smoothing or JPEG; "
                "save one colour for each class, as PNG."
            )
    return dict(counts)


def _colours_in(path: Path) -> dict[str, int]:
    """Pixels of each colour of a file."""
    found, pixels = np.unique(packed(read_label_colours(path)), return_counts=True)
    return {f"#{c:06x}": int(n) for c, n in zip(found, pixels, strict=True)}


def _are_coloured(files: Sequence[Path], named: Set[str]) -> bool:
    """Whether labels are colours: some have three channels, or all are greys that have a name."""
    if any(_is_coloured(path, bool(named)) for path in files):
        return True
    if not named:
        return False
    greys: set[str] = set()
    for path in (path for path in files if path.suffix.lower() not in LOSSY):
        if read_array(path).dtype not in (bool, np.uint8):
            return False
        greys |= _colours_in(path).keys()
        if not greys <= named:
            return False
    # Black alone is the class 0 as well.
    return greys != {BLACK}


def _is_coloured(path: Path, by_palette: bool) -> bool:
    if path.suffix.lower() in LOSSY:
        return False  # refused when it is read
    if not by_palette:
        try:
            read_label(path)
        except InputError:
            pass
        else:
            return False  # numbers; a palette is only how they are shown
    image = read_array(path)
    return image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
