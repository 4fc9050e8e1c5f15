"""Scores of every stream of a model over a data set, one confusion matrix each."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from cen_keras.data.normalization import warn_of_other_numbers
from cen_keras.metrics.confusion import ConfusionMatrix
from cen_keras.metrics.whole_batches import outputs_of


def evaluate_streams(
    model: keras.Model,
    loader: keras.utils.PyDataset,
    num_classes: int,
    *,
    ignore: int = 255,
    interpolation: str = "bilinear",
    watch: Callable[[np.ndarray, Mapping[str, np.ndarray]], None] | None = None,
) -> dict[str, ConfusionMatrix]:
    """Runs a model over a data set once.

    Args:
        model: gives a dict stream -> (b, h, w, n) logits, as `Segmenter` does, which sees whole pictures at its
            `image_shape`.
        loader: gives `(inputs by modality, (b, H, W) integer labels)`; the first batch is the
            largest.
        num_classes: n.
        ignore: the label of pixels that do not count.
        interpolation: how logits are brought to the label's size: "bilinear" or "cubic".
        watch: is called with every batch's labels (b, H, W) and predicted classes, stream ->
            integers (b, H, W); see `Extremes`.

    Returns:
        Stream name ("ensemble" among them) -> its confusion matrix.

    Raises:
        InputError: labels outside the classes.
    """
    warn_of_other_numbers(model, loader)
    matrices, batch_size = {}, 0
    for index in range(len(loader)):
        inputs, labels = loader[index]
        batch_size = max(batch_size, len(labels))
        if hasattr(model, "at_image_shape"):
            inputs = model.at_image_shape(inputs)
        classes = {}
        for name, logits in outputs_of(model.predict_on_batch, inputs, batch_size).items():
            if name not in matrices:
                matrices[name] = ConfusionMatrix(num_classes, ignore, interpolation)
            classes[name] = matrices[name].update(labels, logits)
        if watch is not None:
            watch(labels, classes)
    return matrices
