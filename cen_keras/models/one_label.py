"""Training a model of several outputs on one label, as Keras users expect it: one loss, one metric, one weight."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.resize import resize_bilinear
from cen_keras.losses.pixels import weights_of
from cen_keras.metrics.segmentation import SegmentationScores

LABEL = "label"
"""The `output_size` of losses and metrics that compare pixel with pixel."""


class OneLabel:
    """`compile` and `fit` of a model whose outputs, a dict, all learn the one label (b, H, W) of integers.

    - `loss` is one loss for all outputs, or a dict by output.
    - `metrics` is a list of metrics for every output, or a dict by output; scores are logged as "rgb_miou",
      "ensemble_miou".
    - `output_size="label"` enlarges the logits to the label's height and width before losses and metrics see them,
      for those that compare pixel with pixel, as Keras' own do; the losses and scores of this package need it not.
    - `sample_weight` weighs images, (b,), or pixels, (b, H, W); `class_weight` weighs pixels by their label.
    """

    _class_weight = None
    _output_size = None

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        metrics=None,
        weighted_metrics=None,
        output_size=None,
        **kwargs,
    ):
        """Like `keras.Model.compile`; a loss or a list of metrics is used for every output.

        Raises:
            InputError: an `output_size` other than "label" and None.
        """
        if output_size not in (None, LABEL):
            raise InputError(f"output_size is {output_size!r}; give {LABEL!r}, or None.")
        self._output_size = output_size
        if loss is not None and not isinstance(loss, (dict, list)):
            loss = {name: loss for name in self.output}
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=self._of_outputs(metrics),
            weighted_metrics=self._of_outputs(weighted_metrics),
            **kwargs,
        )

    def get_compile_config(self):
        """Returns what `compile` was given, for a file."""
        config = super().get_compile_config()
        if config is not None and self._output_size is not None:
            config["output_size"] = self._output_size
        return config

    def compile_from_config(self, config):
        """Compiles as a saved model was, its optimiser with its variables."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def _of_outputs(self, metrics):
        """Returns a list of metrics for each output; an object that counts cannot serve two of them."""
        if metrics is None:
            return None
        if not isinstance(metrics, Mapping):
            metrics = dict.fromkeys(self.output, metrics)
        unknown = sorted(set(metrics) - set(self.output))
        if unknown:
            raise InputError(
                f"metrics of {unknown[0]!r}: the outputs are {', '.join(self.output)}."
            )
        return {output: _copies(given, output) for output, given in metrics.items()}

    def fit(self, *args, class_weight: Mapping[int, float] | None = None, **kwargs):
        """Like `keras.Model.fit`; `class_weight` maps a class to the weight of its pixels, 1 where left out.

        Raises:
            InputError: a class that the model does not have.
        """
        self._class_weight = self._weights_of_classes(class_weight)
        if class_weight:
            # A compiled step holds the weights as constants.
            self.train_function = None
        try:
            return super().fit(*args, **kwargs)
        finally:
            if class_weight:
                self._class_weight = self.train_function = None

    def _weights_of_classes(self, class_weight):
        if not class_weight:
            return None
        unknown = sorted(set(class_weight) - set(range(self.num_classes)))
        if unknown:
            raise InputError(
                f"class_weight: {unknown[0]!r} is no class; wanted 0 to {self.num_classes - 1}."
            )
        weights = np.ones(self.num_classes, "float32")
        weights[list(class_weight)] = list(class_weight.values())
        return weights

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Gives the one label, and weights of its pixels, to every output."""
        y_pred = self._at_size_of(y, y_pred)
        weighs_classes = training and self._class_weight is not None
        if isinstance(y, dict):
            if weighs_classes:
                raise InputError(
                    "class_weight is of one label for all outputs; found a label for each."
                )
        elif y is not None:
            if weighs_classes:
                sample_weight = self._pixel_weights(y, sample_weight)
            y = {name: y for name in y_pred}
        if sample_weight is not None and not isinstance(sample_weight, dict):
            sample_weight = {name: sample_weight for name in y_pred}
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def _pixel_weights(self, labels, sample_weight):
        labels = ops.cast(labels, "int32")
        classes = ops.where((labels < 0) | (labels >= self.num_classes), 0, labels)
        weights = ops.take(ops.convert_to_tensor(self._class_weight), classes)
        if sample_weight is None:
            return weights
        sample_weight = ops.cast(weights_of(sample_weight), "float32")
        of_images = len(sample_weight.shape) == 1
        return weights * (sample_weight[:, None, None] if of_images else sample_weight)

    def _at_size_of(self, y, y_pred):
        """Returns the logits of every output, at the label's height and width where that was asked for."""
        if self._output_size != LABEL or y is None:
            return y_pred
        labels = y if isinstance(y, dict) else dict.fromkeys(y_pred, y)
        return {
            name: resize_bilinear(logits, ops.shape(labels[name])[1:3])
            if name in labels
            else logits
            for name, logits in y_pred.items()
        }

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Gives the one label to every output's metrics."""
        y_pred = self._at_size_of(y, y_pred)
        if not isinstance(y, dict):
            y = {name: y for name in y_pred}
        if sample_weight is not None and not isinstance(sample_weight, dict):
            sample_weight = {name: sample_weight for name in y_pred}
        return super().compute_metrics(x, y, y_pred, sample_weight)


def frozen_layers(model: keras.Model) -> list[str]:
    """Returns the names of a model's layers that are not trained, "norm/rgb" of a modality's own norm."""
    parts = (item for layer in model.layers for item in _parts(layer))
    return [name for name, part in parts if not part.trainable]


def freeze_layers(model: keras.Model, names: Iterable[str]) -> None:
    """Freezes the layers that `frozen_layers` has named."""
    parts = dict(item for layer in model.layers for item in _parts(layer))
    for name in names:
        parts[name].trainable = False


def _parts(layer):
    """Yields a layer and the private norms of one over streams, by name."""
    yield layer.name, layer
    for norm in getattr(layer, "norms", ()):
        yield f"{layer.name}/{norm.name}", norm


def _copies(metrics, output: str) -> list:
    """Returns fresh metrics for one output."""
    made = []
    for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
        if isinstance(metric, keras.metrics.Metric):
            config = metric.get_config()
            if isinstance(metric, SegmentationScores) and config["prefix"] is None:
                config["prefix"] = output
            metric = type(metric).from_config(config)
        made.append(metric)
    return made
