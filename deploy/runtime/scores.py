"""Segmentation scores from one confusion matrix, in numpy.

The same definitions as the training metric: intersection over union per class, averaged over the
classes that occur in
the labels or the predictions; ignored pixels count nowhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError

IGNORE = 255


class Confusion:
    """Counts of (label, prediction) pairs over any number of images.

    Args:
        num_classes: of both.
        ignore: label of pixels that count nowhere.

    Attributes:
        counts: int64 (classes, classes); row = label, column = prediction.
    """

    def __init__(self, num_classes: int, ignore: int = IGNORE):
        self._ignore = ignore
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def add(self, label: np.ndarray, prediction: np.ndarray) -> None:
        """Counts one image.

        Args:
            label: integers, any shape; some are `ignore`.
            prediction: integers of the same shape, each a class.

        Raises:
            InputError: the shapes differ, or a label is neither a class nor `ignore`.
        """
        if label.shape != prediction.shape:
            raise InputError(
                f"labels {label.shape} and predictions {prediction.shape} differ in shape"
            )
        classes = len(self.counts)
        valid = label != self._ignore
        true, seen = label[valid].astype(np.int64), prediction[valid].astype(np.int64)
        wrong = true[(true >= classes) | (true < 0)]
        if wrong.size:
            raise InputError(
                f"a label is {wrong.max()}, but there are {classes} classes, and {self._ignore} is "
                "ignored; give the data's own labels"
            )
        self.counts += np.bincount(true * classes + seen, minlength=classes * classes).reshape(
            classes, classes
        )

    def per_class(self) -> np.ndarray:
        """IoU of every class, float64 (classes,); NaN where a class occurs in neither labels nor
        predictions, or is the ignored label.
        """
        hits = np.diag(self.counts).astype(np.float64)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        if 0 <= self._ignore < len(union):
            union[self._ignore] = 0  # the ignored label is no class, though it may be predicted
        with np.errstate(invalid="ignore"):
            return hits / union

    def result(self) -> dict[str, float]:
        """`miou`, `mean_accuracy` and `pixel_accuracy`, each 0 to 1; NaN when nothing was
        counted.
        """
        hits, true = np.diag(self.counts).astype(np.float64), self.counts.sum(1)
        with np.errstate(invalid="ignore"):
            accuracy = hits / true
            pixel = hits.sum() / np.float64(true.sum())
        return {
            "miou": _mean(self.per_class()),
            "mean_accuracy": _mean(accuracy),
            "pixel_accuracy": float(pixel),
        }

    def to_json(self, names: Any) -> dict[str, Any]:
        """The result with the IoU of each class by name; null where a class does not occur."""
        iou = self.per_class()
        per_class = {
            name: None if np.isnan(iou[index]) else float(iou[index])
            for index, name in enumerate(names)
        }
        return dict(self.result(), per_class=per_class)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
