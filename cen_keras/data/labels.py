"""Class names, colours and the check that labels are what a model expects.

The 13 classes are those of Couprie et al., "Indoor Semantic Segmentation using depth information"
(2013), for NYUDv2.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cen_keras.errors import InputError

IGNORE = 255
"""Label value of pixels that neither train nor count."""

NYU13_CLASSES = (
    "Bed",
    "Books",
    "Ceiling",
    "Chair",
    "Floor",
    "Furniture",
    "Objects",
    "Picture",
    "Sofa",
    "Table",
    "TV",
    "Wall",
    "Window",
)


MOST_CLASSES = 255
"""Of maps of 8 bits, which have one more number for pixels that do not count."""


def palette(num_classes: int) -> np.ndarray:
    """Distinct colours, the same for every machine and version.

    The bits of the class number are dealt out to red, green and blue, highest bit first, as the
    Pascal VOC development kit does; class 0 is not black, since black is how pictures show ignored
    pixels.

    Args:
        num_classes: how many, 1 to 255.

    Returns:
        uint8 (num_classes, 3), RGB, no two rows equal, none black.

    Raises:
        InputError: `num_classes` is not in 1..255.
    """
    if not 1 <= num_classes <= MOST_CLASSES:
        raise InputError(f"palette: there are {num_classes} classes; wanted 1 to {MOST_CLASSES}.")
    number = np.arange(1, num_classes + 1)
    colours = np.zeros((num_classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((number >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours


def hexadecimal(colour: Iterable[int]) -> str:
    """Returns an RGB colour, 0 to 255, as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*map(int, colour))


def colorize(label: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Labels as a picture.

    Args:
        label: integers (..., ); what is none of `len(colours)` classes is ignored.
        colours: uint8 (n, 3) RGB.

    Returns:
        uint8 (..., 3); ignored pixels are black.
    """
    table = np.concatenate([np.asarray(colours, np.uint8), np.zeros((1, 3), np.uint8)])
    label = np.asarray(label)
    return table[np.where((label >= 0) & (label < len(colours)), label, len(colours))]


def checked_classes(classes: Sequence[str], name: str) -> tuple[str, ...]:
    """Names of classes.

    Raises:
        InputError: no list of words, or a word comes twice.
    """
    listed = isinstance(classes, Iterable) and not isinstance(classes, str | Mapping)
    words = tuple(classes) if listed else ()
    if not words or not all(isinstance(word, str) and word for word in words):
        raise InputError(f"{name}: classes is {classes!r}; wanted a list of names.")
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise InputError(f"{name}: the class {twice[0]!r} comes twice in classes.")
    return words


def checked_palette(
    colours: Sequence[Sequence[int]] | np.ndarray | None, count: int, name: str
) -> np.ndarray:
    """A palette, uint8 (count, 3); None for the usual one.

    Raises:
        InputError: not a colour of three numbers 0..255 for each class.
    """
    if colours is None:
        return palette(count) if count else np.zeros((0, 3), np.uint8)
    try:
        found = np.asarray(colours)
        good = found.shape == (count, 3) and found.dtype.kind in "iuf"
        good = good and bool(((found >= 0) & (found <= 255) & (found == np.round(found))).all())
        shape = found.shape
    except ValueError:  # rows of different lengths
        good, shape = False, len(colours)
    if not good:
        raise InputError(
            f"{name}: the palette has the shape {shape} for {count} classes; give three numbers of "
            "0 to 255 for each class, or none for the usual colours."
        )
    return found.astype(np.uint8)


def checked_size(size: Sequence[int] | None, name: str) -> tuple[int, int] | None:
    """Height and width, or None.

    Raises:
        InputError: not two whole numbers from 1.
    """
    if size is None:
        return None
    numbers = tuple(size) if isinstance(size, Sequence | np.ndarray) else (size,)
    whole = all(isinstance(n, int | np.integer) and n > 0 for n in numbers)
    if len(numbers) != 2 or not whole:
        raise InputError(f"{name}: size is {size!r}; give [height, width], pixels.")
    return int(numbers[0]), int(numbers[1])


def check_labels(label: np.ndarray, num_classes: int, source: str, ignore: int = IGNORE) -> None:
    """Checks that every label is a class or `ignore`.

    Args:
        label: integers of any shape.
        num_classes: number of classes of the data set or the model.
        source: file or view, for the message.
        ignore: label of pixels that neither train nor count.

    Raises:
        InputError: some label is neither, or the array does not hold integers.
    """
    label = np.asarray(label)
    if not np.issubdtype(label.dtype, np.integer):
        raise InputError(f"{source}: labels are {label.dtype}, must be integers (class numbers).")
    wrong = (label != ignore) & ((label < 0) | (label >= num_classes))
    if wrong.any():
        values = np.unique(label[wrong])
        listed = ", ".join(str(value) for value in values[:8]) + (
            ", ..." if len(values) > 8 else ""
        )
        ways = [
            f'Map them to the {num_classes} classes (label_map {{"{values[0]}": 0}})',
            f"say that {values[0]} is ignored (ignore)",
        ]
        if 0 <= values[0] and values[-1] < IGNORE:
            ways.append(f"set the number of classes to at least {values[-1] + 1}")
        raise InputError(
            f"{source}: found label {listed}; must be 0..{num_classes - 1}, "
            f"or {ignore} for ignored pixels. {', or '.join(ways)}."
        )
