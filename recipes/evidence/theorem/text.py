"""theorem.md: what theorem.py has measured, in words that follow from the numbers."""

import shlex
from typing import Any

import numpy as np

from cen_keras.training import machine
from cen_keras.training.console import percent
from recipes.evidence.report.rendering import markdown
from recipes.evidence.theorem.attraction import BATCH_CASES, CONFIDENCE, POSITIONS, Shares
from recipes.evidence.theorem.calibration import CLOSED, sharing
from recipes.evidence.theorem.histories import quantiles

INTRODUCTION = """\
# Theorem 1, measured

Written by `recipes.evidence.theorem`; do not edit. Every line: [theorem.csv](theorem.csv).

Theorem 1 of CEN (Wang et al., NeurIPS 2020) says how likely a scale of zero is to attract: gamma = 0
is a local minimum of L + lambda |gamma| with the probability 2 Phi(lambda / |dL/dx'|) - 1. It follows
from dL/dgamma = dL/dx' x^ with a standard normal x^ and **one** number dL/dx' for the channel. A layer
has many positions, and dL/dgamma is the sum over all of them. If N positions were independent, the sum
would have the standard deviation sqrt(N) r, r being that of dL/dx' over the positions, and lambda would
have to be compared with that: 2 Phi(lambda / (sqrt(N) r)) - 1, here the *sum form*.

All gradients are TensorFlow's, through the layers themselves. Intervals are exact binomial ones of
95 %.

![theorem](theorem.png)
"""

NET = """\
## A trained net's channels

`{run}` ({recipe}): lambda = {strength:g}, theta = {theta:g}. Each of the {count} penalised channels
had its scale set to 0 alone; dL/dgamma was taken over {batches} augmented training batches each, with
{statistics}, without exchange and without penalty, at the weights of best.keras. {losses}

A trial is a channel and a batch; trials of one channel are not independent, so these intervals are too
narrow.
"""


def page(found: list[Shares], net: Any) -> str:
    """Returns the whole text.

    Args:
        found: all shares that were measured.
        net: `theorem.Net`.
    """
    parts = [
        INTRODUCTION,
        *_single(found),
        *_batch(found),
        *_net(found, net),
        *_life(found, net),
        _made(net),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _measured(s: Shares) -> str:
    low, high = s.interval
    return f"{percent(s.measured)} ({percent(low)} to {percent(high)})"


def _single(found):
    normal, laplace = (
        [s for s in found if s.part == "single" and s.case == case]
        for case in ("normal", "laplace")
    )
    body = [
        [f"{a.x:g}", percent(a.theorem), _measured(a), _measured(b)]
        for a, b in zip(normal, laplace, strict=True)
    ]
    inside, others = _inside(normal), _inside(laplace)
    return [
        "## One position",
        f"One position a channel and frozen statistics, so that the theorem's conditions hold; "
        f"{normal[0].count:,} draws a line. With normal activations {inside} of {len(normal)} "
        f"intervals hold the theorem's probability ({percent(CONFIDENCE, 0)} % are to be expected); "
        f"with Laplace activations of the same variance, whose tails are heavier, {others}: the "
        "formula needs the normal distribution.",
        markdown(["lambda / abs(dL/dx')", "theorem %", "normal %", "Laplace %"], body),
    ]


def _inside(shares, form="theorem"):
    return sum(s.interval[0] <= getattr(s, form) <= s.interval[1] for s in shares)


def _batch(found):
    batch = {(s.case, s.x): s for s in found if s.part == "batch"}
    body = []
    for case in BATCH_CASES:
        cells = [batch.get((case, positions)) for positions in POSITIONS]
        body.append([case, *("-" if s is None else percent(s.measured) for s in cells)])
    theorem = batch["frozen statistics", POSITIONS[-1]].theorem
    body.append(["theorem", *([percent(theorem)] * len(POSITIONS))])
    sums = [batch["frozen statistics", n].sum_form for n in POSITIONS]
    body.append(["sum form", *map(percent, sums)])
    last = POSITIONS[-1]
    frozen, patches = batch["frozen statistics", last], batch["patches of 4", last]
    one = batch["one gradient, batch", last]
    return [
        "## Many positions",
        "lambda is the root mean square of dL/dx', so that the theorem gives the same for every N. "
        "Measured share in % with gamma = 0 attractive:",
        markdown(["case", *(f"N = {n}" for n in POSITIONS)], body),
        f"Where the conditions do not hold: (1) the sum grows with the number of positions. At N = "
        f"{last} zero attracts in {percent(frozen.measured)} %, the theorem says "
        f"{percent(frozen.theorem)} %, the sum form {percent(frozen.sum_form)} %. (2) Neighbouring "
        f"positions are alike: where each 4 share activation and gradient, it is "
        f"{percent(patches.measured)} %, below the sum form too. (3) With the batch's statistics "
        "x^ sums to zero, so that what the gradients have in common drops out: where all positions "
        f"have one gradient, as in the theorem, zero attracts in {percent(one.measured)} %. (4) For "
        "few positions the product of two normal variables is not normal: at N = 1 zero attracts in "
        f"{percent(batch['frozen statistics', 1].measured)} % where gradients are drawn too.",
    ]


def _net(found, net):
    bins = [s for s in found if s.part == "net"]
    if net.exchanges:
        losses = (
            f"The task loss of these batches is {net.exchanging_loss:.3f} with exchange, as the net "
            f"was trained, and {net.plain_loss:.3f} without: the theorem's net without exchange is "
            "another one than that which was trained."
        )
    else:
        losses = (
            f"The net was trained without exchange; its task loss here is {net.plain_loss:.3f}."
        )
    body = [[s.case, s.count, percent(s.theorem), percent(s.sum_form), _measured(s)] for s in bins]
    layers = [
        [s.case, percent(s.theorem), percent(s.sum_form), _measured(s), percent(s.x, 0)]
        for s in found
        if s.part == "net layer"
    ]
    parts = [
        NET.format(
            run=net.run,
            recipe=net.recipe,
            strength=net.strength,
            theta=net.theta,
            count=len(net.channels),
            batches=net.batches,
            statistics="frozen statistics"
            if all(c.frozen for c in net.channels)
            else "the batch's statistics",
            losses=losses,
        ),
        markdown(["sum form", "trials", "theorem %", "sum form %", "measured %"], body),
        _verdict(bins, net),
        markdown(["layer", "theorem %", "sum form %", "measured %", "below theta %"], layers),
    ]
    fates = [
        f"{percent(s.measured)} % of the {s.count} channels {s.case} "
        f"({percent(s.interval[0])} to {percent(s.interval[1])})"
        for s in found
        if s.part == "net fate"
    ]
    parts.append(
        f"By what training did: in the mean over the batches zero attracts in {', and in '.join(fates)}. "
        "That zero attracts does not say that a scale gets there: the theorem is about the slope at "
        "zero, the training starts elsewhere and ends after so many steps. Nor does a scale below theta "
        "need an attracting zero in the net without exchange: once a channel is replaced, its scale has "
        "no gradient but the penalty's."
    )
    return parts


def _verdict(bins, net):
    """Says how far both predictions are from what was measured, weighted by trials."""
    opened = [s for s in bins if s.case != CLOSED]
    closed = sum(s.count for s in bins if s.case == CLOSED)
    total = sum(s.count for s in bins)
    shut = [c for c in net.channels if c.closed.any()]
    negative = sum(c.beta < 0 for c in shut)
    text = (
        f"No gradient at all arrives in {closed} of {total} trials, in {len(shut)} channels: at gamma "
        f"= 0 the map is the constant beta, which is negative in {negative} of them, and a ReLU behind "
        "the norm shuts. There zero attracts because of beta, wherever the training stands."
    )
    if not opened:
        return text
    weights = [s.count for s in opened]
    measured, theorem, sums = (
        np.average([getattr(s, name) for s in opened], weights=weights)
        for name in ("measured", "theorem", "sum_form")
    )
    errors = [
        np.average([abs(s.measured - getattr(s, name)) for s in opened], weights=weights)
        for name in ("theorem", "sum_form")
    ]
    near, far = ("sum form", "theorem") if errors[1] < errors[0] else ("theorem", "sum form")
    ratio = sharing(net.channels)
    return (
        f"{text} In the other trials zero attracts in {percent(measured)} %; the theorem, taking the "
        f"root mean square of dL/dx' as its number, says {percent(theorem)} % and is off by "
        f"{percent(errors[0])} points in the mean over the bins, the sum form says {percent(sums)} % "
        f"and is off by {percent(errors[1])}. So here the {near} is nearer to what happens than the "
        f"{far}. In the median abs(dL/dgamma) is {ratio:.2f} times that of a sum over "
        "independent positions: above 1, positions share their gradient, or the channel is of use to the task, "
        "which a random x^ cannot be."
    )


def _life(found, net):
    some = {s.case: s for s in found if s.part == "life" and s.x == 0.0 and s.case != "below theta"}
    below = {s.x: s for s in found if s.part == "life" and s.case == "below theta"}
    came = {(s.case, s.x): s for s in found if s.part == "life"}
    body = []
    for epoch, s in below.items():
        row = [came.get((case, epoch)) for case in ("came below", "came back")]
        cells = ("-" if r is None else f"{r.hits} of {r.count}" for r in row)
        body.append([f"{epoch:g}", percent(s.measured), *cells])
    parts = ["## Once below the threshold"]
    if "ever came back" not in some:
        return [*parts, "No penalised channel ever came below the threshold."]
    ever, back, now = (some[c] for c in ("ever below", "ever came back", "is back at the end"))
    times = [one.returned - one.first for one in net.histories if one.returned is not None]
    spans = quantiles(times)
    sizes = [one.largest_since for one in net.histories if one.first is not None]
    least, median, largest = quantiles(sizes)
    returned = (
        f"; the first return came {spans[0]} to {spans[2]} epochs after (median {spans[1]:g})"
        if spans
        else ""
    )
    return [
        *parts,
        f"{ever.hits} of {ever.count} penalised channels were below theta after some epoch. Of these "
        f"{back.hits} were above it after a later one, in % {_measured(back)}{returned}; at the end "
        f"{now.hits} are. The largest abs(gamma) after the first time below is {median:.2g} in the "
        f"median ({least:.2g} to {largest:.2g}); theta is {net.theta:g}. Scales are seen once an epoch: "
        "what comes and goes within one is not counted.",
        markdown(["epoch", "below theta %", "came below", "came back"], body),
    ]


def _made(net):
    command = shlex.join(["python", "-m", "recipes.evidence.theorem", net.run])
    theta = "" if net.exchanges else f" --theta {net.theta:g}"
    return (
        f"Made by `{command} --batches {net.batches}{theta}` at commit {machine.commit()} with "
        f"{machine.backend()} on {machine.hardware()}."
    )
