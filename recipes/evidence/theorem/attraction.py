"""When is a scale of zero attractive? Theorem 1 of CEN on single channels, by the layer's own gradients.

A penalised scale stays at zero if gamma = 0 is a local minimum of L + lambda |gamma|, that is if
|dL/dgamma| < lambda there. With x' = gamma x^ + beta at N positions (pixels of a batch's pictures),

    dL/dgamma = sum_i dL/dx'_i x^_i

The theorem (Wang et al., NeurIPS 2020) takes this to be one product |dL/dx'| x^ with x^ ~ N(0, 1):

    P = 2 Phi(lambda / |dL/dx'|) - 1                                               (theorem)

Of N independent positions whose gradients have the root mean square r, the sum has the standard
deviation r sqrt(N), and the same reasoning gives

    P = 2 Phi(lambda / (r sqrt(N))) - 1                                            (sum form)

A BatchNorm that takes the batch's statistics has sum_i x^_i = 0, so the gradients' mean drops out
and r is their standard deviation. Gradients are TensorFlow's, through a `ModalityNorm`.
"""

import dataclasses
import math

import numpy as np
from scipy.special import betaincinv, ndtr

from cen_keras.layers import ModalityNorm

CONFIDENCE = 0.95
"""Of every binomial interval."""

RATIOS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
POSITIONS = (1, 4, 16, 64, 256)
PATCH = 4
"""Neighbouring positions that share their gradient and activation in the case of patches."""


@dataclasses.dataclass(frozen=True)
class Shares:
    """How often something was true, and how often it should be.

    Attributes:
        part: of the report.
        case: what was tried.
        x: the number that was varied, or the bin's middle.
        count: trials.
        hits: trials in which gamma = 0 was attractive.
        theorem: the probability that the theorem gives; None where it says nothing.
        sum_form: the one of the sum over positions; None likewise.
    """

    part: str
    case: str
    x: float
    count: int
    hits: int
    theorem: float | None = None
    sum_form: float | None = None

    @property
    def measured(self) -> float:
        """The share of hits."""
        return self.hits / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the measured share's interval of `CONFIDENCE`."""
        return binomial_interval(self.hits, self.count)


def probability(ratio: float) -> float:
    """Returns 2 Phi(ratio) - 1, the probability that |N(0, 1)| is below a ratio >= 0."""
    return float(2 * ndtr(ratio) - 1)


def binomial_interval(hits: int, count: int) -> tuple[float, float]:
    """Returns the ends of the exact interval of `CONFIDENCE` (Clopper and Pearson 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if hits == 0 else betaincinv(hits, count - hits + 1, tail)
    high = 1.0 if hits == count else betaincinv(hits + 1, count - hits, 1 - tail)
    return float(low), float(high)


def gradients_at_zero(
    activations: np.ndarray, slopes: np.ndarray, batch_statistics: bool
) -> np.ndarray:
    """Returns dL/dgamma at gamma = 0 of many channels, by TensorFlow through a ModalityNorm.

    The loss is 1/2 sum_i (x'_i + slope_i)^2; at gamma = beta = 0 its dL/dx'_i is slope_i.

    Args:
        activations: (N, C) floats before the norm, N positions of C channels.
        slopes: (N, C) or (N, 1) floats, dL/dx' that each position is to have.
        batch_statistics: normalise with the statistics of the N positions, as a BatchNorm in
            training; otherwise with mean 0 and variance 1, as one with frozen statistics.

    Returns:
        (C,) float32.
    """
    import keras
    import tensorflow as tf

    count, channels = activations.shape
    norm = ModalityNorm(
        ("channels",),
        keras.layers.BatchNormalization(epsilon=1e-5),
        gamma_initializer="zeros",
        freeze_statistics=not batch_statistics,
    )
    x = tf.constant(activations.reshape(count, 1, 1, channels), "float32")
    slope = tf.constant(slopes.reshape(count, 1, 1, -1), "float32")
    norm.build({"channels": x.shape})
    gamma = norm.norm("channels").gamma.value
    with tf.GradientTape() as tape:
        loss = 0.5 * tf.reduce_sum((norm({"channels": x}, training=True)["channels"] + slope) ** 2)
    return tape.gradient(loss, gamma).numpy()


def _attracted(rng, ratio, positions, draws, *, batch_statistics=False, **drawn):
    """Returns in how many of the draws |dL/dgamma| < lambda = ratio, the slopes' r being 1."""
    x, slopes = draw(rng, positions, draws, **drawn)
    return int((np.abs(gradients_at_zero(x, slopes, batch_statistics)) < ratio).sum())


def draw(
    rng: np.random.Generator,
    positions: int,
    draws: int,
    activation: str = "normal",
    slope: str = "independent",
) -> tuple[np.ndarray, np.ndarray]:
    """Draws activations of mean 0 and variance 1, and dL/dx' of root mean square 1.

    Args:
        rng: where from.
        positions: N.
        draws: C.
        activation: "normal" or "laplace", whose tails are heavier.
        slope: "independent" normal ones, "one" for all positions, or "patches": independent ones
            for each `PATCH` positions, which share their activation too.

    Returns:
        (N, C) activations and slopes.
    """
    repeats = PATCH if slope == "patches" else 1
    shape = (positions // repeats, draws)
    if activation == "laplace":
        x = rng.laplace(scale=math.sqrt(0.5), size=shape)
    else:
        x = rng.standard_normal(shape)
    slopes = np.ones(shape) if slope == "one" else rng.standard_normal(shape)
    return np.repeat(x, repeats, axis=0), np.repeat(slopes, repeats, axis=0)


def single_positions(draws: int = 200_000, seed: int = 0) -> list[Shares]:
    """The theorem as it stands: one position, frozen statistics; normal activations, and others."""
    rng = np.random.default_rng(seed)
    return [
        Shares(
            "single",
            activation,
            ratio,
            draws,
            _attracted(rng, ratio, 1, draws, activation=activation, slope="one"),
            probability(ratio),
            probability(ratio),
        )
        for activation in ("normal", "laplace")
        for ratio in RATIOS
    ]


BATCH_CASES = {
    "frozen statistics": {},
    "batch statistics": {"batch_statistics": True},
    "Laplace activations": {"activation": "laplace"},
    "patches of 4": {"slope": "patches"},
    "one gradient, frozen": {"slope": "one"},
    "one gradient, batch": {"slope": "one", "batch_statistics": True},
}
"""Case -> how the positions are drawn and normalised."""


def many_positions(draws: int = 20_000, seed: int = 0) -> list[Shares]:
    """What a batch does to it: N positions, lambda = r, so that the theorem says 68.3 % for all N."""
    rng = np.random.default_rng(seed)
    found = []
    for case, drawn in BATCH_CASES.items():
        for positions in POSITIONS:
            # A batch of one position has no variance, and no patches of four.
            if positions == 1 and drawn:
                continue
            spread = 0.0 if case == "one gradient, batch" else math.sqrt(positions)
            found.append(
                Shares(
                    "batch",
                    case,
                    positions,
                    draws,
                    _attracted(rng, 1.0, positions, draws, **drawn),
                    probability(1.0),
                    probability(1.0 / spread) if spread else 1.0,
                )
            )
    return found
