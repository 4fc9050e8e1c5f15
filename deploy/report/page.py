"""Puts the numbers and pictures of a run into `templates/report.html`."""

import datetime
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.pages.evaluated import legend_of
from cen_keras.pages.figures import class_bars, confusion, exchange_rates, svg, training_curves
from cen_keras.pages.training_page import environment

from ..bench import processor
from ..run_folder import RunFolder
from ..runtime.files import PathLike, atomic_path
from ..runtime.runner import open_runner
from . import figures
from .data import CONTENDERS, gather

LAYERS_SHOWN = 15
_TEMPLATES = Path(__file__).parent.parent / "templates"


def build(
    run: RunFolder,
    out: PathLike,
    *,
    controls: dict[str, Path] | None = None,
    pictures: int = 4,
    title: str | None = None,
) -> dict[str, Any]:
    """Writes the page.

    Args:
        run: the trained run; its artifacts and what `verify` and `bench` left are found in it.
        out: the HTML file.
        controls: run folders of the same net on one modality, by name.
        pictures: number of held-out views to show.
        title: of the page; None = the run folder's name.

    Returns:
        The rows of the main table and what was left out of it, for machines.

    Raises:
        InputError: jinja2 or matplotlib is missing, or an artifact in the run folder does not hold.
    """
    try:
        import matplotlib  # noqa: F401

        pages = environment(_TEMPLATES)
    except ImportError as error:
        raise InputError(
            f"the report needs jinja2 and matplotlib ({error}); pip install cen-keras[train,export]"
        ) from error
    found = gather(run, controls or {})
    streams = _streams(run, found)
    rows = _rows(found, streams)
    chosen = _to_show(found["artifacts"])
    runners = {name: open_runner(item["path"]) for name, item in chosen.items()}
    page = pages.get_template("report.html").render(
        title=title or run.path.name,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        processor=processor(),
        streams=streams,
        rows=rows,
        controls={
            name: {s: v["miou"] for s, v in scores["streams"].items()}
            for name, scores in found["controls"].items()
        },
        exchange=(found["scores"] or {}).get("exchange"),
        frozen=found["frozen"],
        latency=_latency(found["latency"]),
        classes=_by_class(found, chosen),
        artifacts=found["artifacts"],
        curves=training_curves(found["log"], streams),
        rates=exchange_rates(found["exchange"]),
        bars_by_class=class_bars(_iou(found["scores"])),
        confusion=_confusion(found["scores"]),
        legend=legend_of(run.data["classes"], run.data["palette"]),
        extremes=[
            (view.title, view.urls())
            for view in figures.worst_and_best(run, found["scores"], max(1, pictures // 2))
        ],
        bars=figures.latency_bars(found["latency"], CONTENDERS),
        sensitivity=_sensitivity(found["sensitivity"]),
        views=figures.predictions(run, runners, pictures),
        shown=list(runners),
    )
    with atomic_path(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return {"report": str(out), "rows": rows, "left_out": found["left_out"]}


def _streams(run: RunFolder, found: dict[str, Any]) -> list[str]:
    scores = found["scores"]
    return list(scores["streams"]) if scores else [*run.modalities, "ensemble"]


def _iou(scores: dict[str, Any] | None) -> dict[str, dict[str, float | None]]:
    """Stream -> class -> IoU, of the trained model."""
    streams = (scores or {}).get("streams", {})
    return {
        name: {label: entry["iou"] for label, entry in values["per_class"].items()}
        for name, values in streams.items()
        if "per_class" in values
    }


def _confusion(scores: dict[str, Any] | None) -> str | None:
    """The trained model's confusion matrix as SVG."""
    if not scores or not scores.get("confusion"):
        return None
    return confusion(scores["confusion"], scores["classes"])


def _sensitivity(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The layers that 8 bits cost most, as SVG, and all layers' noise in decibels below the logits."""
    if not found or not found["layers"]:
        return None
    figure = figures.noise_by_layer(found["layers"][:LAYERS_SHOWN])
    bars = svg(figure, "sensitivity", "Noise of 8 bits by layer")
    return {"bars": bars, "sqnr_db": found["sqnr_db"]}


def _rows(found: dict[str, Any], streams: list[str]) -> list[dict[str, Any]]:
    """The main table: the float model, the frozen graph and every artifact."""
    rows = []
    results = [found["frozen"], *(item["verified"] for item in found["artifacts"])]
    known = [result for result in results if result]
    if known:
        # The float model's scores are in each, on the same views.
        rows.append(_row("float (Keras)", known[0], "reference", streams))
    elif found["scores"]:
        miou = {s: 100 * v["miou"] for s, v in found["scores"]["streams"].items()}
        rows.append(_empty_row("float (Keras)") | {"miou": miou})
    if found["frozen"]:
        rows.append(_row("frozen (Keras)", found["frozen"], "candidate", streams))
    for item in found["artifacts"]:
        name, manifest, timed = item["path"].name, item["manifest"], item["timed"]
        row = (
            _row(name, item["verified"], "candidate", streams)
            if item["verified"]
            else _empty_row(name)
        )
        row["megabytes"] = manifest.file_bytes / 1e6
        if timed:
            row["milliseconds"] = {p: timed["times"][p]["p50"] for p in ("pre", "infer", "post")}
        rows.append(row)
    return rows


def _empty_row(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "miou": {},
        "drop": None,
        "agreement": None,
        "error": None,
        "megabytes": None,
        "milliseconds": None,
    }


def _row(name: str, result: dict[str, Any], side: str, streams: list[str]) -> dict[str, Any]:
    outputs = result["outputs"]
    row = _empty_row(name)
    row["miou"] = {s: 100 * outputs[s][side]["miou"] for s in streams if s in outputs}
    if side == "candidate":
        row["drop"] = result["worst_drop"]
        row["agreement"] = min(100 * o["pixel_agreement"] for o in outputs.values())
        errors = [o["relative_error"] for o in outputs.values()]
        row["error"] = max((e for e in errors if e is not None), default=None)
    return row


def _to_show(artifacts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The float artifact and one 8-bit one, if there are; both with the usual outputs and size."""
    # Of one scheme the .tflite comes before the .onnx, as in TARGETS.
    usual = {item["path"].stem: item for item in reversed(artifacts)}
    shown = [usual[stem] for stem in ("fp32", "static_w8a8") if stem in usual]
    return {item["path"].name: item for item in shown or artifacts[:2]}


def _by_class(found: dict[str, Any], chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """IoU of the ensemble by class: float model, and each shown artifact."""
    results = {name: item["verified"] for name, item in chosen.items() if item["verified"]}
    outputs = {
        name: result["outputs"].get("ensemble", next(iter(result["outputs"].values())))
        for name, result in results.items()
    }
    if not outputs:
        return []
    reference = next(iter(outputs.values()))["reference"]["per_class"]
    return [
        {
            "name": label,
            "float": iou,
            "others": {n: o["candidate"]["per_class"][label] for n, o in outputs.items()},
        }
        for label, iou in reference.items()
    ]


def _latency(latency: dict[str, Any] | None) -> dict[str, Any] | None:
    """The ratios of the frozen exports to the ones as trained."""
    if latency is None or any(name not in latency["artifacts"] for name in CONTENDERS):
        return None
    items = latency["artifacts"]
    p50 = {name: items[name]["infer"]["p50"] for name in CONTENDERS}
    return {
        "p50": p50,
        "bytes": {name: items[name]["row"]["bytes"] for name in CONTENDERS},
        "input": items[CONTENDERS[0]]["row"]["input"],
        "threads": latency["threads"],
        "rounds": latency["rounds"],
        "ratio": {s: p50[f"frozen_{s}"] / p50[f"as_trained_{s}"] for s in ("fp32", "int8")},
    }
