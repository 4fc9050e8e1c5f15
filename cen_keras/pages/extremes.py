"""The views that a model segments worst and best."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Segmented:
    """A view and what the model made of it.

    Attributes:
        index: of the view in its loader.
        accuracy: share of its labelled pixels that are right, 0..1.
        classes: integers (h, w), predicted.
    """

    index: int
    accuracy: float
    classes: np.ndarray


class Extremes:
    """Watches `evaluate_streams` and keeps the worst and the best views by pixel accuracy.

    Args:
        count: how many of each to keep.
        stream: whose classes count.
        ignore: the label of pixels that do not count.

    Attributes:
        accuracy: of every view, in order; NaN where nothing is labelled.
        worst: the worst `Segmented`, the worst first.
        best: the best, the best first; none that is among the worst.
    """

    def __init__(self, count: int = 2, stream: str = "ensemble", ignore: int = 255):
        self.count = count
        self.stream = stream
        self.ignore = ignore
        self.accuracy: list[float] = []
        self._kept: list[Segmented] = []

    def __call__(self, labels: np.ndarray, classes: Mapping[str, np.ndarray]) -> None:
        """Takes a batch: integers (b, h, w), and by stream those that were predicted."""
        for label, predicted in zip(labels, classes[self.stream], strict=True):
            known = np.asarray(label) != self.ignore
            share = float((predicted == label)[known].mean()) if known.any() else float("nan")
            if known.any():
                self._kept.append(Segmented(len(self.accuracy), share, predicted))
            self.accuracy.append(share)
            if len(self._kept) > 2 * self.count:
                self._kept.sort(key=lambda view: view.accuracy)
                # What is neither among the worst nor among the best.
                del self._kept[self.count]

    @property
    def worst(self) -> list[Segmented]:
        """The worst views, the worst first."""
        return sorted(self._kept, key=lambda view: view.accuracy)[: self.count]

    @property
    def best(self) -> list[Segmented]:
        """The best views, the best first."""
        rest = sorted(self._kept, key=lambda view: view.accuracy)[self.count :]
        return rest[::-1]
