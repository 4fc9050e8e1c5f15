"""Segmentation scores on the host, from one confusion matrix over a whole data set.

The matrix has a row per class of the ground truth and a column per predicted class, in pixels.
"""

import cv2
import numpy as np

from cen_keras.errors import InputError

INTERPOLATIONS = {"bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}

_MOST_CHANNELS = 128
"""Of float32 that OpenCV resizes at once."""


def resize_logits(logits: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resizes one image's logits, never several images' at once.

    Args:
        logits: (h, w, n) floats.
        size: (H, W) in pixels.
        interpolation: "bilinear" (half-pixel centres) or "cubic" (OpenCV's kernel, a = -0.75, which
            the official evaluation uses and which differs from the a = -0.5 of TensorFlow and JAX).

    Returns:
        (H, W, n) float32.

    Raises:
        InputError: an unknown interpolation.
    """
    if interpolation not in INTERPOLATIONS:
        raise InputError(
            f"interpolation {interpolation!r} is unknown; take one of {tuple(INTERPOLATIONS)}."
        )
    logits = np.asarray(logits, "float32")
    height, width = size
    if logits.shape[:2] == (height, width):
        return logits
    channels = logits.shape[2]
    if channels > _MOST_CHANNELS:
        parts = np.split(logits, range(_MOST_CHANNELS, channels, _MOST_CHANNELS), axis=2)
        return np.concatenate([resize_logits(part, size, interpolation) for part in parts], axis=2)
    resized = cv2.resize(logits, (width, height), interpolation=INTERPOLATIONS[interpolation])
    return resized.reshape(height, width, channels)  # OpenCV drops a single channel.


def check_label_range(labels: np.ndarray, num_classes: int, ignore: int) -> None:
    """Raises InputError where a label is neither a class nor `ignore`."""
    wrong = (labels != ignore) & ((labels < 0) | (labels >= num_classes))
    if wrong.any():
        found = np.unique(labels[wrong])
        shown = ", ".join(str(value) for value in found[:5]) + (", ..." if len(found) > 5 else "")
        raise InputError(
            f"labels hold {shown} in {int(wrong.sum())} pixels; wanted 0 to {num_classes - 1}, "
            f"or {ignore} for pixels to ignore. Map the data set's classes first, or give the "
            "model as many classes."
        )


def confusion_matrix(
    labels: np.ndarray, prediction: np.ndarray, num_classes: int, ignore: int = 255
) -> np.ndarray:
    """Counts pixels by (true class, predicted class).

    Args:
        labels: integers of any shape, 0 to num_classes - 1 or `ignore`.
        prediction: integers of the same shape, 0 to num_classes - 1.
        num_classes: n.
        ignore: the label of pixels that do not count.

    Returns:
        (n, n) int64.

    Raises:
        InputError: shapes differ, or a label or prediction lies outside the classes.
    """
    labels, prediction = np.asarray(labels), np.asarray(prediction)
    if labels.shape != prediction.shape:
        raise InputError(
            f"labels have shape {labels.shape}, the prediction {prediction.shape}; they must agree."
        )
    labels = labels.astype("int64")
    check_label_range(labels, num_classes, ignore)
    valid = labels != ignore
    predicted = prediction[valid].astype("int64")
    if predicted.size and (predicted.min() < 0 or predicted.max() >= num_classes):
        raise InputError(
            f"the prediction holds classes {predicted.min()} to {predicted.max()}; wanted 0 to "
            f"{num_classes - 1}."
        )
    counts = np.bincount(labels[valid] * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_scores(matrix: np.ndarray, ignore: int = 255) -> dict[str, np.ndarray]:
    """Returns per class `iou` and `accuracy`, 0..1 or NaN if undefined, and `pixels`; all (n,).

    IoU is undefined for a class that is neither in the ground truth nor predicted, accuracy
    (recall) for one that is not in the ground truth; both for the class that is the ignored label.
    """
    matrix = np.asarray(matrix, "float64")
    hits, truth, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    union = truth + predicted - hits
    if 0 <= ignore < len(union):
        union[ignore] = 0  # where it is predicted the true class counts as missed
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "iou": hits / union,
            "accuracy": hits / truth,
            "pixels": truth.astype("int64"),
        }


def scores(matrix: np.ndarray, ignore: int = 255) -> dict[str, float]:
    """Returns `miou`, `mean_accuracy` and `pixel_accuracy` in 0..1; NaN where no pixel was counted.

    Means are over the classes for which the term is defined, so a class that is wrongly predicted
    counts with IoU 0.
    """
    matrix = np.asarray(matrix, "float64")
    if not matrix.sum():
        return dict.fromkeys(("miou", "mean_accuracy", "pixel_accuracy"), float("nan"))
    classes = class_scores(matrix, ignore)
    return {
        "miou": float(np.nanmean(classes["iou"])),
        "mean_accuracy": float(np.nanmean(classes["accuracy"])),
        "pixel_accuracy": float(np.trace(matrix) / matrix.sum()),
    }


class ConfusionMatrix:
    """Collects predictions of a data set image by image, without a deep-learning framework.

    Args:
        num_classes: n.
        ignore: the label of pixels that do not count.
        interpolation: how logits are brought to the label's size: "bilinear" or "cubic".

    Attributes:
        matrix: (n, n) int64, rows are true classes.
    """

    def __init__(self, num_classes: int, ignore: int = 255, interpolation: str = "bilinear"):
        if interpolation not in INTERPOLATIONS:
            raise InputError(
                f"interpolation {interpolation!r} is unknown; take one of {tuple(INTERPOLATIONS)}."
            )
        self.num_classes = num_classes
        self.ignore = ignore
        self.interpolation = interpolation
        self.matrix = np.zeros((num_classes, num_classes), "int64")

    def update(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Adds a batch.

        Args:
            labels: (b, H, W) integers.
            outputs: (b, h, w, n) logits, or (b, H, W) integers: predicted classes.

        Returns:
            (b, H, W) integers, the predicted classes.

        Raises:
            InputError: labels outside the classes, or shapes that do not fit.
        """
        labels, outputs = np.asarray(labels), np.asarray(outputs)
        if outputs.ndim == labels.ndim + 1:
            if outputs.shape[-1] != self.num_classes:
                raise InputError(
                    f"logits have {outputs.shape[-1]} channels, the metric {self.num_classes} "
                    "classes."
                )
            outputs = np.stack(
                [
                    resize_logits(image, labels.shape[1:3], self.interpolation).argmax(-1)
                    for image in outputs
                ]
            )
        self.matrix += confusion_matrix(labels, outputs, self.num_classes, self.ignore)
        return outputs

    def result(self) -> dict[str, float]:
        """Returns `miou`, `mean_accuracy`, `pixel_accuracy`: see `scores`."""
        return scores(self.matrix, self.ignore)

    def per_class(self) -> dict[str, np.ndarray]:
        """Returns `iou`, `accuracy`, `pixels` per class: see `class_scores`."""
        return class_scores(self.matrix, self.ignore)
