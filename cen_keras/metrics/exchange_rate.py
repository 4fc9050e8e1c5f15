"""How many channels a model exchanges: the number that shows whether it fuses at all."""

from collections.abc import Iterator

import keras
import numpy as np

from cen_keras.layers.modality_norm import ModalityNorm


def layers_of(model: keras.Model, kind: type) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a class of a model and its nested models, in the model's order."""
    for layer in model.layers:
        if isinstance(layer, kind):
            yield layer
        elif hasattr(layer, "layers"):
            yield from layers_of(layer, kind)


def norm_layers(model: keras.Model) -> Iterator[ModalityNorm]:
    """Yields the ModalityNorm layers of a model and its nested models, in the model's order."""
    yield from layers_of(model, ModalityNorm)


def exchange_rate(model: keras.Model) -> dict:
    """Measures which part of the penalised channels is exchanged.

    A modality's *own part* of a layer, [floor(mC/M), floor((m+1)C/M)), is what the penalty acts on;
    a channel of it is exchanged where |gamma|, or what the layer compares instead, is below its threshold (Eq. 6).

    Args:
        model: a built Keras model.

    Returns:
        `share_of_penalised`: exchanged / penalised channels over all layers, in 0..1 (0 without an
            exchange);
        `layers_exchanging`: the number of layers in which any such channel is exchanged;
        `layers`: layer name -> {modality: share of its own part that is exchanged}.
    """
    layers, exchanged, penalised, exchanging = {}, 0, 0, 0
    for layer in norm_layers(model):
        if layer.exchange_threshold is None:
            continue
        below = {}
        for name, score in zip(layer.modalities, layer.exchange_scores(), strict=True):
            own = np.abs(keras.ops.convert_to_numpy(score))[layer.own_part(name)]
            below[name] = own < layer.exchange_threshold
        exchanged += sum(int(part.sum()) for part in below.values())
        penalised += sum(part.size for part in below.values())
        exchanging += any(part.any() for part in below.values())
        layers[layer.name] = {
            name: float(part.mean()) if part.size else 0.0 for name, part in below.items()
        }
    return {
        "share_of_penalised": exchanged / penalised if penalised else 0.0,
        "layers_exchanging": exchanging,
        "layers": layers,
    }
