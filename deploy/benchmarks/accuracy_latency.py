"""Accuracy against latency on NYUDv2's 40 classes: this project's networks and ESANet-R34-NBt1D.

Scores come from a table (`docs/measurements/nyudv2_scores.csv`), each with the command or the paper
that it is from; latency is measured here, in 8 bits on LiteRT, for the image size that each score
is of and with the ensemble as the only output. Weights that are not at hand are seeded: the time
does not depend on them.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from cen_keras.visualization import save_png

from .. import bench
from ..preset_run import unpack
from ..run_folder import RunFolder, open_run
from ..runtime.errors import InputError
from ..runtime.files import write_csv
from ..runtime.runner import open_runner
from . import esanet
from .forms import export_form

SCORES = Path("docs/measurements/nyudv2_scores.csv")
PRESET = "cen_lite0_nyudv2"
ESANET = "esanet_r34_nbt1d"
COLUMNS = ("network", "modalities", "image", "miou", "source", "int8_ms", "threads", "processor")


def measure(
    out: Path,
    say: Callable[[str], None],
    rounds: int = 40,
    threads: int = 2,
    scores: Path = SCORES,
) -> dict[str, Any]:
    """Times every network of the table of scores, and writes and draws both.

    Args:
        out: folder for the artifacts, `accuracy_latency.csv` and `accuracy_latency.png`.
        say: takes one line of progress.
        rounds: timed inferences of each.
        threads: of the engine.
        scores: .csv with network, modalities ("rgb+depth"), image ("240x320"), miou (0 to 1) and
            source.

    Returns:
        `accuracy_latency`: the rows.

    Raises:
        InputError: there is no such table, or it names a network that is unknown.
    """
    if not scores.is_file():
        raise InputError(f"{scores}: no such file; give the command in the project's own folder")
    with open(scores, encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    for row in known:
        if row["network"] not in (PRESET, ESANET):
            raise InputError(f"network {row['network']!r} is unknown; wanted {PRESET} or {ESANET}")
    preset = open_run(unpack(PRESET))
    model = preset.model()
    runs = []
    for row in known:
        say(f"exporting {row['network']} of {row['modalities']} at {row['image']}")
        runs.append(_prepared(row, preset, model, out / "accuracy_latency", threads))
    say(f"timing {len(runs)} networks, {rounds} inferences each")
    # By their place in the table: a network may stand there at two sizes.
    p50 = esanet.medians({str(place): run for place, run in enumerate(runs)}, rounds)
    measured = {"threads": threads, "processor": bench.processor()}
    rows = [
        {name: row[name] for name in COLUMNS[:5]}
        | {"int8_ms": round(p50[str(place)], 2), **measured}
        for place, row in enumerate(known)
    ]
    write_csv(out / "accuracy_latency.csv", rows, COLUMNS)
    draw(rows, out / "accuracy_latency.png")
    return {"accuracy_latency": rows}


def _prepared(
    row: dict[str, str], preset: RunFolder, model: keras.Model, folder: Path, threads: int
) -> Callable[[], object]:
    """The network of a row as a call that runs it once in 8 bits."""
    size = tuple(int(side) for side in row["image"].split("x"))
    modalities = row["modalities"].split("+")
    if row["network"] == ESANET:
        keras.utils.set_random_seed(0)
        rival = esanet.esanet(size)
        return esanet.in_litert(rival, size, esanet.noise(rival), threads)["litert_int8"]
    run, network = preset, model
    if modalities != preset.modalities:
        run, network = _alone(preset, model, modalities)
    form = f"{'_'.join(modalities)}_{row['image']}"
    (path,) = export_form(folder, form, network, run, size, "ensemble", formats=("int8",)).values()
    return esanet.of_artifact(open_runner(path, threads))


def _alone(
    run: RunFolder, model: keras.Model, modalities: list[str]
) -> tuple[RunFolder, keras.Model]:
    """The same network of some of its modalities, with seeded weights, and its run folder."""
    from cen_keras.models import Segmenter

    keras.utils.set_random_seed(0)
    config = model.get_config()
    described = [model.descriptions[name] for name in modalities]
    alone = Segmenter(
        described,
        classes=model.classes,
        backbone=config["backbone"],
        decoder=config["decoder"],
        decoder_options=config["decoder_options"],
        image_shape=model.image_shape,
    )
    return RunFolder(run.path, {**run.data, "modalities": modalities}), alone


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws the rows of the table as points into a PNG file, latency on a logarithmic axis."""
    import matplotlib.figure
    from matplotlib.ticker import ScalarFormatter

    figure = matplotlib.figure.Figure((6.8, 4.0), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        ours = row["network"] != ESANET
        x, y = float(row["int8_ms"]), 100 * float(row["miou"])
        axes.plot(x, y, "o" if ours else "s", color="#d55e00" if ours else "#0072b2", ms=7)
        words = f"{row['network']}\n{row['modalities']}, {row['image']}"
        # Points of the right half have their words on the left.
        left = x > 40
        place = {"ha": "right" if left else "left", "xytext": (-8 if left else 8, 0)}
        axes.annotate(words, (x, y), textcoords="offset points", va="center", fontsize=8, **place)
    axes.set_xscale("log")
    axes.set(
        xlabel=f"inference in int8, ms (LiteRT, {rows[0]['threads']} threads of a PC's processor)",
        ylabel="mIoU of NYUDv2's 40 classes, %",
    )
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.margins(x=0.15, y=0.15)
    axes.grid(alpha=0.3, which="both")
    save_png(figure, path)
