"""Shows what a training's evaluation found: `training.html`, and pictures for TensorBoard and trackers."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from cen_keras.pages.evaluated import Evaluated, confusion_picture
from cen_keras.pages.training_page import write_training_page
from cen_keras.visualization import grid

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What takes pictures: TensorBoard's events, a tracker."""

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Takes named uint8 (h, w, 3) pictures of an epoch."""


class ShowEvaluation(keras.callbacks.Callback):
    """Writes `training.html` and hands pictures on, at most once a minute and at the end.

    Args:
        run: the run folder; its logs are written before.
        streams: names of the scored outputs.
        watching: callbacks; one with a method `evaluated() -> Evaluated | None` tells what to show.
        sinks: who gets the pictures.
        every: seconds between two pages at least.
    """

    def __init__(
        self,
        run: Path,
        streams: Sequence[str],
        watching: Iterable[Any],
        sinks: Sequence[Sink] = (),
        every: float = 60.0,
    ):
        super().__init__()
        self.run = Path(run)
        self.streams = list(streams)
        self.watching = [one for one in watching if hasattr(one, "evaluated")]
        self.sinks = list(sinks)
        self.every = every
        self._written = time.monotonic()
        self._epoch = self._shown = -1

    def on_epoch_end(self, epoch, logs=None):
        """Writes, where it is time."""
        self._epoch = epoch
        if time.monotonic() - self._written >= self.every:
            self._show()

    def on_train_end(self, logs=None):
        """Writes the last state."""
        if self._epoch >= 0 and self._shown != self._epoch:
            self._show()

    def _show(self) -> None:
        found = [one.evaluated() for one in self.watching]
        evaluated = next((one for one in found if one is not None), None)
        try:
            write_training_page(self.run, self.streams, self.params["epochs"], evaluated)
        except ImportError as error:
            logger.info("%s: no training.html without it.", error)
        if evaluated is not None:
            for sink in self.sinks:
                sink.pictures(evaluated.epoch, named_pictures(evaluated))
        self._written, self._shown = time.monotonic(), self._epoch


def named_pictures(evaluated: Evaluated) -> dict[str, np.ndarray]:
    """Returns the pictures for a log: a strip for each view, and the confusion matrix."""
    pictures = {}
    for view in evaluated.views:
        images = [image for _, image in view.pictures]
        same = all(image.shape == images[0].shape for image in images)
        pictures[f"views/{view.name}"] = grid([images]) if same else images[-1]
    if evaluated.confusion is not None:
        pictures["confusion"] = confusion_picture(evaluated.confusion)
    return pictures
