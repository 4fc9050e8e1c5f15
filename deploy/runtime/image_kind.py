"""What a board must know of one kind of image: the part of the host's `Modality` that the manifest
carries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Mapping

import numpy as np

from .errors import InputError

INTERPOLATIONS = ("nearest", "bilinear", "cubic")
MIRRORS = ("copy", "negate_x")


@dataclass(frozen=True)
class ImageKind:
    """One kind of image; the host's fields of the same names.

    Attributes:
        unit: of the numbers in a frame, "m" for metres; None where they are counts or shares.
        interpolation: "nearest", or "bilinear" or "cubic" for what may be averaged.
        missing: value of pixels where nothing was measured; NaN and infinity become it. None: every
            pixel is measured, and NaN or infinity is an error.
        mirror: "negate_x" for vectors of -1..1 (normals), which files hold as counts; or "copy".
        unit_per_count: unit of one count of a file of whole numbers; None keeps the counts.
        missing_counts: counts of a file that mean `missing`.
        limits: least and largest median of the known values of an image in the right unit; None for
            no check.
        values: least and largest value that an image can hold; None where unknown.
        medians: of the medians of the training data's images the 1st and the 99th percentile; None where
            unknown.
        channels: of an image.
        aliases: other usual names of its folders and endings of its files.
    """

    unit: str | None = None
    interpolation: str = "bilinear"
    missing: float | None = None
    mirror: str = "copy"
    unit_per_count: float | None = None
    missing_counts: tuple[int, ...] = ()
    limits: tuple[float, float] | None = None
    values: tuple[float, float] | None = None
    channels: int = 3
    aliases: tuple[str, ...] = ()
    medians: tuple[float, float] | None = None

    @property
    def blank(self) -> float:
        """Value of an image that is not there: a camera that was unplugged."""
        return 0.0 if self.missing is None else self.missing

    def to_json(self) -> dict[str, Any]:
        """The fields as the manifest writes them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def finite(self, image: np.ndarray, source: str) -> np.ndarray:
        """The image with `missing` for NaN and infinity; itself where there are none.

        Raises:
            InputError: there are some, and there is no value for missing; `source` opens the
                message.
        """
        if image.dtype.kind != "f":
            return image
        good = np.isfinite(image)
        if good.all():
            return image
        if self.missing is None:
            raise InputError(
                f"{source}: {int((~good).sum())} values are NaN or infinite, and this kind of image "
                "has none for missing; mend the source"
            )
        return np.where(good, image, image.dtype.type(self.missing))


PICTURE = ImageKind(values=(0.0, 255.0), aliases=("color", "colour", "image", "images", "img"))
METRES = ImageKind(
    *("m", "nearest", 0.0, "copy", 0.001, (0, 65535)),
    limits=(0.25, 7.0),
    values=(0.0, 100.0),
    channels=1,
)
# What an input is whose manifest says no more than its content.
USUAL = {"image": PICTURE, "depth": METRES}


def kind_from_json(value: Mapping[str, Any], where: str) -> ImageKind:
    """Reads and checks the kind of an input; fields that are lacking have their usual value.

    Raises:
        InputError: a field is unknown or does not fit; `where` opens the message.
    """
    known = {field.name for field in fields(ImageKind)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise InputError(f"{where}: the field {unknown[0]!r} of its kind is unknown")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
    for name, choice in (("interpolation", INTERPOLATIONS), ("mirror", MIRRORS)):
        if name in given and given[name] not in choice:
            raise InputError(f"{where}: {name} is {given[name]!r}, wanted one of {choice}")
    for name in ("missing", "unit_per_count"):
        if given.get(name) is not None and not is_number(given[name]):
            raise InputError(f"{where}: {name} is {given[name]!r}, wanted a number")
    if given.get("unit_per_count") is not None and given["unit_per_count"] <= 0:
        raise InputError(f"{where}: unit_per_count is {given['unit_per_count']}, wanted above 0")
    if given.get("unit") is not None and not isinstance(given["unit"], str):
        raise InputError(f"{where}: unit is {given['unit']!r}, wanted a word")
    for name in ("limits", "values", "medians"):
        pair = given.get(name)
        if pair is None:
            continue
        good = isinstance(pair, tuple) and len(pair) == 2 and all(map(is_number, pair))
        if not good or pair[0] > pair[1] or (pair[0] == pair[1] and name != "medians"):
            raise InputError(f"{where}: {name} is {pair}, wanted the least and the largest")
    channels = given.get("channels", 3)
    if type(channels) is not int or channels < 1:
        raise InputError(f"{where}: channels is {channels!r}, wanted a whole number from 1")
    aliases = given.get("aliases", ())
    if not isinstance(aliases, tuple) or not all(isinstance(word, str) for word in aliases):
        raise InputError(f"{where}: aliases is {aliases!r}, wanted words")
    counts = given.get("missing_counts", ())
    if not isinstance(counts, tuple) or not all(type(count) is int for count in counts):
        raise InputError(f"{where}: missing_counts is {counts}, wanted whole numbers")
    return ImageKind(**given)


def kind_of(modality: Any) -> ImageKind:
    """The kind of a host's `Modality`, or of anything with fields of these names."""
    names = [field.name for field in fields(ImageKind) if field.name != "medians"]
    return ImageKind(**{name: getattr(modality, name) for name in names})


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number that one can reckon with: Python's reader takes NaN too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
