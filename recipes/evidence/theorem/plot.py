"""The picture of theorem.py: single channels, batches, a trained net, and the channels' later life."""

from pathlib import Path

import matplotlib.figure
import numpy as np

from cen_keras.visualization import save_png
from recipes.evidence.theorem.attraction import Shares, probability
from recipes.evidence.theorem.calibration import CLOSED

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#777777"


def write_plot(found: list[Shares], path: Path) -> None:
    """Draws the panels for which there are numbers and writes them as one PNG."""
    panels = [
        draw
        for part, draw in (
            ("single", _single),
            ("batch", _batch),
            ("net", _net),
            ("life", _life),
        )
        if any(s.part == part for s in found)
    ]
    rows = -(-len(panels) // 2)
    figure = matplotlib.figure.Figure((9.6, 3.7 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    for one, draw in zip(axes, panels, strict=False):
        draw(one, found)
        one.grid(color="#e4e4e4", lw=0.6)
        one.set_axisbelow(True)
    for one in axes[len(panels) :]:
        one.remove()
    save_png(figure, path)


def _points(axes, shares, colour, label, marker="o"):
    """Draws measured shares with their intervals."""
    x = [s.x for s in shares]
    y = np.array([s.measured for s in shares])
    ends = np.array([s.interval for s in shares]).T
    # Rounding may put an end a hair on the wrong side of the share.
    lengths = np.maximum(0, [y - ends[0], ends[1] - y])
    axes.errorbar(x, y, lengths, fmt=marker, color=colour, ms=4.5, capsize=2.5, lw=1, label=label)


def _single(axes, found):
    for case, colour, marker in (("normal", BLUE, "o"), ("laplace", PURPLE, "^")):
        some = [s for s in found if s.part == "single" and s.case == case]
        _points(axes, some, colour, f"{case.capitalize()} activations", marker)
    ratios = np.linspace(0, 3.1, 100)
    axes.plot(ratios, [probability(r) for r in ratios], color=GREY, lw=1.2, label="theorem")
    axes.set(
        xlabel="$\\lambda\\, /\\, |dL/dx'|$",
        ylabel="share with $\\gamma = 0$ attractive",
        title="one position",
        ylim=(-0.02, 1.05),
    )
    axes.legend(loc="lower right", fontsize=8)


def _batch(axes, found):
    cases = {
        "frozen statistics": (BLUE, "o"),
        "batch statistics": (GREEN, "s"),
        "patches of 4": (PURPLE, "^"),
        "one gradient, batch": (ORANGE, "D"),
    }
    for case, (colour, marker) in cases.items():
        _points(
            axes, [s for s in found if s.part == "batch" and s.case == case], colour, case, marker
        )
    counts = np.geomspace(1, 300, 100)
    axes.plot(counts, [probability(1.0)] * 100, "--", color=GREY, lw=1.2, label="theorem")
    axes.plot(
        counts, [probability(n**-0.5) for n in counts], color=GREY, lw=1.2, label="sum over N"
    )
    axes.set_xscale("log", base=4)
    axes.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
    axes.set(
        xlabel="positions N",
        title="a batch of N positions, $\\lambda$ = rms of $dL/dx'$",
        ylim=(-0.02, 1.05),
    )
    axes.legend(fontsize=8, loc="center right", bbox_to_anchor=(1, 0.43))


def _net(axes, found):
    bins = [s for s in found if s.part == "net" and s.case != CLOSED]
    axes.plot([0, 1], [0, 1], color=GREY, lw=1.2, label="what it should be")
    _points(axes, bins, BLUE, "sum over positions")
    axes.plot(
        [s.theorem for s in bins],
        [s.measured for s in bins],
        "x",
        color=ORANGE,
        ms=6,
        label="theorem, rms of $dL/dx'$",
    )
    for s in bins:
        right = s.x > 0.9
        axes.annotate(
            f"{s.count}",
            (s.x, s.measured),
            xytext=(-5 if right else 5, -9),
            ha="right" if right else "left",
            textcoords="offset points",
            fontsize=7,
            color=BLUE,
        )
    axes.set(
        xlabel="predicted probability (mean of the bin)",
        ylabel="measured share",
        title="a trained net's channels, where a gradient arrives",
        xlim=(-0.03, 1.05),
        ylim=(-0.03, 1.05),
    )
    axes.legend(fontsize=8, loc="best")


def _life(axes, found):
    for case, colour, marker in (
        ("below theta", BLUE, "o"),
        ("came below", GREEN, "s"),
        ("came back", ORANGE, "^"),
    ):
        some = [s for s in found if s.part == "life" and s.case == case]
        axes.plot(
            [s.x for s in some],
            [s.measured for s in some],
            f"{marker}-",
            color=colour,
            ms=4,
            lw=1.2,
            label={
                "below theta": "below $\\theta$, of all",
                "came below": "came below, of those above before",
                "came back": "came back, of those below before",
            }[case],
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="share of channels", title="later life", ylim=(-0.02, 1.05))
    axes.legend(fontsize=8, loc="best")
