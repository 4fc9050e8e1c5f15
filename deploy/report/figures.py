"""Latency bars, and pictures of what the model and the artifacts see, for an HTML page."""

import base64
import io
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.pages.evaluated import ViewPictures, views_of
from cen_keras.pages.extremes import Segmented
from cen_keras.pages.figures import COLOURS, INK, new_figure, svg

from ..host import quiet_tensorflow
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


def latency_bars(latency: dict[str, Any] | None, contenders: tuple[str, ...]) -> str | None:
    """Inference time of the frozen and the as-trained exports, as SVG."""
    if latency is None or any(name not in latency["artifacts"] for name in contenders):
        return None
    figure = new_figure(6.5, 2.2)
    axis = figure.subplots()
    for position, name in enumerate(reversed(contenders)):
        times = latency["artifacts"][name]["infer"]
        colour = COLOURS[2] if name.startswith("frozen") else COLOURS[1]
        axis.barh(position, times["p50"], color=colour)
        axis.plot([times["p50"], times["p95"]], [position] * 2, color=INK, linewidth=1)
        words = {"va": "center", "fontsize": 9, "color": INK}
        axis.text(times["p95"], position, f"  {times['p50']:.1f} ms", **words)
    axis.set_yticks(range(len(contenders)), [n.replace("_", " ") for n in reversed(contenders)])
    axis.set(xlabel="inference, ms (bar: p50, line to p95)")
    axis.margins(x=0.15)
    return svg(figure, "latency", "Latency of the exports")


def noise_by_layer(layers: list[dict[str, Any]]) -> Any:
    """A figure of a bar for each layer of a sensitivity.json, in their order from the top."""
    figure = new_figure(7.5, 1 + 0.28 * len(layers))
    axis = figure.subplots()
    names = [layer["name"] for layer in reversed(layers)]
    axis.barh(names, [100 * layer["share"] for layer in reversed(layers)], color=COLOURS[1])
    axis.set(xlabel="share of the logits' noise in 8 bits, %")
    return figure


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
        A data URL; None without artifacts, or where the data are not at hand.
    """
    if not runners:
        return None
    classes, palette = run.data["classes"], run.data["palette"]
    try:
        views = run.views("val")
    except (InputError, OSError):
        return None
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


def worst_and_best(run: RunFolder, scores: dict[str, Any] | None, count: int) -> list[ViewPictures]:
    """The validation views that the trained model segments worst and best.

    Args:
        run: whose validation split is shown.
        scores: content of scores.json, whose `views` say how well each went.
        count: of either.

    Returns:
        None where the scores do not say it, or where model or data are not there any more.
    """
    known = sorted(
        (share, index)
        for index, share in enumerate((scores or {}).get("views") or ())
        if share is not None
    )
    if not known or not (run.path / run.data.get("model", "best.keras")).is_file():
        return []
    try:
        quiet_tensorflow()
        model, views = run.model(), run.views(scores.get("split", "val"))
    except (InputError, OSError):
        return []
    if len(views) != len(scores["views"]):
        return []

    def segmented(share: float, index: int) -> Segmented:
        view = views[index]
        classes = model.segment({name: view[name] for name in run.modalities})
        return Segmented(index, share, classes)

    worst, best = known[:count], known[count:][-count:][::-1]
    kept = {
        "worst": [segmented(*one) for one in worst],
        "best": [segmented(*one) for one in best],
    }
    descriptions = {name: run.descriptions.get(name) for name in run.modalities}
    return views_of(kept, views, descriptions, run.ignore)


def _picture_url(picture: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
