"""Class names, colours and the check that labels are what a model expects.

The 13 classes are those of Couprie et al., "Indoor Semantic Segmentation using depth information"
(2013), for NYUDv2.
"""

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
        ValueError: `num_classes` is not in 1..255.
    """
    if not 1 <= num_classes <= 255:
        raise ValueError(f"palette: num_classes is {num_classes}, must be between 1 and 255.")
    number = np.arange(1, num_classes + 1)
    colours = np.zeros((num_classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((number >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours


def colorize(label: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Labels as a picture.

    Args:
        label: integers (..., ), each below `len(colours)` or `IGNORE`.
        colours: uint8 (n, 3) RGB.

    Returns:
        uint8 (..., 3); ignored pixels are black.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    return table[np.asarray(label, np.uint8)]


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
        raise InputError(
            f"{source}: found label {listed}; must be 0..{num_classes - 1}, "
            f"or {ignore} for ignored pixels. "
            f"Map the labels to {num_classes} classes, or set the number of classes to at least "
            f"{int(values.max()) + 1}."
        )
