"""A second export that freezing is measured against: the exchange as a constant mask.

    x'[m] = keep[m] * x[m] + (1 - keep[m]) * mean of the others

Two multiplications and an addition, which XNNPACK takes in float and int8 where it does not take
`where`: what a careful engineer would export without touching the network's structure. For
comparison in `benchmarks` only.
"""

import keras
from keras import ops

from cen_keras.layers import ModalityNorm
from cen_keras.layers.exchange import kept_channels


class MaskNorm(ModalityNorm):
    """`ModalityNorm` for inference, its exchange written with masks."""

    def call(self, streams, training=None):
        """Normalises every stream with the moving statistics, then exchanges."""
        count = len(self.modalities)
        normed = [self.norm(name)(streams[name], training=False) for name in self.modalities]
        if self.exchange_threshold is None:
            return dict(zip(self.modalities, normed, strict=True))
        mixed = {}
        for index, name in enumerate(self.modalities):
            scores = self.exchange_scores()[index]
            keep = ops.cast(
                kept_channels(scores, self.exchange_threshold, index, count, self.exchange_scope),
                normed[index].dtype,
            )
            others = [x for i, x in enumerate(normed) if i != index]
            donors = others[0] if count == 2 else sum(others[1:], others[0]) / (count - 1)
            mixed[name] = normed[index] * keep + donors * (1 - keep)
        return mixed


def masked(model: keras.Model) -> keras.Model:
    """Rewrites a trained functional model with masks.

    Args:
        model: a `Segmenter`, or another functional model over streams.

    Returns:
        A functional model with the same inputs, outputs (dicts) and weights.
    """

    def copy(layer):
        kind = MaskNorm if type(layer) is ModalityNorm else type(layer)
        return kind.from_config(layer.get_config())

    twin = keras.models.clone_model(keras.Model(model.input, model.output), clone_function=copy)
    twin.set_weights(model.get_weights())
    return twin
