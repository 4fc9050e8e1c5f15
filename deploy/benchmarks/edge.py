"""The edge presets at 480x640: size, work, time of the whole loop, and scores where there are weights.

The loop (see `loop`) is what a demo does with each frame, in int8. All presets are timed side by
side, with one thread and with two; the faster counts. The time of a class map depends on how many
borders it has, so presets without weights, whose classes are noise, draw the logits of one that has
them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cen_keras.data.datasets import open_dataset
from cen_keras.metrics.confusion import ConfusionMatrix
from cen_keras.models.presets import Preset, presets

from .. import bench, calibration
from ..artifacts import apply_scheme, float_artifact
from ..preset_run import unpack
from ..run_folder import RunFolder, open_run
from ..runtime import manifest as manifests
from ..runtime.postprocess import class_map
from ..runtime.preprocess import Frame, Preprocessor
from ..runtime.runner import PHASES, open_runner
from ..targets import TARGETS
from . import network as seeded_networks
from .forms import noise
from .loop import fastest_apart

SCORED_VIEWS = 100
CALIBRATION = 64
SHARE = 0.75
"""Of each modality's own channels that a preset without weights exchanges; trainings on rooms end
between 0.7 and 0.9."""
NORMALIZATION = {
    "rgb": {"scale": 1 / 255, "mean": [0.45] * 3, "std": [0.25] * 3},
    "depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]},
}
"""Of presets without weights: as the recipes for edge models have it."""
INPUTS = {"all": (), "rgb_only": ("depth",), "depth_only": ("rgb",)}
"""What is connected -> which modalities are gone."""


def measure(
    out: Path, say: Callable[[str], None], rounds: int = 40, views: int = SCORED_VIEWS
) -> dict[str, Any]:
    """Measures every architecture, with the weights that the package has for it.

    Args:
        out: folder for the artifacts.
        say: takes one line of progress.
        rounds: timed rounds; each runs every preset once.
        views: held-out views to score on.

    Returns:
        `edge`: by preset `fps`, `pre_ms`, `infer_ms`, `post_ms`, `params`, `macs` and `miou`
        (`float`, `int8`, `rgb_only_input`, `depth_only_input`, each 0 to 1, or None without
        weights); `latency_edge`, milliseconds of a frame and the share outside the network;
        `miou_drop`; and `details`.
    """
    known = presets()
    names = [name for name, preset in known.items() if preset.card is None]
    made: dict[str, dict[str, Any]] = {}
    artifacts: dict[str, Path] = {}
    miou: dict[str, dict[str, Any]] = {}
    for name in names:
        trained = known.get(f"{name}_rooms")
        run, model = _run(out, known[name], trained)
        say(f"exporting {name}" + (f" with the weights of {trained.name}" if trained else ""))
        folder = out / "edge" / name
        content, manifest = _float(run, model, known[name], "ensemble")
        samples = _samples(run, manifest)
        artifacts[name] = _int8(content, manifest, samples, folder / "ensemble.tflite")
        made[name] = {
            "params": int(model.count_params()),
            "macs": int(manifest.freeze["macs"]["after"]),
            "weights": trained.name if trained else None,
        }
        miou[name] = {}
        if trained:
            content, manifest = _float(run, model, known[name], "all")
            manifests.save(manifest, folder / "all_fp32.tflite", content)
            paths = {"float": folder / "all_fp32.tflite"}
            paths["int8"] = _int8(content, manifest, samples, folder / "all.tflite")
            del model
            for kind, path in paths.items():
                say(f"scoring {name}, {kind}, on {views} views")
                miou[name][kind] = score(path, run, views)
    say(f"timing {len(artifacts)} artifacts, {rounds} frames each, with one thread and with two")
    times, chosen = fastest_apart(artifacts, [name for name in names if miou[name]], rounds)
    edge = {}
    for name in names:
        ms = times[name]
        edge[name] = {
            "fps": 1e3 / ms["total"],
            **{f"{phase}_ms": ms[phase] for phase in PHASES},
            **made[name],
            "miou": _headline(miou[name]),
            "threads": chosen[name],
            "bytes": artifacts[name].stat().st_size,
        }
    drop = [100 * (m["float"] - m["int8"]) for m in (e["miou"] for e in edge.values()) if m["int8"]]
    outside = [(e["pre_ms"] + e["post_ms"]) * e["fps"] / 1e3 for e in edge.values()]
    return {
        "edge": edge,
        "latency_edge": {
            **{name: 1e3 / figures["fps"] for name, figures in edge.items()},
            "share_outside": max(outside),
        },
        "miou_drop": {"edge_static_w8a8": max(drop)} if drop else {},
        "details": {
            "miou": miou,
            "rounds": rounds,
            "views": views,
            "share_exchanged_without_weights": SHARE,
            "processor": bench.processor(),
            "cores": os.cpu_count(),
        },
    }


def table(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the presets' table, from what `measure` gave."""
    heads = [
        "preset",
        "parameters",
        "MACs",
        "MB",
        "pre ms",
        "infer ms",
        "post ms",
        "fps",
        "mIoU int8",
    ]
    rows = []
    for name, e in found["edge"].items():
        score = e["miou"]["int8"]
        rows.append(
            [
                name,
                f"{e['params'] / 1e6:.2f} M",
                f"{e['macs'] / 1e9:.2f} G",
                f"{e['bytes'] / 1e6:.2f}",
                *(f"{e[f'{phase}_ms']:.1f}" for phase in PHASES),
                f"{e['fps']:.0f}",
                "-" if score is None else f"{100 * score:.1f}",
            ]
        )
    return heads, rows


def _run(out: Path, preset: Preset, trained: Preset | None) -> tuple[RunFolder, Any]:
    """The preset as a run folder, and its model: trained, or with seeded weights."""
    import keras

    from cen_keras.models import Segmenter

    if trained is not None:
        return open_run(unpack(trained.name)), Segmenter.from_preset(trained.name)
    keras.utils.set_random_seed(0)
    model = Segmenter.from_preset(preset.name)
    seeded_networks.give_scales(model, SHARE, seed=0)
    network = seeded_networks.NetworkSpec(size=preset.image_shape)
    run = seeded_networks.imagined_run(out, model.input, network)
    return RunFolder(run.path, {**run.data, "normalization": NORMALIZATION}), model


def _float(run: RunFolder, model, preset: Preset, outputs: str):
    return float_artifact(run, model, TARGETS["tflite"], outputs, preset.image_shape)


def _samples(run: RunFolder, manifest) -> calibration.Calibration:
    views = run.views("train") if run.data["dataset"] else noise(run.image_shape)
    return calibration.collect(views, manifest.inputs, CALIBRATION)


def _int8(content: bytes, manifest, samples: calibration.Calibration, path: Path) -> Path:
    content, manifest = apply_scheme(content, manifest, TARGETS["tflite"], "static_w8a8", samples)
    manifests.save(manifest, path, content)
    return path


def score(path: Path, run: RunFolder, count: int) -> dict[str, dict[str, float]]:
    """Scores an artifact (mIoU) with everything connected, and with each modality gone.

    Args:
        path: the artifact.
        run: whose data set's "test" split is scored on; no training or choice has seen it.
        count: number of views.

    Returns:
        By what is connected (see `INPUTS`) and by output, 0 to 1.
    """
    runner = open_runner(path, os.cpu_count())
    prepare = Preprocessor(runner.inputs)
    data = open_dataset(dict(run.data["dataset"], test=count), "test")
    classes = len(run.data["classes"])
    counts = {(i, o): ConfusionMatrix(classes) for i in INPUTS for o in runner.outputs}
    for index in range(count):
        view = data[index]
        for inputs, gone in INPUTS.items():
            images = {name: view[name] * (name not in gone) for name in runner.inputs}
            found = runner.run(prepare(Frame(f"test view {index}", images)))
            for name, logits in found.items():
                seen = class_map(logits[0], *view["label"].shape)
                counts[inputs, name].update(view["label"][None], seen[None])
    return {i: {o: counts[i, o].result()["miou"] for o in runner.outputs} for i in INPUTS}


def _headline(miou: dict[str, Any]) -> dict[str, float | None]:
    """The ensemble's scores, the keys of a preset without weights included."""
    if not miou:
        return dict.fromkeys(("float", "int8", "rgb_only_input", "depth_only_input"))
    return {
        "float": miou["float"]["all"]["ensemble"],
        "int8": miou["int8"]["all"]["ensemble"],
        "rgb_only_input": miou["int8"]["rgb_only"]["ensemble"],
        "depth_only_input": miou["int8"]["depth_only"]["ensemble"],
    }
