"""Rank the layers by what 8 bits cost in them.

    python -m deploy sensitivity runs/demo/cen

writes RUN/sensitivity.json and RUN/sensitivity.png. The names are what `export --float-layers`
takes; `export --float-layers auto` chooses by itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..runtime.console import GOOD, Output, plain
from ..runtime.errors import InputError
from ..runtime.files import atomic_path, sha256, write_json
from . import image_size, positive

SUMMARY = "rank the layers by what 8 bits cost in them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="run folder, .keras file or preset:NAME")
    parser.add_argument("--outputs", default="all", help="as for export (default: all)")
    parser.add_argument("--image-shape", type=image_size, metavar="HxW", help="(default: trained)")
    parser.add_argument("--calibration", metavar="FILE.npz|FOLDER", help="samples, or frames")
    parser.add_argument(
        "--depth-scale",
        type=float,
        metavar="M",
        help="metres per count of the folder's depth files (default: 0.001, millimetres)",
    )
    parser.add_argument("--calibration-count", type=positive, metavar="N", help="(64)")
    parser.add_argument("--top", type=positive, default=15, metavar="N", help="rows shown (15)")
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: RUN)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Ranks, prints the table, and keeps the ranking and its picture."""
    from ..calibration import DEFAULT_COUNT, CalibrationChoice
    from ..host import quiet_tensorflow
    from ..run_folder import open_run

    if arguments.calibration_count and Path(arguments.calibration or "").suffix == ".npz":
        raise InputError(
            f"--calibration-count is for drawn samples; {arguments.calibration} is taken whole"
        )
    folder = open_run(arguments.run_folder)
    quiet_tensorflow()
    from ..report.figures import noise_by_layer
    from ..tflite.sensitivity import rank_run

    choice = CalibrationChoice(
        file=arguments.calibration,
        count=arguments.calibration_count or DEFAULT_COUNT,
        say=lambda text: output.say(f"warning: {text}"),
        depth_scale=arguments.depth_scale,
    )
    found = rank_run(folder, arguments.outputs, arguments.image_shape, choice, output.say)
    result = {"sha256": sha256(folder.model_file), **found.to_json()}
    output.say(f"all layers in 8 bits: logits {result['sqnr_db']:.1f} dB above their noise")
    output.table(
        ["layer", "operator", "share of the noise"],
        [[x.name, x.kind, f"{100 * x.share:+.1f} %"] for x in found.layers[: arguments.top]],
    )
    output.say(
        "share: how much of the noise goes when this layer alone is float (shares need not add up to 100 %); "
        f"next: cen export {arguments.run_folder} --scheme static_w8a8 --float-layers NAME,NAME"
    )
    out = Path(arguments.out) if arguments.out else folder.path
    write_json(out / "sensitivity.json", plain(result))
    with atomic_path(out / "sensitivity.png") as temporary:
        figure = noise_by_layer(result["layers"][: arguments.top])
        figure.savefig(temporary, format="png", dpi=120, facecolor="white")
    output.say(f"{out / 'sensitivity.json'}, {out / 'sensitivity.png'}")
    output.result(result)
    return GOOD
