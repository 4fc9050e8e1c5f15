"""Figures of a training as SVG that stands in a page: curves, exchange by layer, classes, confusion matrix.

Ink is `currentColor` and the ground transparent, so a figure is readable on a light page and on a dark one.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# The first of a palette that colour-blind readers can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
INK = "#7b7c7d"
"""Stands for the page's colour of text until the SVG is written; no other ink is quite this grey."""


def training_curves(log: Sequence[Mapping[str, str]], streams: Sequence[str]) -> str | None:
    """Draws loss and scores over the epochs.

    Args:
        log: rows of a run's log.csv.
        streams: whose `{stream}_miou` (in 0..1) or `val_{stream}_mae` are drawn.

    Returns:
        SVG; None without rows.
    """
    if not log:
        return None
    epochs = np.array([int(row["epoch"]) + 1 for row in log])
    figure = new_figure(9.5, 3.2)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, _column(log, "loss"), color=COLOURS[0], marker="o", markersize=3)
    left.set(title="loss", xlabel="epoch")
    errors = any(f"val_{stream}_mae" in log[0] for stream in streams)
    for index, stream in enumerate(streams):
        values = (
            _column(log, f"val_{stream}_mae") if errors else 100 * _column(log, f"{stream}_miou")
        )
        # Not every epoch is evaluated; the line goes from one that was to the next.
        seen = np.isfinite(values)
        style = {"color": COLOURS[index % len(COLOURS)], "marker": "o", "markersize": 3}
        right.plot(epochs[seen], values[seen], label=stream, **style)
    what = "mean absolute error" if errors else "mIoU, points"
    right.set(title=f"{what}, on held-out views", xlabel="epoch")
    if streams:
        right.legend(frameon=False, labelcolor=INK)
    for axes in (left, right):
        if len(epochs) < 8:
            axes.set_xticks(epochs)
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
    return svg(figure, "curves", "Loss and scores over the epochs")


def exchange_rates(rows: Sequence[Mapping[str, str]]) -> str | None:
    """Draws the share of exchanged channels by layer, modality and epoch.

    Args:
        rows: of a run's exchange.csv.

    Returns:
        SVG; None without rows.
    """
    if not rows:
        return None
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    modalities = list(dict.fromkeys(row["modality"] for row in rows))
    epochs = sorted({int(row["epoch"]) for row in rows})
    share = {(r["layer"], r["modality"], int(r["epoch"])): float(r["share"]) for r in rows}
    figure = new_figure(9.5, 1.2 + 0.23 * len(layers))
    axes = figure.subplots(1, len(modalities), sharey=True, squeeze=False)[0]
    ticks = np.unique(np.linspace(0, len(epochs) - 1, 10).astype(int))
    for axis, modality in zip(axes, modalities, strict=True):
        grid = np.array(
            [[share.get((layer, modality, e), np.nan) for e in epochs] for layer in layers], float
        )
        image = axis.imshow(grid, aspect="auto", vmin=0, vmax=1, cmap="viridis")
        axis.set(title=f"channels of {modality} replaced", xlabel="epoch")
        axis.set_xticks(ticks, [str(epochs[i] + 1) for i in ticks])
        axis.set_yticks(range(len(layers)), layers, fontsize=8)
        for row, value in enumerate(grid[:, -1]):
            if np.isfinite(value):
                ink = "#111111" if value > 0.6 else "#fefefe"
                words = {"ha": "right", "va": "center", "fontsize": 7, "color": ink}
                axis.text(len(epochs) - 0.55, row, f"{100 * value:.0f}%", **words)
    bar = figure.colorbar(image, ax=list(axes), label="share of the penalised channels", shrink=0.9)
    bar.ax.tick_params(colors=INK)
    return svg(figure, "exchange", "Share of exchanged channels per layer")


def class_bars(scores: Mapping[str, Mapping[str, float | None]]) -> str | None:
    """Draws the IoU of every class as bars.

    Args:
        scores: stream -> class -> IoU in 0..1, None where it is undefined.

    Returns:
        SVG; None without classes.
    """
    streams = list(scores)
    if not streams or not scores[streams[0]]:
        return None
    # The best on top, by the last stream: the ensemble.
    last = {name: value or 0.0 for name, value in scores[streams[-1]].items()}
    names = sorted(last, key=last.get)
    figure = new_figure(7.5, 1.0 + (0.11 * len(streams) + 0.14) * len(names))
    axis, height = figure.subplots(), 0.8 / len(streams)
    for index, stream in enumerate(streams):
        values = [100 * (scores[stream].get(name) or 0.0) for name in names]
        place = np.arange(len(names)) + 0.4 - height * (index + 0.5)
        axis.barh(place, values, height, color=COLOURS[index % len(COLOURS)], label=stream)
    for row, name in enumerate(names):
        value = scores[streams[-1]][name]
        words = "not in these views" if value is None else f"{100 * value:.1f}"
        place = row + 0.4 - height * (len(streams) - 0.5)
        axis.text(100 * (value or 0) + 1, place, words, va="center", fontsize=8, color=INK)
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.set(xlim=(0, 100), ylim=(-0.6, len(names) - 0.4), xlabel="IoU, points")
    axis.legend(frameon=False, labelcolor=INK, loc="lower right", fontsize=8)
    return svg(figure, "classes", "IoU of every class")


def confusion(matrix: Any, classes: Sequence[str]) -> str | None:
    """Draws a confusion matrix, each row as shares of the true class.

    Args:
        matrix: (n, n) pixels; rows are true classes.
        classes: n names.

    Returns:
        SVG; None if no pixel was counted.
    """
    counts = np.asarray(matrix, float)
    if not counts.sum():
        return None
    rows = np.flatnonzero(counts.sum(1))
    share = counts[rows] / counts[rows].sum(1, keepdims=True)
    side = 1.8 + 0.32 * len(classes)
    figure = new_figure(side + 0.8, 1.8 + 0.32 * len(rows))
    axis = figure.subplots()
    axis.imshow(100 * share, vmin=0, vmax=100, cmap="Blues", aspect="equal")
    axis.set_xticks(range(len(classes)), classes, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(rows)), [classes[i] for i in rows])
    axis.tick_params(labelsize=8)
    axis.set(xlabel="predicted", ylabel="true")
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.01:
            ink = "#fefefe" if value > 0.55 else "#111111"
            words = {"ha": "center", "va": "center", "fontsize": 7, "color": ink}
            axis.text(column, row, f"{100 * value:.0f}", **words)
    return svg(figure, "confusion", "Confusion matrix, percent of the true class")


def new_figure(width: float, height: float) -> Any:
    """Returns a figure of so many inches without pyplot's global state: any thread may draw one."""
    import matplotlib.figure

    with _style():
        return matplotlib.figure.Figure(
            figsize=(width, height), layout="constrained", facecolor="none"
        )


def svg(figure: Any, name: str, words: str) -> str:
    """Returns a figure as an `<svg>` element.

    Args:
        figure: of `new_figure`, whose text is in the usual colour.
        name: makes the ids of one page's figures different.
        words: what it shows, for those who do not see it.
    """
    for axis in figure.axes:
        axis.set_facecolor("none")
        axis.tick_params(colors=INK)
        for part in (axis.title, axis.xaxis.label, axis.yaxis.label, *axis.spines.values()):
            part.set_color(INK)
    buffer = io.StringIO()
    # A fixed salt and no date: the same numbers give the same page.
    with _style({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids of one figure are not those of another, of which pages hold several.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1).strip()


def _style(more: Mapping[str, Any] | None = None) -> Any:
    import matplotlib

    return matplotlib.rc_context({"svg.fonttype": "path", "font.size": 9, **(more or {})})


def _column(rows: Sequence[Mapping[str, str]], name: str) -> np.ndarray:
    """A column as floats; NaN where a row has nothing there."""
    return np.array([float(row.get(name) or "nan") for row in rows])
