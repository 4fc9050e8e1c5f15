"""A survey of a folder: what is in it, and the data set's spec that opens it."""

import collections
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.datasets import open_dataset
from cen_keras.data.folder_checks import check_labelled, spread
from cen_keras.data.image_folders import LABEL, find_views, located
from cen_keras.data.labels import IGNORE
from cen_keras.data.splits import SPLITS, of_split
from cen_keras.data.survey.classes import survey_labels
from cen_keras.data.survey.kinds import kinds_in
from cen_keras.data.survey.names import names_beside
from cen_keras.data.survey.numbers import Unit, depth_unit, measured
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.modalities import Modality

LOOKED_AT, LABELS = 16, 500
"""Views and label files that are read, evenly over the folder."""
LONGEST = 640
"""Pixels of a picture's longer side from which on a first recipe takes it smaller."""
STEP = 32


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Attributes:
        spec: of `cen_keras.data.datasets.open_dataset`.
        modalities: with the numbers of the files.
        splits: split -> views.
        how: how they are distinguished, for people.
        sizes: (height, width) -> views that were looked at.
        image_shape: height and width to train at, pixels.
        units: modality -> unit of a depth.
        ranges: modality -> second percentile, median and 98th of the values.
        pixels: int64 (classes,).
        ignored: pixels without a class.
        ignore: their label in a view.
        labels: files that were counted.
        left: folders that were left out.
        views: the training views, at `image_shape` where the spec says so.
    """

    spec: dict[str, Any]
    modalities: tuple[Modality, ...]
    splits: dict[str, int]
    how: str
    sizes: dict[tuple[int, int], int]
    image_shape: tuple[int, int]
    units: dict[str, Unit]
    ranges: dict[str, tuple[float, float, float]]
    pixels: np.ndarray
    ignored: int
    ignore: int
    labels: int
    left: list[str]
    views: Views


def survey_folder(
    root: str | Path,
    modalities: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    depth_scale: float | None = None,
    ignore: int = IGNORE,
) -> Survey:
    """Looks at a folder of views.

    Args:
        root: with a folder for each modality and one for labels; or with train/ and val/ that have,
            and test/; val/ may be valid/ or validation/.
        modalities: those wanted; None for all.
        classes: names, or "NAME=#rrggbb" where labels are in colours; None for those of a
            classes.txt, or numbers.
        depth_scale: metres per count; None finds it.
        ignore: label in the files of pixels that do not count.

    Raises:
        InputError: it holds no views or no labels, or they do not fit each other.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise InputError(
            f"{located(root)}: is not a folder; give one that holds rgb/, depth/ and label/."
        )
    place, parts, how = _splits(root)
    kinds, left = kinds_in(parts[0], modalities)
    spec: dict[str, Any] = {"name": "frames", "root": place}
    table = {kind.name: kind for kind in kinds}
    files = []
    for part in parts:
        found = [view for _, view in find_views(part, table)]
        check_labelled(_Files(part, found))
        files += found
    spec.update(_draw(root, parts, len(files)))
    units = {}
    for kind in (kind for kind in kinds if kind.unit == "m"):
        paths = spread([view[kind.name] for view in files], LOOKED_AT)
        units[kind.name] = unit = depth_unit(paths, kind, depth_scale)
        if unit.scale not in (None, kind.unit_per_count):
            spec["depth_scale"] = unit.scale
        if unit.limits:
            spec["depth_limits"] = unit.limits
    counted = spread([view[LABEL] for view in files], LABELS)
    names = classes or names_beside(root, parts[0])
    labels = survey_labels(counted, names, ignore)
    spec.update(labels.options)
    views = open_dataset(spec, "train", kinds, labels.ignore)
    looked = [views[index] for index in spread(range(len(views)), LOOKED_AT)]
    sizes = dict(collections.Counter(view[LABEL].shape for view in looked).most_common())
    shape = _shape(next(iter(sizes)))
    if len(sizes) > 1 or shape not in sizes:
        spec["size"] = shape
        views = open_dataset(spec, "train", kinds, labels.ignore)
    pictures = {
        kind.name: [kind.finite(np.asarray(view[kind.name]), f"{root}") for view in looked]
        for kind in kinds
    }
    opened = [views.modalities[kind.name] for kind in kinds]
    return Survey(
        spec=spec,
        modalities=tuple(measured(kind, pictures[kind.name]) for kind in opened),
        splits=_counts(spec, kinds, labels.ignore, views),
        how=how,
        sizes=sizes,
        image_shape=shape,
        units=units,
        ranges={kind.name: _range(kind, pictures[kind.name]) for kind in opened},
        pixels=labels.pixels,
        ignored=labels.ignored,
        ignore=labels.ignore,
        labels=len(counted),
        left=left,
        views=views,
    )


class _Files:
    """What `check_labelled` looks at."""

    name = "frames"

    def __init__(self, root: Path, files: list):
        self.root, self.files = root, files


def _splits(root: Path) -> tuple[str, list[Path], str]:
    """The root as a spec says it, the folders of views, and how splits are distinguished."""
    place = f"{root.as_posix()}/{{split}}"
    folders = {split: Path(of_split(place, split)) for split in SPLITS}
    folders = {split: path for split, path in folders.items() if path.is_dir()}
    if {"train", "val"} <= folders.keys():
        return place, list(folders.values()), "a folder each"
    why = "no split was found"
    if "train" in folders:
        root, why = folders["train"], "there is train/ but no val/"
        if "test" in folders:
            why += ", without which test/ is left out"
    if all((root / f"{split}.txt").is_file() for split in ("train", "val")):
        left = f"; {why}" if "left out" in why else ""
        return root.as_posix(), [root], f"by the lists train.txt and val.txt{left}"
    return root.as_posix(), [root], f"drawn by chance, the same in every run; {why}"


def _draw(root: Path, parts: list[Path], count: int) -> dict[str, Any]:
    """`lists` or `fractions` of a spec; nothing where each split has its folder."""
    if len(parts) > 1:
        return {}
    there = [split for split in SPLITS if (parts[0] / f"{split}.txt").is_file()]
    if "train" in there and "val" in there:
        return {"lists": {split: f"{split}.txt" for split in there}}
    if count < 2:
        raise InputError(f"{root}: holds one view; training and scoring need two or more.")
    # Of less than five a fifth is none.
    share = 0.8 if count >= 5 else 0.5
    return {"fractions": {"train": share, "val": round(1 - share, 2)}}


def _counts(
    spec: dict[str, Any], kinds: Sequence[Modality], ignore: int, training: Views
) -> dict[str, int]:
    counts = {"train": len(training)}
    for split in (split for split in SPLITS if split != "train"):
        listed = spec.get("lists") or spec.get("fractions")
        there = split in listed if listed else Path(of_split(spec["root"], split)).is_dir()
        if there:
            counts[split] = len(open_dataset(spec, split, kinds, ignore))
    return counts


def _shape(size: tuple[int, int]) -> tuple[int, int]:
    """A size whose longer side is at most LONGEST."""
    if max(size) <= LONGEST:
        return size
    factor = LONGEST / max(size)
    height, width = (max(STEP, STEP * math.floor(side * factor / STEP + 0.5)) for side in size)
    return height, width


def _range(kind: Modality, pictures: Sequence[np.ndarray]) -> tuple[float, float, float]:
    values = np.concatenate([np.ravel(picture[::4, ::4]) for picture in pictures]).astype(float)
    known = values[np.isfinite(values)]
    if kind.missing is not None:
        known = known[known != kind.missing]
    if not known.size:
        return (math.nan,) * 3
    return tuple(float(value) for value in np.percentile(known, (2, 50, 98)))
