"""What is looked at when a folder of views is opened: the unit of depth, and what labels hold.

A few files stand for all, so that a single odd frame stops nothing.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data import image_files, label_counts
from cen_keras.data.depth_units import check_limits, holds_floats
from cen_keras.data.image_folders import LABEL, LABEL_NAMES, held
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.modalities import Modality

_LOG = logging.getLogger(__name__)

IMAGES, LABELS = 5, 100
"""Files that are read, evenly over the folder."""


def check_units(
    files: Sequence[Mapping[str, Path]],
    modalities: Mapping[str, Modality],
    option: str = "depth_scale",
    limits_option: str = "set depth_limits [least, largest]",
) -> None:
    """Refuses files whose numbers are in another unit than their modality says.

    Args:
        files: of each view, by modality.
        modalities: those with `limits` are looked at.
        option: that states another unit, for the message.
        limits_option: what to do where things are that far, likewise.

    Raises:
        InputError: the median of the files' medians lies outside.
    """
    for name, modality in modalities.items():
        if modality.limits is None:
            continue
        medians, blank, floats = [], 0, True
        for path in spread([view[name] for view in files], IMAGES):
            try:
                picture = image_files.read_image(path, modality, name)
            except (InputError, OSError):
                continue  # reported when it is its turn
            floats = floats and holds_floats(path)
            seen = picture[picture != modality.blank]
            if seen.size:
                medians.append(float(np.median(seen)))
            else:
                blank += 1
        if blank and not medians:
            _LOG.warning(
                "%s: %s is missing in every pixel, as in all %d files that were looked at",
                files[0][name],
                name,
                blank,
            )
        check_limits(
            medians,
            None if floats else modality.unit_per_count or 1.0,
            modality.limits,
            files[0][name],
            option,
            limits_option,
        )


def check_label_files(views: Any) -> None:
    """Refuses labels that teach nothing: of one class alone, or ignored everywhere.

    Args:
        views: of `cen_keras.data.folder`.

    Raises:
        InputError: as above, or not one label can be read.
    """
    paths = [files["label"] for files in views.files]
    chosen = spread(paths, LABELS)
    pixels, ignored, error = np.zeros(len(views.classes), np.int64), 0, None
    for path in chosen:
        try:
            label = views.read_label(path)
        except InputError as found:
            error = error or found
            continue
        valid = label[label != views.ignore]
        ignored += label.size - valid.size
        pixels += np.bincount(valid.ravel(), minlength=len(pixels))
    if error is not None and not (pixels.any() or ignored):
        raise error
    problem = label_counts.only_ignored(pixels, ignored, views.ignore, views)
    # A rare class may be in none of the labels that were looked at.
    if problem and error is None and (len(chosen) == len(paths) or ignored):
        raise InputError(f"{views.root}: {problem}")


def check_labelled(views: Views) -> None:
    """Refuses a folder without labels, where a data set has one.

    Raises:
        InputError: as above.
    """
    files = getattr(views, "files", None)
    if files and "label" not in files[0]:
        root = Path(getattr(views, "root", views.name))
        raise InputError(
            f"{root}: has no labels, which training and scoring need; wanted "
            f"{', '.join(name + '/' for name in (LABEL, *LABEL_NAMES[:3]))} with a PNG for each view, "
            f"or NAME_label.png{held(root) if root.is_dir() else ''}."
        )


def check_apart(training: Views, validation: Views, split: str) -> None:
    """Refuses to score on the views of the training, where data sets know their files.

    Args:
        training: the views that are trained on.
        validation: those that are scored on.
        split: their name; "train" scores on the training's on purpose.

    Raises:
        InputError: a file is in both.
    """
    files = [getattr(views, "files", None) for views in (training, validation)]
    if split == "train" or not all(files):
        return
    trained = {str(next(iter(view.values()))) for view in files[0]}
    both = [path for view in files[1] if (path := str(next(iter(view.values())))) in trained]
    if both:
        raise InputError(
            f"{both[0]}: is in the split {split!r} and in 'train', as {len(both)} of {len(files[1])} "
            'views are; write {split} in "root" where the folder of each split differs ("data/{split}"),'
            ' or give "fractions" {"train": 0.8, "val": 0.2}, or evaluation.split=train.'
        )


def spread(items: Sequence, count: int) -> list:
    """At most so many of a sequence, evenly over it."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).astype(int)
    return [items[place] for place in places]
