"""Train a run's frozen graph on with its 8-bit rounding, and write the int8 artifact.

    python -m deploy qat runs/demo/cen --epochs 4

    python -m deploy qat preset:cen_lite0_nyudv2 --data FOLDER

writes RUN/tflite/qat_w8a8.tflite; `python -m deploy verify` judges it like any other.
"""

from __future__ import annotations

import argparse
import time

from ..runtime.console import GOOD, Output
from . import add_data, not_negative, positive

SUMMARY = "train on with 8-bit rounding and write the int8 artifact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="run folder, .keras file or preset:NAME")
    add_data(parser)
    parser.add_argument("--epochs", type=positive, default=4, metavar="N", help="(default: 4)")
    parser.add_argument("--batch-size", type=positive, default=8, metavar="N", help="(default: 8)")
    parser.add_argument("--rate", type=float, default=1e-4, help="of Adam (default: 1e-4)")
    parser.add_argument(
        "--views", type=positive, default=1200, metavar="N", help="training views (default: 1200)"
    )
    parser.add_argument("--seed", type=not_negative, default=0, help="of their order (default: 0)")
    parser.add_argument(
        "--rounding",
        choices=("keras", "tfmot"),
        default="keras",
        help="whose simulation of it: Keras' own (default), or tensorflow-model-optimization's",
    )
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: RUN/tflite)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Trains, writes and says what was written."""
    from ..host import quiet_tensorflow
    from ..run_folder import open_run

    start = time.perf_counter()
    folder = open_run(arguments.run_folder)
    if arguments.data is not None:
        folder = folder.on(arguments.data)
    quiet_tensorflow()
    from ..qat.train import Settings, summary, train

    settings = Settings(
        arguments.epochs,
        arguments.batch_size,
        arguments.rate,
        arguments.views,
        arguments.seed,
        arguments.rounding,
    )
    path = train(folder, arguments.out, settings, output.say)
    result = {**summary(path), "seconds": time.perf_counter() - start}
    size = result["manifest"]["file"]["bytes"]
    output.say(f"{path}: {size / 1e6:.2f} MB after {result['seconds']:.0f} s; verify it next")
    output.result(result)
    return GOOD
