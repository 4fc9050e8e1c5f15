"""dL/dgamma at gamma = 0 of every penalised channel of a trained net, for Theorem 1 of CEN.

Each channel's scale is set to zero alone, the others stay as trained; exchange and penalty are off,
as the theorem has it, and the net runs as in training (statistics of the batch, augmented views).
The gradients are TensorFlow's.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.training.scale_history import spared_norms
from recipes.evidence.theorem.attraction import probability


@dataclasses.dataclass(frozen=True)
class Channel:
    """What was measured of one penalised channel.

    Attributes:
        layer: name of its norm.
        modality: whose scale it is.
        index: of the channel.
        scale: gamma as trained.
        beta: of the norm, the whole map at gamma = 0.
        theta: the threshold that scale is compared with.
        strength: lambda.
        gradients: (B,) dL/dgamma at gamma = 0, of each batch.
        rms: (B,) root mean square of dL/dx' over the positions.
        spread: (B,) standard deviation of dL/dx' over the positions.
        positions: N, of each batch.
        frozen: the norm uses moving statistics in training, too.
    """

    layer: str
    modality: str
    index: int
    scale: float
    beta: float
    theta: float
    strength: float
    gradients: np.ndarray
    rms: np.ndarray
    spread: np.ndarray
    positions: int
    frozen: bool = False

    @property
    def exchanged(self) -> bool:
        """Whether training took the scale below the threshold."""
        return abs(self.scale) < self.theta

    @property
    def closed(self) -> np.ndarray:
        """(B,) whether no gradient arrives: at gamma = 0, x' is beta, and below 0 a ReLU shuts."""
        return self.rms == 0

    @property
    def attracted(self) -> np.ndarray:
        """(B,) whether gamma = 0 is a local minimum of each batch's penalised loss."""
        return np.abs(self.gradients) < self.strength

    @property
    def attracted_on_average(self) -> bool:
        """Whether it is one of the mean loss of all batches."""
        return bool(abs(self.gradients.mean()) < self.strength)

    @property
    def theorem(self) -> np.ndarray:
        """(B,) the theorem's probability, |dL/dx'| being the rms over the positions."""
        return self._predicted(self.rms)

    @property
    def sum_form(self) -> np.ndarray:
        """(B,) the probability of a sum over independent positions, see `attraction`."""
        # The batch's own statistics take the mean of dL/dx' out of the sum, others do not.
        deviation = self.rms if self.frozen else self.spread
        return self._predicted(deviation * math.sqrt(self.positions))

    def _predicted(self, deviations):
        # Where no gradient arrives at all, zero is attractive for certain.
        return np.array([probability(self.strength / d) if d > 0 else 1.0 for d in deviations])


def measure(
    model: Any,
    batches: Iterable[tuple[dict, np.ndarray]],
    loss: Callable[[Any, Any], Any],
    theta: float | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Channel]:
    """Measures every penalised channel of a model.

    Args:
        model: a Segmenter; it is used up: afterwards it exchanges nothing and its moving statistics
            are others.
        batches: of the training: inputs and labels.
        loss: of labels and one output; the task's loss is its sum over the outputs.
        theta: threshold for a net that is penalised but does not exchange.
        progress: called with the numbers of channels done and in all.

    Raises:
        InputError: no norm of the model is penalised, it exchanges by another criterion than gamma,
            or a threshold is wanted, or given though the net has its own.
    """
    import tensorflow as tf

    layers = [layer for layer in spared_norms(model) if layer.sparsity]
    if not layers:
        raise InputError(
            "no scale of this net is penalised, so there is nothing to measure; give a run whose "
            "model.fusion.sparsity is above 0 and that has two modalities or more."
        )
    chosen = {getattr(layer, "criterion", "gamma") for layer in layers}
    if chosen != {"gamma"}:
        raise InputError(
            f"this net exchanges by {' and '.join(sorted(chosen))}; the theorem is about gamma."
        )
    if theta is None and any(layer.exchange_threshold is None for layer in layers):
        raise InputError("this net does not exchange; give the threshold to compare with, --theta.")
    if theta is not None and all(layer.exchange_threshold is not None for layer in layers):
        raise InputError("this net exchanges, by a threshold of its own; leave out --theta.")
    thresholds = [theta if theta is not None else layer.exchange_threshold for layer in layers]
    for layer in layers:
        layer.exchange_threshold = None
    batches = [
        ({name: tf.constant(x) for name, x in inputs.items()}, tf.constant(labels))
        for inputs, labels in batches
    ]
    parts = [
        (layer, modality, penalised_channels(layer, modality))
        for layer in layers
        for modality in layer.modalities
    ]
    total, found = sum(len(channels) for _, _, channels in parts), []
    for layer, threshold in zip(layers, thresholds, strict=True):
        step = _step(model, layer, loss)
        for other, modality, channels in parts:
            if other is not layer:
                continue
            gamma = layer.norm(modality).gamma
            trained = gamma.numpy().copy()
            betas = layer.norm(modality).beta.numpy()
            for index in channels:
                gamma.assign(np.where(np.arange(trained.size) == index, 0.0, trained))
                each = [step(*batch, layer.modalities.index(modality), index) for batch in batches]
                gradients, rms, spread, positions = (np.array(v) for v in zip(*each, strict=True))
                found.append(
                    Channel(
                        layer.name,
                        modality,
                        index,
                        float(trained[index]),
                        float(betas[index]),
                        threshold,
                        layer.sparsity,
                        gradients,
                        rms,
                        spread,
                        int(positions[0]),
                        layer.freeze_statistics,
                    )
                )
                progress(len(found), total)
            gamma.assign(trained)
    return found


def task_loss(
    model: Any, batches: Iterable[tuple[dict, np.ndarray]], loss: Callable[[Any, Any], Any]
) -> float:
    """Returns the mean over batches of the loss summed over the outputs, without the penalty."""
    return float(
        np.mean(
            [
                sum(float(loss(labels, y)) for y in model(inputs, training=True).values())
                for inputs, labels in batches
            ]
        )
    )


def penalised_channels(layer: Any, modality: str) -> range:
    """Returns the channels of a modality's scale that the penalty acts on."""
    if layer.sparsity_scope == "all":
        return range(layer.norms[0].gamma.shape[0])
    part = layer.own_part(modality)
    return range(part.start, part.stop)


def _step(model, layer, loss):
    """Returns a compiled function (inputs, labels, modality, channel) -> four numbers."""
    import keras
    import tensorflow as tf

    names = list(model.output)
    # Keras gives a layer's dict of outputs as a list. The same tensors go on to the classifiers, so
    # that the tape reaches them.
    normed = keras.tree.pack_sequence_as({n: n for n in layer.modalities}, layer.output)
    watched = [normed[name] for name in layer.modalities]
    probe = keras.Model(model.input, [*model.output.values(), *watched])
    gammas = [layer.norm(name).gamma.value for name in layer.modalities]

    @tf.function(reduce_retracing=True)
    def step(inputs, labels, modality, channel):
        with tf.GradientTape() as tape:
            found = probe(inputs, training=True)
            normed = found[len(names) :]
            total = tf.add_n([loss(labels, output) for output in found[: len(names)]])
        slopes = tape.gradient(total, [*gammas, *normed])
        gradient = tf.stack(slopes[: len(gammas)])[modality, channel]
        slope = tf.gather(tf.stack(slopes[len(gammas) :])[modality], channel, axis=-1)
        # Squares of float16 slopes would be zero.
        slope = tf.cast(slope, "float32")
        mean = tf.reduce_mean(slope)
        spread = tf.sqrt(tf.reduce_mean((slope - mean) ** 2))
        rms = tf.sqrt(tf.reduce_mean(slope**2))
        return gradient, rms, spread, tf.size(slope)

    def call(inputs, labels, modality, channel):
        # Tensors, lest every channel be traced anew.
        return step(inputs, labels, tf.constant(modality), tf.constant(channel))

    return call
