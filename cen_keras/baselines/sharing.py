"""Ablations of CEN's first two components: filters of its own for each modality, and one norm for all.

Both stand around another strategy, which decides the rest: `PrivateFilters(Exchange(...))`.
"""

from typing import Any

import keras

from cen_keras.errors import InputError
from cen_keras.fusion import Exchange, Fusion
from cen_keras.layers.streams import check_modalities, one_shape


class _Around(Fusion):
    """A strategy that asks another one."""

    def __init__(self, inner: Fusion | None = None):
        self.inner = inner or Fusion()

    def __getattr__(self, attribute):
        if attribute == "inner":
            raise AttributeError(attribute)
        return getattr(self.inner, attribute)

    def places(self, graph, default=None):
        """Returns the inner strategy's places."""
        return self.inner.places(graph, default)

    def filters(self, layer, names, copy):
        """Returns the inner strategy's filters."""
        return self.inner.filters(layer, names, copy)

    def norm(self, norm, names, place, **options):
        """Returns the inner strategy's norm."""
        return self.inner.norm(norm, names, place, **options)

    def meet(self, streams, number, count, name, norm):
        """Lets the streams meet as the inner strategy does."""
        return self.inner.meet(streams, number, count, name, norm)

    def get_config(self) -> dict[str, Any]:
        """Returns the inner strategy's config, marked."""
        return {**self.inner.get_config(), self.key: True}


class PrivateFilters(_Around):
    """Every modality has filters of its own.

    Args:
        inner: what else the streams do with each other; None for nothing.
    """

    key = "private_filters"

    def filters(self, layer, names, copy):
        """Returns a copy for each stream; layers without weights stay one."""
        if not layer_has_weights(layer) or len(names) == 1:
            return super().filters(layer, names, copy)
        return {name: copy(f"_{name}") for name in names}


class SharedNorms(_Around):
    """One norm for all modalities; without an exchange, whose scales would be one.

    Args:
        inner: what else the streams do with each other; None for nothing.

    Raises:
        InputError: `inner` exchanges channels or penalises scales.
    """

    key = "shared_norms"

    def __init__(self, inner: Fusion | None = None):
        super().__init__(inner)
        exchange = self.inner
        while isinstance(exchange, _Around):
            exchange = exchange.inner
        if isinstance(exchange, Exchange) and (exchange.threshold is not None or exchange.sparsity):
            raise InputError(
                "an exchange compares private scales and its penalty spares them; use threshold=None and sparsity=0 "
                "with shared norms."
            )

    def norm(self, norm, names, place, **options):
        """Returns one norm for all streams."""
        private = self.inner.norm(norm, names[:1], place, **options)
        return SharedNorm(
            names,
            private.norms[0],
            private.freeze_statistics,
            name=private.name,
            dtype=private.dtype_policy,
        )


@keras.saving.register_keras_serializable("cen_keras")
class SharedNorm(keras.layers.Layer):
    """One normalisation for all streams, one after the other: statistics and scales are common.

    Takes and gives a dict modality -> (b, ..., c) floats.

    Args:
        modalities: names of the streams, in order.
        norm: a Keras norm over the last axis, or its serialised form.
        freeze_statistics: normalise with the moving statistics in training too.
    """

    def __init__(self, modalities, norm, freeze_statistics=False, **kwargs):
        super().__init__(**kwargs)
        self.modalities = check_modalities(modalities)
        if isinstance(norm, dict):
            norm = keras.saving.deserialize_keras_object(norm)
        self._template = norm.get_config()
        self.norms = [type(norm).from_config({**self._template, "name": "shared"})]
        self.freeze_statistics = freeze_statistics

    def norm(self, modality: str) -> keras.layers.Layer:
        """Returns the normalisation layer, the same for every modality."""
        return self.norms[0]

    def build(self, input_shape):
        """Creates the scales, biases and statistics."""
        self.norms[0].build(one_shape(input_shape))

    def call(self, streams, training=None):
        """Normalises every stream."""
        (norm,) = self.norms
        moving = isinstance(norm, keras.layers.BatchNormalization)
        mode = {"training": False if self.freeze_statistics else training} if moving else {}
        return {name: norm(streams[name], **mode) for name in self.modalities}

    def compute_output_shape(self, input_shape):
        """Returns the shapes of the streams, unchanged."""
        return dict(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        template = type(self.norms[0]).from_config(self._template)
        return {
            **super().get_config(),
            "modalities": self.modalities,
            "norm": keras.saving.serialize_keras_object(template),
            "freeze_statistics": self.freeze_statistics,
        }


def layer_has_weights(layer) -> bool:
    """Whether an operation of a built network has weights."""
    return bool(getattr(layer, "weights", ()))
