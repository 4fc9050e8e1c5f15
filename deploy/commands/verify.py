"""Hold an artifact against the float Keras model it came from, on held-out views.

    python -m deploy verify runs/demo/cen/tflite/static_w8a8.tflite
    python -m deploy verify runs/demo/cen          (a run folder: the frozen graph, before export)
    python -m deploy verify static_w8a8.tflite --data captures          (labelled frames of one's own)

The result on the run's own data is also kept beside the artifact as NAME.tflite.verify.json, where `report` finds it.
Exit code 1 when an output loses more mIoU than allowed, or a translation's image differs by more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..runtime.console import CHECK_FAILED, GOOD, Output, plain
from ..runtime.errors import InputError
from ..runtime.files import beside, write_json
from . import add_data, add_engine, positive

SUMMARY = "compare an artifact with the float model on held-out views"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "artifact", metavar="ARTIFACT", help="a .tflite or .onnx file, or a run folder"
    )
    parser.add_argument("--run", metavar="RUN", help="run folder (default: as the manifest says)")
    add_data(parser)
    parser.add_argument("--count", type=positive, metavar="N", help="held-out views (default: all)")
    parser.add_argument("--split", default="val", help="of the data set (default: val)")
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="mIoU points that may be lost (default by the scheme: 1.0 for static_w8a8 and its variants, 0.5 for "
        "dynamic_w8 and qat_w8a8, 0.3 for int16x8, 0.05 for float)",
    )
    parser.add_argument(
        "--max-error",
        type=float,
        metavar="X",
        help="of a translation: mean absolute difference from the float model's images, which are "
        "-1..1 (default: 1e-4 for fp32, 5e-3 for fp16)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="of the engine")
    parser.add_argument(
        "--layers",
        type=positive,
        metavar="N",
        help="also compare every layer of a .tflite file with its float counterpart, on N views",
    )
    add_engine(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Verifies, prints the table and keeps the result."""
    from ..host import quiet_tensorflow
    from ..run_folder import open_run, run_of
    from ..runtime import manifest as manifests
    from ..runtime.manifest import TASKS

    path = Path(arguments.artifact)
    if path.is_dir():
        if arguments.run:
            raise InputError(f"--run is for an artifact; {path} is a run folder itself")
        if arguments.layers or arguments.threads or arguments.engine:
            raise InputError(
                f"--layers, --threads and --engine are for an artifact; {path} is a run folder, whose frozen graph "
                "is compared in Keras"
            )
        folder = open_run(path, TASKS)
    else:  # a damaged artifact is refused at once, not after TensorFlow's start
        manifest = manifests.load(path)
        if arguments.layers and manifest.target != "tflite":
            raise InputError(f"--layers: {path} is no .tflite file, no other can be looked into")
        folder = open_run(arguments.run, TASKS) if arguments.run else run_of(path, manifest, TASKS)
    if arguments.data is not None:
        folder = folder.on(arguments.data)
    quiet_tensorflow()
    verify = _verify_translation if folder.task == "translation" else _verify_segmentation
    result = verify(path, folder, arguments, output)
    output.result(result)
    _keep(path, result, folder, output)
    return GOOD if result["passed"] else CHECK_FAILED


def _verify_segmentation(path: Path, folder, arguments: argparse.Namespace, output: Output) -> dict:
    """Verifies a segmentation and prints the table."""
    if arguments.max_error is not None:
        raise InputError("--max-error is for translations; a segmentation has --max-drop")
    from cen_keras.training.console import progress_bar

    from ..verify import verify_artifact, verify_frozen

    with progress_bar("views") as progress:
        chosen = {"count": arguments.count, "split": arguments.split, "progress": progress}
        if arguments.max_drop is not None:
            chosen["max_drop"] = arguments.max_drop
        if path.is_dir():
            result = verify_frozen(folder, **chosen)
        else:
            result = verify_artifact(
                path, folder, threads=arguments.threads, engine=arguments.engine, **chosen
            )
    if arguments.layers:
        result["layers"] = _layers(path, folder, arguments, output)
    _show(result, output)
    return result


def _keep(path: Path, result, folder, output: Output) -> None:
    """Writes the result where `report` finds it; a page of scores on several data sets would mislead."""
    kept = path / "frozen.verify.json" if path.is_dir() else beside(path, ".verify.json")
    if not folder.own:
        output.say(
            f"{kept.name} stays as it was: --data is not the run's; --json FILE keeps this result"
        )
        return
    write_json(kept, plain(result))


def _verify_translation(path: Path, folder, arguments: argparse.Namespace, output: Output) -> dict:
    """Verifies a translation and prints the table."""
    if arguments.max_drop is not None or arguments.layers:
        raise InputError("a translation has --max-error; leave --max-drop and --layers")
    from cen_keras.training.console import progress_bar

    from ..verify_translation import verify_translation

    with progress_bar("views") as progress:
        result = verify_translation(
            folder,
            None if path.is_dir() else path,
            count=arguments.count,
            split=arguments.split,
            max_error=arguments.max_error,
            threads=arguments.threads,
            engine=arguments.engine,
            progress=progress,
        )
    output.say(
        "{} against the float model on {} {} views, images in -1..1".format(
            result.get("artifact", "frozen graph"), result["count"], result["split"]
        )
    )
    output.table(
        ["output", "MAE float", "MAE", "mean difference", "largest"],
        [
            [
                name,
                f"{o['reference_mae']:.4f}",
                f"{o['candidate_mae']:.4f}",
                f"{o['mean_abs_error']:.1e}",
                f"{o['max_abs_error']:.1e}",
            ]
            for name, o in result["outputs"].items()
        ],
    )
    verdict = "passed" if result["passed"] else "FAILED"
    output.say(
        f"{verdict}: worst mean difference {result['worst_error']:.1e}, allowed "
        f"{result['allowed_error']:g}"
    )
    return result


def _layers(path: Path, folder, arguments: argparse.Namespace, output: Output) -> list[dict]:
    """Compares layer by layer and prints the table."""
    from ..verify import verify_layers

    errors = verify_layers(path, folder, count=arguments.layers, split=arguments.split)
    if not errors:
        output.say("no layer of this file has a counterpart in the float export by its name")
    output.say(f"layers in the order in which they run, worst of {arguments.layers} views:")
    output.table(
        ["layer", "operator", "SQNR dB"],
        [[error.name, error.kind, f"{error.sqnr_db:.1f}"] for error in errors],
    )
    if len(errors) > 1:
        lowest = min(errors, key=lambda error: error.sqnr_db)
        fall = max(range(1, len(errors)), key=lambda n: errors[n - 1].sqnr_db - errors[n].sqnr_db)
        before, after = errors[fall - 1], errors[fall]
        output.say(
            f"lowest: {lowest.name}, {lowest.sqnr_db:.1f} dB; steepest fall: {after.name}, "
            f"{after.sqnr_db:.1f} dB after {before.sqnr_db:.1f} in the line above it"
        )
    return [error.to_json() for error in errors]


def _show(result: dict, output: Output) -> None:
    output.say(
        "{} against the float model on {} {} views".format(
            result.get("artifact", "frozen graph"), result["count"], result["split"]
        )
    )
    output.table(
        ["output", "mIoU float", "mIoU", "drop", "agreement", "relative error", "SQNR dB"],
        [
            [
                name,
                f"{100 * o['reference']['miou']:.2f}",
                f"{100 * o['candidate']['miou']:.2f}",
                f"{o['drop_points']:+.2f}",
                f"{100 * o['pixel_agreement']:.2f} %",
                _number(o["relative_error"], ".1e"),
                _number(o["sqnr_db"], ".1f"),
            ]
            for name, o in result["outputs"].items()
        ],
    )
    output.say("IoU by class, float / this:")
    names = list(result["outputs"])
    classes = list(result["outputs"][names[0]]["reference"]["per_class"])
    output.table(
        ["class"] + names,
        [
            [label]
            + [
                "{} / {}".format(
                    _percent(result["outputs"][name]["reference"]["per_class"][label]),
                    _percent(result["outputs"][name]["candidate"]["per_class"][label]),
                )
                for name in names
            ]
            for label in classes
        ],
    )
    verdict = "passed" if result["passed"] else "FAILED"
    output.say(
        f"{verdict}: worst drop {result['worst_drop']:+.2f} points, allowed "
        f"{result['allowed_drop']:g}"
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
