"""Freeze a trained run and write it as an artifact with its manifest.

    python -m deploy export runs/demo/cen --target tflite --scheme static_w8a8

writes runs/demo/cen/tflite/static_w8a8.tflite and, beside it, static_w8a8.tflite.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from ..runtime.console import GOOD, Output
from ..runtime.errors import InputError
from . import image_size, not_negative, positive

SUMMARY = "freeze a trained run and write an artifact"

FLOAT_BUDGET = 0.5
"""mIoU points that `--float-layers auto` may cost by default."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "run_folder", metavar="RUN", help="a run folder, preset:NAME or MODEL.keras"
    )
    parser.add_argument(
        "--target", default="tflite", help="file format and engine (default: tflite)"
    )
    parser.add_argument(
        "--scheme",
        default="fp32",
        help="tflite: fp32 (default), fp16, dynamic_w8, static_w8a8, static_w8a8_float_head, "
        "int16x8; onnx: fp32, fp16, static_w8a8, static_w8a8_fp16",
    )
    parser.add_argument(
        "--outputs",
        default="all",
        help="all (default), or outputs to keep: ensemble, rgb, rgb,depth ...",
    )
    parser.add_argument(
        "--image-shape", type=image_size, metavar="HxW", help="input size (default: as trained)"
    )
    parser.add_argument(
        "--head",
        default="logits",
        help="logits (default; the runtime enlarges them), upsampled: logits at the size of the "
        "image, or classes: the class of every pixel, in the graph",
    )
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: RUN/TARGET)")
    parser.add_argument(
        "--float-io", action="store_true", help="float32 inputs and outputs for an integer scheme"
    )
    parser.add_argument(
        "--float-layers",
        metavar="NAME,...",
        help="layers that a quantised .tflite keeps in float32 (`deploy sensitivity` ranks them); "
        "auto: as few as the budget needs",
    )
    parser.add_argument(
        "--float-budget",
        type=float,
        metavar="POINTS",
        help="for --float-layers auto: mIoU points, counted on training views, that any output may "
        f"lose (default: {FLOAT_BUDGET})",
    )
    parser.add_argument(
        "--tune",
        metavar="KERNELS",
        help="tflite: xnnpack (default) shapes the graph for LiteRT's kernels on a CPU, at the same "
        "numbers; none: for a GPU or NPU delegate",
    )
    parser.add_argument(
        "--as-trained",
        action="store_true",
        help="leave the exchange in the graph, for comparison only",
    )
    source = parser.add_argument_group("calibration (integer schemes)")
    source.add_argument(
        "--calibration",
        metavar="FILE.npz|FOLDER",
        help="samples by input name, or a folder of frames (default: training views)",
    )
    source.add_argument(
        "--depth-scale",
        type=float,
        metavar="M",
        help="metres per count of the folder's depth files (default: 0.001, millimetres)",
    )
    source.add_argument(
        "--calibration-count", type=positive, metavar="N", help="views (default: 64)"
    )
    source.add_argument("--seed", type=not_negative, help="of their choice (default: 0)")
    source.add_argument(
        "--save-calibration", metavar="FILE.npz", help="keep the samples that were used"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Exports and says what was written."""
    from ..artifacts import export
    from ..calibration import CalibrationChoice
    from ..host import quiet_tensorflow
    from ..run_folder import open_run
    from ..runtime import manifest as manifests
    from ..runtime.manifest import TASKS
    from ..targets import resolve

    start = time.perf_counter()
    scheme = resolve(arguments.target, arguments.scheme)[1]  # before anything slow is imported
    if scheme.warning:
        output.say(f"warning: {scheme.warning}")
    folder = open_run(arguments.run_folder, TASKS)
    quiet_tensorflow()
    drawn = {"count": arguments.calibration_count, "seed": arguments.seed}
    drawn = {name: value for name, value in drawn.items() if value is not None}
    given = drawn or arguments.calibration or arguments.save_calibration
    given = given or arguments.depth_scale is not None
    if given and not scheme.calibrated:
        raise InputError(
            f"{arguments.scheme} takes no samples; leave out --calibration, --depth-scale, --calibration-count, "
            "--seed and --save-calibration"
        )
    if drawn and Path(arguments.calibration or "").suffix == ".npz":
        raise InputError(
            f"--calibration-count and --seed are for drawn samples; {arguments.calibration} is taken whole"
        )
    choice = CalibrationChoice(
        file=arguments.calibration,
        save_to=arguments.save_calibration,
        say=lambda text: output.say(f"warning: {text}"),
        depth_scale=arguments.depth_scale,
        **drawn,
    )
    if arguments.float_io and not (scheme.integer_io and arguments.target == "tflite"):
        raise InputError(
            f"--float-io: inputs of {arguments.target} {arguments.scheme} are floats anyway; leave it out"
        )
    float_layers = _names(arguments.float_layers)
    if arguments.float_budget is not None and float_layers != ("auto",):
        raise InputError("--float-budget is what --float-layers auto may cost; give both")
    if float_layers == ("auto",):
        from ..tflite.sensitivity import choose_float_layers

        if (arguments.target, arguments.scheme) != ("tflite", "static_w8a8"):
            raise InputError("--float-layers auto is for --target tflite --scheme static_w8a8")
        if arguments.as_trained or arguments.head == "classes":
            raise InputError(
                "--float-layers auto ranks the layers of the frozen graph by the noise of its "
                "logits; leave --as-trained, and --head classes for logits or upsampled"
            )
        float_layers = choose_float_layers(
            folder,
            FLOAT_BUDGET if arguments.float_budget is None else arguments.float_budget,
            outputs=arguments.outputs,
            image_shape=arguments.image_shape,
            calibration=choice,
            head=arguments.head,
            say=output.say,
        )
        choice = dataclasses.replace(choice, say=None)  # it has been reported
    path = export(
        folder,
        arguments.target,
        arguments.scheme,
        outputs=arguments.outputs,
        image_shape=arguments.image_shape,
        head=arguments.head,
        folder=arguments.out,
        as_trained=arguments.as_trained,
        integer_io=not arguments.float_io,
        float_layers=float_layers,
        calibration=choice,
        tune=arguments.tune,
    )
    manifest = manifests.load(path)
    seconds = time.perf_counter() - start
    height, width = manifest.image_shape
    output.say(f"{path}: {manifest.file_bytes / 1e6:.2f} MB, {manifest.scheme}, {height}x{width}")
    macs = manifest.freeze.get("macs")
    if macs:
        share = macs["after"] / macs["before"]
        output.say(f"freezing left {share:.0%} of the multiply-adds of the model as trained")
    merged = manifest.freeze.get("merged")
    if merged and merged["buffers"]:
        output.say(
            f"{merged['buffers']} weight buffers serve several modalities, which saves "
            f"{merged['codes'] / 1e6:.2f} MB ({merged['differing']} codes moved by one)"
        )
    output.result({"artifact": str(path), "seconds": seconds, "manifest": manifest.to_json()})
    return GOOD


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
