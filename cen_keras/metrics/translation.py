"""Scores of every stream of a Translator over a data set: errors, and FID and KID where wanted.

Errors are on the scale of the images, -1..1, averaged per image as the official code does. `rmse` is
the root of the mean squared error: what the paper's tables call MSE fits the root (the mean square
of errors cannot exceed twice their mean absolute value on this scale, and theirs does).
"""

import functools
from collections.abc import Callable

import keras
import numpy as np

from cen_keras.metrics.features import (
    Extractor,
    FrechetInceptionDistance,
    KernelInceptionDistance,
)
from cen_keras.metrics.whole_batches import outputs_of


class ImageErrors:
    """Mean absolute error and root of the mean squared error, over everything added."""

    def __init__(self):
        self.absolute, self.squared, self.images = 0.0, 0.0, 0

    def update(self, target: np.ndarray, made: np.ndarray) -> None:
        """Adds (b, h, w, c) images in -1..1."""
        difference = np.asarray(made, np.float64) - np.asarray(target, np.float64)
        axes = tuple(range(1, difference.ndim))
        self.absolute += np.abs(difference).mean(axes).sum()
        self.squared += (difference**2).mean(axes).sum()
        self.images += len(difference)

    def result(self) -> dict[str, float]:
        """Returns `mae` and `rmse`, NaN before any image."""
        if not self.images:
            return {"mae": float("nan"), "rmse": float("nan")}
        return {
            "mae": float(self.absolute / self.images),
            "rmse": float(np.sqrt(self.squared / self.images)),
        }


def stretch(images: np.ndarray) -> np.ndarray:
    """Stretches each image by itself to -1..1 in steps of 1/255, as the official code saves images."""
    low = images.min((1, 2, 3), keepdims=True)
    high = images.max((1, 2, 3), keepdims=True)
    share = (images - low) / np.maximum(high - low, 1e-12)
    return (np.floor(share * 255) / 127.5 - 1).astype(np.float32)


def evaluate_translation(
    model: keras.Model,
    loader: keras.utils.PyDataset,
    extractor: Extractor | None = None,
    *,
    official_protocol: bool = False,
    each: Callable[[dict, np.ndarray, dict], None] | None = None,
) -> dict[str, dict[str, float]]:
    """Runs a Translator over a data set once.

    Args:
        model: gives a dict output -> (b, h, w, c) images in -1..1.
        loader: gives (images by modality, target); the first batch is the largest.
        extractor: of the features for FID and KID; None leaves these out.
        official_protocol: what the official evaluation does: dropout stays active, and images are
            stretched one by one before features are taken. (It also draws them anew with matplotlib
            at 500x500; that is not done here.)
        each: called with (inputs, target, made) of every batch.

    Returns:
        Output name ("ensemble" among them) -> `mae`, `rmse` and, with an extractor, `fid` and
        `kid` (times one, not times 100).
    """
    errors: dict[str, ImageErrors] = {}
    distances: dict[str, list] = {}
    batch_size = 0
    call = functools.partial(model, training=True) if official_protocol else model.predict_on_batch
    for index in range(len(loader)):
        inputs, target = loader[index]
        batch_size = max(batch_size, len(target))
        made = outputs_of(call, inputs, batch_size)
        for name, image in made.items():
            errors.setdefault(name, ImageErrors()).update(target, image)
            if extractor is not None:
                if name not in distances:
                    distances[name] = [
                        FrechetInceptionDistance(extractor),
                        KernelInceptionDistance(extractor),
                    ]
                pair = [stretch(i) if official_protocol else i for i in (target, image)]
                _add(distances[name], *pair)
        if each is not None:
            each(inputs, target, made)
    return {
        name: {
            **error.result(),
            **{metric.name: float(metric.result()) for metric in distances.get(name, [])},
        }
        for name, error in errors.items()
    }


def _add(metrics, target, image):
    """Adds a batch to metrics that share an extractor; its features are taken once."""
    first, *rest = metrics
    first.update_state(target, image)
    for metric in rest:
        metric.real.append(first.real[-1])
        metric.made.append(first.made[-1])
