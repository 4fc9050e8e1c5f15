"""Times a recipe's training step: `python -m recipes.step_time nyudv2_lite0 [--size 240,320] [--batch 8]`.

Four processes build the same net: with and without the fused kernel of BatchNormalization
(`cen_keras.layers.fused_norm`), with and without oneDNN's kernels. Step by step each takes its turn, so that whatever
else the machine does meets all of them alike. The table goes to `docs/measurements/step_time.csv` unless --csv names
another file; `cpu_s` is the processor's time of a step over all threads, which other work on the machine disturbs
least.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cen_keras.errors import InputError
from cen_keras.files import write_csv
from cen_keras.training import console as consoles
from cen_keras.training.machine import hardware, now, versions
from recipes.listing import recipe_of

VARIANTS = {"plain": (0, 0), "fused_norm": (1, 0), "onednn": (0, 1), "both": (1, 1)}
"""Name -> whether the norm is fused, whether oneDNN's kernels are used; "plain" is Keras on TensorFlow as it comes."""

RESULT = Path(__file__).parents[1] / "docs/measurements/step_time.csv"


def child(name: str, size: tuple[int, int], batch: int, fused: bool) -> None:
    """Builds the net, then takes a step for every line of standard input and prints its seconds."""
    import keras
    import numpy as np

    from cen_keras.layers import modality_norm
    from cen_keras.losses import SegmentationLoss
    from cen_keras.models import Segmenter
    from cen_keras.training.start import model_of

    if not fused:
        modality_norm.fits_fused_norm = lambda *arguments: False
    classes = 40
    model = Segmenter(num_classes=classes, **model_of(recipe_of(name)))
    model.compile(keras.optimizers.Adam(1e-4), loss=SegmentationLoss())
    rng = np.random.default_rng(0)
    images = {
        key: rng.normal(size=(batch, *size, modality.channels)).astype("float32")
        for key, modality in model.descriptions.items()
    }
    labels = rng.integers(0, classes, (batch, *size), dtype="int32")
    model.train_on_batch(images, labels)
    _send("ready")
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        model.train_on_batch(images, labels)
        seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        _send(seconds)


def _send(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def measure(
    name: str, size: tuple[int, int], batch: int, steps: int, variants: list[str]
) -> list[dict]:
    """Returns a row of the table for each variant.

    Args:
        name: of a recipe of segmentation.
        size: height and width of the images.
        batch: images of a step.
        steps: of each variant.
        variants: of `VARIANTS`.

    Raises:
        InputError: a process ended before it had measured.
    """
    processes = {}
    found = {variant: [] for variant in variants}
    with tempfile.TemporaryFile("w+") as errors:
        try:
            for variant in variants:
                fused, onednn = VARIANTS[variant]
                processes[variant] = subprocess.Popen(
                    [sys.executable, "-m", "recipes.step_time", name, "--child", str(fused)]
                    + ["--size", f"{size[0]},{size[1]}", "--batch", str(batch)],
                    env={
                        **os.environ,
                        "TF_ENABLE_ONEDNN_OPTS": str(onednn),
                        "TF_CPP_MIN_LOG_LEVEL": "3",
                    },
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
                _answer(processes[variant], variant, errors)
            for _ in range(steps):
                for variant, process in processes.items():
                    process.stdin.write("step\n")
                    process.stdin.flush()
                    found[variant].append(_answer(process, variant, errors))
        finally:
            for process in processes.values():
                process.kill()
                process.wait()
    return [
        {
            "variant": variant,
            "recipe": name,
            "image": f"{size[0]}x{size[1]}",
            "batch": batch,
            "steps": steps,
            "cpu_s": round(statistics.median(step["cpu"] for step in rows), 3),
            "wall_s": round(min(step["wall"] for step in rows), 3),
            "hardware": hardware(),
            "tensorflow": versions().get("tensorflow"),
            "date": now(),
        }
        for variant, rows in found.items()
    ]


def _answer(process, variant, errors):
    line = process.stdout.readline()
    if not line:
        errors.seek(0)
        words = errors.read().strip().splitlines()
        if process.wait() < 0 or not words:  # killed, as for want of memory
            words = ["it may have run out of memory: take a smaller --batch"]
        why = words[-1]
        raise InputError(f"the process of {variant!r} ended without a time: {why}")
    return json.loads(line)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""

    def pair(text):
        height, width = (int(part) for part in text.split(","))
        return height, width

    parser = argparse.ArgumentParser(
        prog="python -m recipes.step_time", description="Time a recipe's training step."
    )
    parser.add_argument("recipe", help="of segmentation, for instance nyudv2_lite0")
    parser.add_argument("--size", type=pair, default=(240, 320), metavar="H,W")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5, help="of each variant (default: 5)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--csv", type=Path, default=RESULT, help=f"default: {RESULT.name}")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)
    if options.child is not None:
        child(options.recipe, options.size, options.batch, bool(options.child))
        return 0

    def command():
        task = recipe_of(options.recipe).task
        if task != "segmentation" or options.batch < 1 or options.steps < 1:
            raise InputError(
                "step_time takes a recipe of segmentation and --batch and --steps of at least 1; found a recipe of "
                f"{task}, {options.batch} and {options.steps}."
            )
        rows = measure(options.recipe, options.size, options.batch, options.steps, options.variants)
        write_csv(options.csv, rows)
        console = consoles.console_for(None)
        for row in rows:
            share = row["cpu_s"] / rows[0]["cpu_s"]
            console.print(
                f"{row['variant']:<11} {row['cpu_s']:7.2f} s of processor, {row['wall_s']:7.2f} s at best, "
                f"{share:.2f} of {rows[0]['variant']}"
            )
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
