"""What a data set's labels hold: classes without a pixel leave a mean silently, so somebody says so."""

import logging

import numpy as np

from cen_keras.data.views import Views
from cen_keras.errors import InputError

_LOG = logging.getLogger(__name__)


class LabelCounts:
    """Counts the labels of the batches that go by, and looks at them after the first epoch.

    Args:
        views: whose labels they are.
        ignore: label of pixels that do not count.

    Attributes:
        pixels: int64 (classes,), of each class so far.
        ignored: pixels so far.
    """

    def __init__(self, views: Views, ignore: int):
        self._views = views
        self._ignore = ignore
        self._looked = False
        self.pixels = np.zeros(len(views.classes), np.int64)
        self.ignored = 0

    def add(self, label: np.ndarray, last: bool, training: bool) -> None:
        """Counts a batch.

        Args:
            label: integers of any shape, each a class or `ignore`.
            last: whether it ends an epoch.
            training: whether the epoch may be a part of the data set, in another order, or of its
                pictures.

        Raises:
            InputError: a whole epoch held no labelled pixel; or one class of several alone, where it is
                the whole data set.
        """
        if self._looked or not len(self.pixels):
            return
        valid = label[label != self._ignore]
        self.ignored += label.size - valid.size
        self.pixels += np.bincount(valid.ravel(), minlength=len(self.pixels))[: len(self.pixels)]
        if last:
            self._looked = True
            self._judge(training)

    def _judge(self, training: bool) -> None:
        which = "the first epoch's" if training else "these"
        problem = only_ignored(self.pixels, self.ignored, self._ignore, self._views)
        if problem and not (training and self.pixels.any()):
            raise InputError(problem)
        if problem:
            # The windows of a few steps may miss what is rare.
            _LOG.warning("%s (in %s views)", problem, which)
            return
        absent = absent_classes(self.pixels, self._views.classes, self._ignore)
        if absent:
            _LOG.warning(
                "%s: %d of %d classes have no pixel in %s views and are left out of the mean: %s",
                self._views.name,
                len(absent),
                len(self._views.classes),
                which,
                ", ".join(absent[:8]) + (", ..." if len(absent) > 8 else ""),
            )


def class_pixels(views: Views, ignore: int, skip: bool = False) -> np.ndarray:
    """Counts the pixels of each class over all views; int64 (classes,).

    Args:
        views: with labels.
        ignore: label that does not count.
        skip: whether views that cannot be read do not count either; a loader names them.

    Raises:
        InputError: a view cannot be read.
    """
    counts = LabelCounts(views, ignore)
    for index in range(len(views)):
        try:
            label = views[index]["label"]
        except (InputError, OSError):
            if not skip:
                raise
            continue
        counts.add(label, last=False, training=False)
    return counts.pixels


def absent_classes(pixels: np.ndarray, classes: tuple[str, ...], ignore: int) -> list[str]:
    """Names of the classes without a pixel; a class that is the ignored label is none."""
    return [
        str(name)
        for number, (name, count) in enumerate(zip(classes, pixels, strict=True))
        if not count and number != ignore
    ]


def only_ignored(pixels: np.ndarray, ignored: int, ignore: int, views: Views) -> str:
    """What is wrong with labels that hold nothing to learn; "" where they hold two classes or more.

    Args:
        pixels: of each class.
        ignored: pixels with the ignored label.
        ignore: that label.
        views: for names.
    """
    present = [str(name) for name, n in zip(views.classes, pixels, strict=True) if n]
    classes = sum(number != ignore for number in range(len(views.classes)))
    if not present:
        return (
            f"{views.name}: all {ignored} labelled pixels are {ignore}, which is ignored; there is "
            "nothing to learn or score. Give the data set's own ignored label (`ignore`), or labels "
            f"of 0 to {len(views.classes) - 1}."
        )
    if len(present) == 1 and classes > 1:
        return (
            f"{views.name}: of {classes} classes the labels hold {present[0]!r} alone"
            + (f", and {ignore}, which is ignored" if ignored else "")
            + ". Masks of 0 and 255 are 0 and 1 with a label map, "
            '{"255": 1}; or name the ignored label with `ignore`.'
        )
    return ""
