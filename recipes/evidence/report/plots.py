"""Pictures of the tables: scores against size and cost, and what the two hyperparameters do."""

import json
import shlex
from pathlib import Path

import matplotlib.figure
import numpy as np

from cen_keras.visualization import save_png
from recipes.evidence.statistics.findings import CEN
from recipes.evidence.statistics.paired import summarize
from recipes.evidence.statistics.scores import ENSEMBLE, METRICS, Line, Scores
from recipes.listing import recipe_of

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"

SWEPT = {
    "sparsity": ("weight of the penalty, $\\lambda$", "sparsity"),
    "threshold": ("threshold, $\\theta$", "threshold"),
}
"""Table -> what its rows differ in, and the model's setting of that name."""


def write_plots(scores: Scores, folder: Path) -> list[str]:
    """Draws what the tables allow into PNG files; returns their names.

    The same rows give the same bytes with the same version of matplotlib.
    """
    drawn = {}
    for table in scores.tables():
        if table in SWEPT:
            drawn[f"{table}.png"] = sweep(scores, table)
        elif table == "share":
            drawn["share.png"] = against_share(scores, table)
        elif table in ("baselines", "common", "translation"):
            drawn[f"{table}.png"] = against_cost(scores, table)
    for name, figure in drawn.items():
        if figure is not None:
            save_png(figure, folder / name)
    return [name for name, figure in drawn.items() if figure is not None]


def against_cost(scores: Scores, table: str) -> matplotlib.figure.Figure | None:
    """The ensemble's score against parameters and against operations; None if nothing is counted.

    A point is a row's mean, its bar the sample standard deviation over seeds; points of nearly the
    same cost stand side by side.
    """
    metric = scores.metrics(table)[0] if scores.metrics(table) else "miou"
    metric = next((m for m in ("miou", "fid") if m in scores.metrics(table)), metric)
    panels = []
    for column, label, scale in (
        ("parameters", "parameters, millions", 1e6),
        ("macs", "multiply-accumulates, millions", 1e6),
    ):
        points = {}
        for row in scores.rows(table):
            values = scores.by_seed(table, row, ENSEMBLE, metric)
            size = scores.whole(table, row, column)
            if values and size is not None:
                points[row] = (size / scale, summarize(list(values.values())))
        if points:
            costs = dict(zip(points, side_by_side([x for x, _ in points.values()]), strict=True))
            panels.append((label, {row: (costs[row], points[row][1]) for row in points}))
    if not panels:
        return None
    figure = matplotlib.figure.Figure((9.6, 3.6), layout="constrained")
    for axes, (label, points) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        for row, (x, found) in points.items():
            colour = ORANGE if row == CEN else BLUE
            axes.errorbar(x, found.mean, found.spread, fmt="o", color=colour, ms=5, capsize=3)
        better = ", lower is better" if METRICS[metric].lower else ""
        axes.set(xlabel=label, ylabel=f"ensemble, {METRICS[metric].label}{better}")
        axes.margins(x=0.08, y=0.1)
        _label_at_the_right(axes, {row: (x, found.mean) for row, (x, found) in points.items()})
    return figure


def side_by_side(places: list[float]) -> list[float]:
    """Moves points of nearly one place, whose bars would hide each other, a little apart.

    Nearly is 1.5 % of the range, and they stand 2 % of it from each other, around their own mean.
    """
    extent = max(places) - min(places) or abs(places[0]) or 1.0
    moved, group = list(places), []
    order = sorted(range(len(places)), key=places.__getitem__)
    for index, following in zip(order, [*order[1:], None], strict=True):
        group.append(index)
        if following is None or places[following] - places[index] > 0.015 * extent:
            middle = sum(places[i] for i in group) / len(group)
            for number, i in enumerate(group):
                moved[i] = middle + 0.02 * extent * (number - (len(group) - 1) / 2)
            group = []
    return moved


def spread_apart(wanted: list[float], gap: float) -> list[float]:
    """Moves ascending positions apart until neighbours are `gap` from each other.

    Those too close become a block around the mean of where they want to be, so that none moves
    farther than it must.
    """
    blocks: list[list[float]] = []  # each: sum of (wanted - own offset), how many
    for position in wanted:
        blocks.append([position, 1])
        while len(blocks) > 1:
            (total, count), (last, size) = blocks[-2], blocks[-1]
            # The start of a block is the mean of its wanted places, each less its offset.
            if last / size - total / count >= gap * count:
                break
            blocks[-2:] = [[total + last - gap * count * size, count + size]]
    return [total / count + gap * i for total, count in blocks for i in range(int(count))]


def _label_at_the_right(axes, points: dict[str, tuple[float, float]]) -> None:
    """Writes names in a column beside the axes, with a thin line to each point; none overlap."""
    low, high = axes.get_ylim()
    ordered = sorted(points, key=lambda row: (points[row][1], row))
    places = [(points[row][1] - low) / (high - low) for row in ordered]
    for row, place in zip(ordered, spread_apart(places, 0.065), strict=True):
        axes.annotate(
            row,
            points[row],
            xytext=(1.06, place),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=ORANGE if row == CEN else "black",
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": GREY, "shrinkB": 4},
        )


def sweep(scores: Scores, table: str) -> matplotlib.figure.Figure | None:
    """Exchanged share and the ensemble's mIoU against the number that a table's rows differ in."""
    title, setting = SWEPT[table]
    found = sorted(
        (swept_value(scores.lines(table, row)[0], setting), row) for row in scores.rows(table)
    )
    positive = [value for value, _ in found if value > 0]
    if len(positive) < 2:
        return None
    # On a logarithmic axis 0 has no place; it gets one left of the least number, and says so.
    x = {row: np.log10(value if value > 0 else min(positive) / 4) for value, row in found}
    shares = {
        row: {
            c.seed: 100 * c.exchanged for c in scores.cells(table, row) if c.exchanged is not None
        }
        for _, row in found
    }
    mious = {row: scores.by_seed(table, row, ENSEMBLE, "miou") for _, row in found}
    figure = matplotlib.figure.Figure((9.6, 3.2), layout="constrained")
    for axes, values, label in zip(
        figure.subplots(1, 2),
        (shares, mious),
        ("exchanged, % of what may be", "ensemble, mIoU, %"),
        strict=True,
    ):
        means = [(x[row], np.mean(list(v.values()))) for row, v in values.items() if v]
        axes.plot(*zip(*means, strict=True), "-", color=GREY, lw=1, zorder=1)
        for row, by_seed in values.items():
            colour = ORANGE if row == CEN else BLUE
            axes.scatter([x[row]] * len(by_seed), by_seed.values(), s=22, color=colour, zorder=2)
        names = [row if row == "none" else f"{value:g}" for value, row in found]
        # Weights that lie close on the logarithmic axis would stand in each other.
        places = [x[row] for _, row in found]
        axes.set_xticks(
            places, names, rotation=45 if min(np.diff(places)) < 0.1 * np.ptp(places) else 0
        )
        axes.set(xlabel=title, ylabel=label)
        axes.grid(axis="y", color="#dddddd", lw=0.6)
        axes.margins(x=0.08, y=0.12)
    return figure


def against_share(scores: Scores, table: str) -> matplotlib.figure.Figure:
    """The mIoU of every output against the share exchanged; a point for each training."""
    figure = matplotlib.figure.Figure((6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    cells = [
        cell
        for row in scores.rows(table)
        for cell in scores.cells(table, row)
        if cell.exchanged is not None
    ]
    outputs = scores.outputs(table, scores.rows(table)[0])
    for output, colour in zip(outputs, (BLUE, GREEN, ORANGE), strict=True):
        mious = {row: scores.by_seed(table, row, output, "miou") for row in scores.rows(table)}
        points = [(100 * cell.exchanged, mious[cell.row][cell.seed]) for cell in cells]
        axes.scatter(*zip(*points, strict=True), s=26, color=colour, alpha=0.8, label=output)
    axes.set(xlabel="exchanged, % of what may be", ylabel="mIoU, %", ylim=(0, None))
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.legend(frameon=False)
    return figure


def swept_value(line: Line, setting: str) -> float:
    """Returns a setting of the model as the line's command has it, else its recipe; 0 for null."""
    recipe, *settings = shlex.split(line.command.partition("recipes.evidence.run")[2])
    found = [s.partition("=")[2] for s in settings if s.startswith(f"model.fusion.{setting}=")]
    value = json.loads(found[-1]) if found else recipe_of(recipe).model["fusion"].get(setting)
    return float(value or 0)
