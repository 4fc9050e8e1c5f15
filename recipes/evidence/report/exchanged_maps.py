"""The maps that a trained net exchanges for one view: what a stream had, and what it got instead."""

import dataclasses
from typing import Any

import numpy as np

from cen_keras.layers.exchange import kept_channels
from cen_keras.layers.modality_norm import ModalityNorm
from cen_keras.metrics.exchange_rate import norm_layers


@dataclasses.dataclass(frozen=True)
class Replaced:
    """One replaced channel.

    Attributes:
        layer: name of the norm.
        receiver: the modality whose channel was replaced.
        index: of the channel.
        scale: its own gamma.
        own: (h, w) float32, its own map behind its norm, before the exchange.
        donated: (h, w) float32, what stands there after the exchange.
        count: how many channels this receiver has replaced in this layer.
    """

    layer: str
    receiver: str
    index: int
    scale: float
    own: np.ndarray
    donated: np.ndarray
    count: int


def exchanging_norms(model: Any) -> list[ModalityNorm]:
    """Returns the norms of a model that may exchange, in the model's order."""
    return [layer for layer in norm_layers(model) if layer.exchange_threshold is not None]


def replaced_mask(layer: ModalityNorm, modality: str) -> np.ndarray:
    """Returns (C,) bool, the channels of a modality that a norm replaces."""
    import keras

    index = layer.modalities.index(modality)
    kept = kept_channels(
        layer.exchange_scores()[index],
        layer.exchange_threshold,
        index,
        len(layer.modalities),
        layer.exchange_scope,
    )
    return ~keras.ops.convert_to_numpy(kept)


def normed(layer: ModalityNorm, streams: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns every stream behind its norm and before the exchange, as in inference."""
    import keras

    # An instance norm knows no training.
    moving = isinstance(layer.norms[0], keras.layers.BatchNormalization)
    mode = {"training": False} if moving else {}
    return {
        name: keras.ops.convert_to_numpy(layer.norm(name)(streams[name], **mode))
        for name in layer.modalities
    }


def replaced_maps(model: Any, inputs: dict[str, np.ndarray]) -> list[Replaced]:
    """Computes, for one view, the most varied replaced map of every exchanging norm and modality.

    Args:
        model: a trained Segmenter, or a Translator's generator.
        inputs: one view in a batch of one.

    Returns:
        In the model's order, for each norm and receiver that replaces any channel, the one whose
        donated map has the largest standard deviation over the view.
    """
    import keras

    layers = exchanging_norms(model)
    # Keras gives a layer's dict of inputs as a list.
    taken = [
        keras.tree.pack_sequence_as({name: name for name in layer.modalities}, layer.input)
        for layer in layers
    ]
    probe = keras.Model(model.input, [t[n] for t in taken for n in t])
    values = iter(probe(inputs, training=False))
    found = []
    for layer, tensors in zip(layers, taken, strict=True):
        maps = normed(layer, {name: next(values) for name in tensors})
        for receiver, scales in zip(layer.modalities, layer.scales(), strict=True):
            mask = replaced_mask(layer, receiver)
            if not mask.any():
                continue
            others = [maps[name][0] for name in layer.modalities if name != receiver]
            donated = np.mean(others, axis=0)
            index = int(np.where(mask, donated.std((0, 1)), -1).argmax())
            found.append(
                Replaced(
                    layer.name,
                    receiver,
                    index,
                    float(keras.ops.convert_to_numpy(scales)[index]),
                    maps[receiver][0, ..., index],
                    donated[..., index],
                    int(mask.sum()),
                )
            )
    return found
