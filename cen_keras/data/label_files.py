"""Label files as class numbers: palettes, pictures of few bits, and colours with a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.image_files import read_array
from cen_keras.errors import InputError

LOSSY = (".jpg", ".jpeg")
_ARRAYS = (".npy", ".exr", ".pfm")
_STRETCH = 257
"""What 8 bits are multiplied by to be 16: 255 becomes 65535."""


def read_label(path: Any, colours: Mapping[tuple[int, int, int], int] | None = None) -> np.ndarray:
    """Reads labels.

    Args:
        path: PNG, TIFF, BMP, PGM or NPY of class numbers; of colours with a table.
        colours: RGB -> class number. With it every picture is read as colours, also one
            saved as grey; arrays (NPY, EXR) of one channel hold numbers all the same.

    Returns:
        integers (h, w): of a palette its indices, of 1, 2 or 4 bits the numbers as written.

    Raises:
        InputError: it cannot be read, is JPEG, holds colours without a table or colours that are
            not in it, or numbers that are not whole.
    """
    path = Path(path)
    _refuse_lossy(path)
    if colours and path.suffix.lower() not in _ARRAYS:
        return _classes_of(read_label_colours(path), colours, path)
    image = read_array(path, indices=not colours)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype.kind == "f":
        # NaN is equal to nothing; infinity is to itself.
        if not (np.isfinite(image) & (image == np.rint(image))).all():
            raise InputError(f"{path}: labels hold numbers that are not whole")
        image = image.astype(np.int32)
    if image.ndim == 3 and image.shape[2] == 3:
        if colours:
            return _classes_of(_eight_bits(image, path), colours, path)
        if (image != image[..., :1]).any():
            raise InputError(
                f"{path}: has 3 channels, must have one that holds class numbers; give a table of "
                "colours (`colours`), or map them to numbers first"
            )
        image = image[..., 0]  # a grey picture saved as colour
    if image.ndim != 2:
        raise InputError(f"{path}: labels have {image.shape[2]} channels, must have one")
    return image.astype(np.uint8) if image.dtype == bool else image


def read_label_colours(path: Any) -> np.ndarray:
    """Reads a label picture as colours.

    Returns:
        integers (h, w, 3): RGB of 8 bits; grey, as which a picture of black and white alone is
        often saved, is repeated; a palette is looked up.

    Raises:
        InputError: it cannot be read, is JPEG, or holds no colours of 8 bits.
    """
    path = Path(path)
    _refuse_lossy(path)
    image = read_array(path, shown=True)
    image = image[..., None] if image.ndim == 2 else image
    return _eight_bits(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, path)


def packed(colours: np.ndarray) -> np.ndarray:
    """One number for each colour of 8 bits, 0xrrggbb: int64 of (..., 3)."""
    return colours.astype(np.int64) @ np.array([65536, 256, 1])


def _eight_bits(image: np.ndarray, path: Path) -> np.ndarray:
    """Colours of 8 bits, of 16 bits where they are the same colours."""
    if image.dtype == np.uint16 and not (image % _STRETCH).any():
        image = image // _STRETCH
    whole = image.dtype.kind in "iu" and image.shape[2] == 3
    if not whole or image.min() < 0 or image.max() > 255:
        raise InputError(
            f"{path}: holds {image.dtype} of {image.shape[2]} channels; wanted colours of 8 bits, "
            "as their table (`colours`) has them; leave it out where labels are class numbers"
        )
    return image


def _refuse_lossy(path: Path) -> None:
    if path.suffix.lower() in LOSSY:
        raise InputError(f"{path}: JPEG changes class numbers; save labels as PNG")


def _classes_of(
    image: np.ndarray, colours: Mapping[tuple[int, int, int], int], path: Path
) -> np.ndarray:
    """Class numbers of colours."""
    found = packed(image)
    table = {(r << 16) | (g << 8) | b: number for (r, g, b), number in colours.items()}
    known = np.array(sorted(table))
    place = np.minimum(np.searchsorted(known, found), len(known) - 1)
    wrong = known[place] != found
    if wrong.any():
        first = tuple(int(x) for x in image[wrong][0])
        grey = (image == image[..., :1]).all()
        way = "; or, if these are class numbers, leave out `colours`" if grey else ""
        raise InputError(
            f"{path}: {int(wrong.sum())} pixels have colours that are not in the table, the first "
            f"{first}; add them, or save without smoothing and without JPEG{way}"
        )
    return np.array([table[int(key)] for key in known])[place].astype(np.int32)
