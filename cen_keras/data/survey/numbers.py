"""What the numbers of a modality's files are: the unit of a depth, mean and deviation of the rest."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cen_keras.data.depth_units import MIDDLE, USUAL_SCALES, are_millimetres, as_metres
from cen_keras.data.image_files import read_array
from cen_keras.errors import InputError
from cen_keras.modalities import IMAGENET_MEAN, Modality

WIDE = 4.0
"""By this factor the limits that are made up lie below and above the median that was found."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """The unit that depth files are taken to be in.

    Attributes:
        scale: metres per count; None for files that hold metres as floats.
        limits: metres between which the median has to lie; None for the usual ones.
        why: for people.
    """

    scale: float | None
    limits: tuple[float, float] | None
    why: str


def depth_unit(files: Sequence[Path], modality: Modality, given: float | None = None) -> Unit:
    """Finds the unit of depth files by their median: the usual one that puts it where rooms have it.

    Args:
        files: some of them.
        modality: of the depth, for the counts that mean "missing" and the limits.
        given: metres per count, by who knows; 1 of floats that lie far away.

    Raises:
        InputError: not one value was measured, none of the usual units fits, or floats are no metres.
    """
    medians, whole = [], True
    for path in files:
        counts = read_array(path)
        if counts.dtype.kind == "f":
            whole = False
            seen = counts[np.isfinite(counts) & (counts > 0)]
        else:
            seen = counts[~np.isin(counts, modality.missing_counts)]
        if seen.size:
            medians.append(float(np.median(seen)))
    if not medians:
        raise InputError(
            f"{files[0]}: {modality.name} is missing in every pixel of {len(files)} files."
        )
    median = float(np.median(medians))
    low, high = modality.limits or (0.0, float("inf"))
    if not whole and given is None and are_millimetres(median, (low, high)):
        raise InputError(
            f"{files[0]}: the median {modality.name} is {median:.4g} m, as floats are metres; "
            f"{as_metres(median, (low, high))}; or, if that is how far things are, give --depth-scale 1."
        )
    if not whole and given not in (None, 1):
        raise InputError(
            f"{files[0]}: holds floats, which are metres; --depth-scale {given:g} is for whole numbers. "
            f"Multiply the floats by {given:g} and write them again."
        )
    if not whole or given is not None:
        scale = 1.0 if not whole else given
        metres = median * scale
        why = "floats, taken as metres" if not whole else f"{given:g} m a count, as given"
        inside = low <= metres <= high
        return Unit(None if not whole else given, None if inside else _around(metres), why)
    fitting = [scale for scale in USUAL_SCALES if low <= median * scale <= high]
    if not fitting:
        raise InputError(
            f"{files[0]}: the median {modality.name} is {median:.6g} counts, which no usual unit puts "
            f"between {low:g} and {high:g} m; give --depth-scale, metres per count."
        )
    usual = modality.unit_per_count
    best = min(fitting, key=lambda scale: abs(np.log(median * scale / MIDDLE)))
    scale = usual if usual in fitting else best
    why = f"assumed: {scale:.6g} m a count ({USUAL_SCALES[scale]}), for a median of {median * scale:.3g} m"
    return Unit(scale, None, why + "; --depth-scale says otherwise")


def _around(metres: float) -> tuple[float, float]:
    return (float(f"{metres / WIDE:.2g}"), float(f"{metres * WIDE:.2g}"))


def measured(modality: Modality, pictures: Sequence[np.ndarray]) -> Modality:
    """The modality with scale, mean and deviation of its pictures, and padding of their mean.

    Args:
        modality: ready-made or not; colours and vectors keep their numbers.
        pictures: as in a view.
    """
    if modality.mirror != "copy" or modality.mean == IMAGENET_MEAN:
        return modality
    rows = np.concatenate(
        [modality.with_axis(picture).reshape(-1, modality.channels) for picture in pictures]
    ).astype(np.float64)
    if modality.missing is not None:
        rows = rows[(np.isfinite(rows) & (rows != modality.missing)).all(axis=1)]
    if not len(rows):
        return modality
    scale = 1 / 255 if pictures[0].dtype == np.uint8 else 1.0
    mean = _rounded(rows.mean(axis=0) * scale)
    # A constant picture has no deviation to divide by.
    std = [value or 1.0 for value in _rounded(rows.std(axis=0) * scale)]
    padding = modality.padding
    if modality.missing is None:
        padding = tuple(float(f"{value / scale:.4g}") for value in mean)
        padding = padding[0] if len(set(padding)) == 1 else padding
    # Brightness is changed by factors, which would turn a cold wall of 16 bits into an oven.
    jitter = None if modality.jitter == "intensity" and scale == 1.0 else modality.jitter
    return dataclasses.replace(
        modality, scale=scale, mean=mean, std=tuple(std), padding=padding, jitter=jitter
    )


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)
