"""Plots of a training and pictures of what the artifacts see, as images for an HTML page."""

import base64
import io
from typing import Any

import numpy as np

from ..run_folder import RunFolder
from ..runtime.image_kind import kind_of
from ..runtime.pictures import (
    colorize,
    difference_map,
    image_picture,
    legend,
    side_by_side,
    stack,
)
from ..runtime.postprocess import class_map
from ..runtime.preprocess import Frame, Preprocessor, resize_nearest
from ..runtime.runner import Runner

# The first four of a palette that colour-blind readers can tell apart.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


def training_curves(log: list[dict[str, str]], streams: list[str]) -> str | None:
    """Loss and mIoU over the epochs, as a data URL; None without a log."""
    if not log:
        return None
    epochs = [int(row["epoch"]) + 1 for row in log]
    figure = _figure(9.5, 3.2)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, _column(log, "loss"), color=_COLOURS[0], marker="o", markersize=3)
    left.set(title="loss", xlabel="epoch")
    for index, stream in enumerate(streams):
        values = 100 * _column(log, f"{stream}_miou")
        # Not every epoch is evaluated; the line goes from one that was to the next.
        seen = np.isfinite(values)
        colour = _COLOURS[index % 6]
        right.plot(
            np.array(epochs)[seen],
            values[seen],
            color=colour,
            marker="o",
            markersize=3,
            label=stream,
        )
    right.set(title="mIoU on held-out views, points", xlabel="epoch")
    right.legend(frameon=False)
    return _url(figure)


def exchange_rates(rows: list[dict[str, str]]) -> str | None:
    """Share of exchanged channels per layer and modality over the epochs, as a data URL."""
    if not rows:
        return None
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    modalities = list(dict.fromkeys(row["modality"] for row in rows))
    epochs = sorted({int(row["epoch"]) for row in rows})
    share = {(r["layer"], r["modality"], int(r["epoch"])): float(r["share"]) for r in rows}
    figure = _figure(9.5, 1.2 + 0.23 * len(layers))
    axes = figure.subplots(1, len(modalities), sharey=True, squeeze=False)[0]
    for axis, modality in zip(axes, modalities, strict=True):
        grid = np.array(
            [[share.get((la, modality, e), np.nan) for e in epochs] for la in layers], float
        )
        image = axis.imshow(grid, aspect="auto", vmin=0, vmax=1, cmap="viridis")
        axis.set(title=f"channels of {modality} replaced", xlabel="epoch")
        axis.set_xticks(range(len(epochs)), [str(e + 1) for e in epochs])
        axis.set_yticks(range(len(layers)), layers, fontsize=8)
        for (row, column), value in np.ndenumerate(grid):
            if column == len(epochs) - 1 and np.isfinite(value):
                axis.text(
                    column,
                    row,
                    f"{100 * value:.0f}%",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="black" if value > 0.6 else "white",
                )
    figure.colorbar(image, ax=list(axes), label="share of the penalised channels", shrink=0.9)
    return _url(figure)


def latency_bars(latency: dict[str, Any] | None, contenders: tuple[str, ...]) -> str | None:
    """Inference time of the frozen and the as-trained exports, as a data URL."""
    if latency is None or any(name not in latency["artifacts"] for name in contenders):
        return None
    figure = _figure(6.5, 2.2)
    axis = figure.subplots()
    for position, name in enumerate(reversed(contenders)):
        times = latency["artifacts"][name]["infer"]
        colour = _COLOURS[2] if name.startswith("frozen") else _COLOURS[1]
        axis.barh(position, times["p50"], color=colour)
        axis.plot([times["p50"], times["p95"]], [position] * 2, color="black", linewidth=1)
        axis.text(times["p95"], position, f"  {times['p50']:.1f} ms", va="center", fontsize=9)
    axis.set_yticks(range(len(contenders)), [n.replace("_", " ") for n in reversed(contenders)])
    axis.set(xlabel="inference, ms (bar: p50, line to p95)")
    axis.margins(x=0.15)
    return _url(figure)


def predictions(
    run: RunFolder, runners: dict[str, Runner], count: int, output: str = "ensemble"
) -> str | None:
    """Held-out views as the artifacts see them, with a map of where the first two differ.

    Args:
        run: whose validation split is shown.
        runners: opened artifacts by name; the first is what the second is compared with.
        count: number of views.
        output: which output is shown; an artifact without it shows its first.

    Returns:
        A data URL; None without artifacts.
    """
    if not runners:
        return None
    classes, palette = run.data["classes"], run.data["palette"]
    views = run.views("val")
    rows, present = [], set()
    # Evenly over the split, so that the pictures are of different rooms.
    for index in np.linspace(0, len(views) - 1, min(count, len(views))).astype(int):
        view = views[int(index)]
        height, width = view["label"].shape
        row = [
            (name, image_picture(np.asarray(view[name]), kind_of(kind) if kind else None))
            for name, kind in ((name, run.descriptions.get(name)) for name in run.modalities)
        ]
        row.append(("truth", colorize(view["label"], palette)))
        maps = []
        for name, runner in runners.items():
            shown = output if output in runner.outputs else next(iter(runner.outputs))
            feeds = Preprocessor(runner.inputs)(Frame(f"view {index}", view))
            small = class_map(runner.run(feeds)[shown][0], *runner.manifest.image_shape)
            maps.append(resize_nearest(small, height, width))
            row.append((name, colorize(maps[-1], palette)))
        if len(maps) > 1:
            share = float((maps[0] != maps[1]).mean())
            row.append((f"difference, {share:.1%}", difference_map(maps[0], maps[1])))
        present |= set(np.unique(np.stack(maps)).tolist())
        present |= set(np.unique(view["label"]).tolist()) - {run.ignore}
        rows.append(side_by_side(row, 168))
    strip = legend(classes, palette, rows[0].shape[1], sorted(present))
    return _picture_url(stack([*rows, strip]))


def _column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    """A column as floats; NaN where a row has nothing there."""
    return np.array([float(row.get(name) or "nan") for row in rows])


def _figure(width: float, height: float):
    """A figure without pyplot's global state, so that a report may be built in any thread."""
    import matplotlib.figure

    return matplotlib.figure.Figure(figsize=(width, height), layout="constrained")


def _url(figure) -> str:
    import matplotlib

    buffer = io.BytesIO()
    # A fixed salt and no date: the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "report"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _picture_url(picture: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
