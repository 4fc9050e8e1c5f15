"""mIoU, mean and pixel accuracy as a Keras metric, counted in one confusion matrix on the device.

The same numbers as `cen_keras.metrics.confusion` gives on the host, for use in
`compile(metrics=...)` or in a custom loop on TensorFlow, JAX and torch.
"""

import keras
import numpy as np
from keras import ops

from cen_keras.errors import InputError
from cen_keras.metrics.confusion import (
    INTERPOLATIONS,
    check_label_range,
    class_scores,
)
from cen_keras.metrics.host_values import host_value


def _kernel(distance, interpolation):
    """Returns the weight of a sample `distance` pixels away: a hat, or OpenCV's cubic."""
    distance = ops.abs(distance)
    if interpolation == "bilinear":
        return ops.maximum(1.0 - distance, 0.0)
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return ops.where(distance <= 1, near, ops.where(distance < 2, far, 0.0))


def interpolation_weights(size_in, size_out, interpolation):
    """Returns the (size_out, size_in) float32 matrix that resizes one axis with half-pixel centres.

    Samples beyond the border repeat the border's. Sizes may be scalar tensors on TensorFlow.
    """
    scale = ops.cast(size_in, "float32") / ops.cast(size_out, "float32")
    position = (ops.cast(ops.arange(size_out), "float32") + 0.5) * scale - 0.5
    columns = ops.arange(size_in)
    first = ops.floor(position)
    matrix = 0.0
    for tap in (0, 1) if interpolation == "bilinear" else (-1, 0, 1, 2):
        source = first + tap
        weight = _kernel(position - source, interpolation)
        inside = ops.clip(ops.cast(source, "int32"), 0, size_in - 1)
        hit = ops.equal(inside[:, None], ops.cast(columns, "int32")[None, :])
        matrix = matrix + weight[:, None] * ops.cast(hit, "float32")
    return matrix


def resize_logits(logits, size, interpolation):
    """Resizes (b, h, w, n) logits to (b, *size, n) float32 as OpenCV does."""
    logits = ops.cast(logits, "float32")
    rows = interpolation_weights(ops.shape(logits)[1], size[0], interpolation)
    columns = interpolation_weights(ops.shape(logits)[2], size[1], interpolation)
    logits = ops.einsum("Hh,bhwn->bHwn", rows, logits)
    return ops.einsum("Ww,bHwn->bHWn", columns, logits)


@keras.saving.register_keras_serializable("cen_keras")
class SegmentationScores(keras.metrics.Metric):
    """Mean IoU, mean accuracy and pixel accuracy over everything seen since the last reset.

    Labels outside the classes are an error where they have values (eagerly); inside a compiled step
    they cannot raise and are left out, as the official evaluation does. The counts are int32,
    enough for 2^31 pixels of one kind.

    Args:
        num_classes: n.
        ignore: the label of pixels that do not count.
        interpolation: how logits are brought to the label's size: "bilinear" or "cubic".
        prefix: in front of the scores' names, "rgb" for "rgb_miou"; a Segmenter fills in its outputs' names.
        name: of the metric.
        dtype: of the results.

    Raises:
        InputError: an unknown interpolation.
    """

    def __init__(
        self,
        num_classes: int,
        ignore: int = 255,
        interpolation: str = "bilinear",
        prefix: str | None = None,
        name: str = "segmentation_scores",
        dtype: str | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if interpolation not in INTERPOLATIONS:
            raise InputError(
                f"interpolation {interpolation!r} is unknown; take one of {tuple(INTERPOLATIONS)}."
            )
        self.num_classes = int(num_classes)
        self.ignore = int(ignore)
        self.interpolation = interpolation
        self.prefix = prefix
        self.matrix = self.add_weight(
            shape=(self.num_classes, self.num_classes),
            initializer="zeros",
            dtype="int32",
            name="confusion",
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: (b, H, W) integers.
            y_pred: (b, h, w, n) logits or (b, H, W) predicted classes.
            sample_weight: not used; Keras hands it over.

        Raises:
            InputError: labels outside the classes (eagerly), or ranks or channels that do not fit.
        """
        labels, outputs = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        values = host_value(y_true)
        if values is not None:
            check_label_range(values.astype("int64"), self.num_classes, self.ignore)
        labels = ops.cast(labels, "int32")
        if len(outputs.shape) == len(labels.shape) + 1:
            if outputs.shape[-1] != self.num_classes:
                raise InputError(
                    f"logits have {outputs.shape[-1]} channels, the metric {self.num_classes} "
                    "classes."
                )
            outputs = resize_logits(outputs, ops.shape(labels)[1:3], self.interpolation)
            outputs = ops.argmax(outputs, axis=-1)
        elif len(outputs.shape) != len(labels.shape):
            raise InputError(
                f"labels {tuple(labels.shape)} do not fit outputs {tuple(outputs.shape)}."
            )
        n = self.num_classes
        outputs = ops.cast(outputs, "int32")
        counted = (labels != self.ignore) & (labels >= 0) & (labels < n)
        # One bin more than the matrix has takes the pixels that do not count.
        bins = ops.reshape(ops.where(counted, labels * n + outputs, n * n), (-1,))
        counts = ops.segment_sum(ops.ones_like(bins), bins, num_segments=n * n + 1)
        self.matrix.assign(self.matrix + ops.reshape(counts[: n * n], (n, n)))

    def result(self):
        """Returns `miou`, `mean_accuracy`, `pixel_accuracy` in 0..1; NaN before any pixel."""
        matrix = ops.cast(self.matrix, "float32")
        hits, truth = ops.diagonal(matrix), ops.sum(matrix, axis=1)
        union = truth + ops.sum(matrix, axis=0) - hits
        # The class that is the ignored label is none, though it may be predicted.
        union = ops.where(ops.arange(self.num_classes) == self.ignore, 0.0, union)

        def mean_where_defined(below):
            defined = ops.cast(below > 0, "float32")
            return ops.sum(hits / ops.maximum(below, 1.0)) / ops.sum(defined)

        scores = {
            "miou": mean_where_defined(union),
            "mean_accuracy": mean_where_defined(truth),
            "pixel_accuracy": ops.sum(hits) / ops.sum(truth),
        }
        prefix = f"{self.prefix}_" if self.prefix else ""
        return {f"{prefix}{name}": score for name, score in scores.items()}

    def per_class(self) -> dict[str, np.ndarray]:
        """Returns arrays `iou`, `accuracy`, `pixels` per class: see `confusion.class_scores`."""
        return class_scores(ops.convert_to_numpy(self.matrix), self.ignore)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "num_classes": self.num_classes,
            "ignore": self.ignore,
            "interpolation": self.interpolation,
            "prefix": self.prefix,
            "name": self.name,
            "dtype": self.dtype,
        }
