"""Does a predicted probability come true? Measured gradients of a net's channels against Theorem 1.

A trial is a channel and a batch. Trials of one channel are no independent draws, so the binomial
intervals are narrower than they should be.
"""

import numpy as np

from recipes.evidence.theorem.attraction import Shares
from recipes.evidence.theorem.channel_gradients import Channel

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
"""Edges of the bins of a predicted probability."""

CLOSED = "no gradient arrives"


def calibration(channels: list[Channel]) -> list[Shares]:
    """Compares measured with predicted probability in bins of the sum form's.

    `theorem` and `sum_form` are the means of the two predictions over the bin's trials, `x` the
    latter. Trials without any gradient, in which all is certain, are a case of their own; empty
    bins are left out.
    """
    predicted = np.concatenate([c.sum_form for c in channels])
    literal = np.concatenate([c.theorem for c in channels])
    attracted = np.concatenate([c.attracted for c in channels])
    closed = np.concatenate([c.closed for c in channels])
    # The last bin has both its ends.
    which = np.clip(np.digitize(predicted, BINS) - 1, 0, len(BINS) - 2)
    cases = [
        (f"predicted {low:g} to {high:g}", (which == index) & ~closed)
        for index, (low, high) in enumerate(zip(BINS[:-1], BINS[1:], strict=True))
    ]
    return [
        Shares(
            "net",
            case,
            float(predicted[inside].mean()),
            int(inside.sum()),
            int(attracted[inside].sum()),
            float(literal[inside].mean()),
            float(predicted[inside].mean()),
        )
        for case, inside in [*cases, (CLOSED, closed)]
        if inside.any()
    ]


def by_layer(channels: list[Channel]) -> list[Shares]:
    """Compares measured with predicted probability by layer; `x` is the share below theta."""
    found = []
    for layer in dict.fromkeys(c.layer for c in channels):
        some = [c for c in channels if c.layer == layer]
        attracted = np.concatenate([c.attracted for c in some])
        found.append(
            Shares(
                "net layer",
                layer,
                float(np.mean([c.exchanged for c in some])),
                attracted.size,
                int(attracted.sum()),
                float(np.mean([c.theorem for c in some])),
                float(np.mean([c.sum_form for c in some])),
            )
        )
    return found


def by_fate(channels: list[Channel]) -> list[Shares]:
    """How often zero attracts in the mean over the batches, by what training did; `x` is 1 below theta."""
    found = []
    for case, wanted in (("below theta", True), ("not below theta", False)):
        some = [c for c in channels if c.exchanged == wanted]
        if some:
            hits = sum(c.attracted_on_average for c in some)
            found.append(Shares("net fate", case, float(wanted), len(some), hits))
    return found


def sharing(channels: list[Channel]) -> float | None:
    """How much larger dL/dgamma is than a sum over independent positions would be.

    Returns:
        The median over the channels and batches with a gradient of
        |dL/dgamma| / (0.674 spread sqrt(N)), whose denominator is the median of the |normal|
        variable of the sum form: 1 if the positions are independent. None without any gradient.
    """
    ratios = [
        abs(gradient) / (0.67449 * spread * channel.positions**0.5)
        for channel in channels
        for gradient, spread in zip(channel.gradients, channel.spread, strict=True)
        if spread > 0
    ]
    return float(np.median(ratios)) if ratios else None
