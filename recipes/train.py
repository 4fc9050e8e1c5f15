"""Trains a recipe: `python -m recipes.train NAME [--run FOLDER] [--set key=value ...]`.

The backend is chosen by KERAS_BACKEND. A run that was stopped, by Ctrl-C or by anything else, goes
on from its last finished epoch when the same command is given again, and ends with the weights it
would have had without the stop.

`--distribute mirrored` trains on all GPUs of the machine (TensorFlow), `--distribute hosts` in
several processes (JAX, the same command for each, with its own --process):

    python -m recipes.train NAME --distribute hosts --coordinator HOST:PORT --processes 2 --process 0

The recipe's `batch` is that of all devices together and the weights are those of one device but for
rounding, so a run may go on with another number of devices. Neither has run on GPUs so far.

    FOLDER/recipe.json    the recipe with its settings
    FOLDER/data.json      data set, classes, normalisation
    FOLDER/log.csv        a row per epoch; FOLDER/tensorboard/ the same as events
    FOLDER/exchange.csv   a row per epoch, layer and modality
    FOLDER/scales.npz     gamma of the exchanging norms and the ensemble's weights, epoch by epoch
    FOLDER/last.npz       from which the run goes on
    FOLDER/best.keras     the model of the best epoch
    FOLDER/scores.json    its scores, when finished
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.training import console as consoles
from cen_keras.training.fit import fit
from cen_keras.training.run_folder import check_run_folder, default_run
from cen_keras.training.segmentation import Recipe
from cen_keras.training.segmentation_task import (
    build_model,
    compile_model,
    data_json,
    open_loader,
    prepare_backend,
)
from cen_keras.training.settings import apply_settings
from cen_keras.training.translation import is_translation
from recipes.evaluate import evaluate_run
from recipes.listing import all_recipes, recipe_of


def columns_of(streams: list[str]) -> list[str]:
    """Returns the columns of log.csv after the epoch."""
    scores = [
        f"{stream}_{name}"
        for stream in streams
        for name in ("miou", "mean_accuracy", "pixel_accuracy")
    ]
    return ["loss", "learning_rate", *scores, "exchanged", "layers_exchanging", "seconds"]


def check_shared(run: Path, distribution: Any, done: int) -> None:
    """Checks that every process stands where process 0 stands; it has written recipe.json.

    Raises:
        InputError: a process does not see the run folder of process 0.
    """
    distribution.agree(0)
    stands = distribution.agree(done if (run / "recipe.json").exists() else -1)
    if len(set(stands)) > 1:
        wrong = next(i for i, stand in enumerate(stands) if stand != stands[0])
        raise InputError(
            f"process {wrong} does not find in {run} what process 0 has there; all processes need "
            "one run folder on a file system that they share (--run FOLDER)."
        )


def train(recipe: Recipe, run: Path, console: Any, distribution: Any = None) -> dict[str, Any]:
    """Trains a recipe in a run folder, from its beginning or from where it stands.

    Args:
        recipe: what to train.
        run: the folder; it is made.
        console: a rich console for the progress.
        distribution: of `cen_keras.training.distribution`; None for one device.

    Returns:
        The scores of `recipes.evaluate.evaluate_run`, with `seconds` of this call's training and
        `skipped_frames`, the frames it could not read -> why.

    Raises:
        InputError: the recipe, the data or the folder do not fit.
        NonFiniteError: the loss or a weight became NaN or infinite.
    """
    if is_translation(recipe):
        from cen_keras.training import translation_run

        return translation_run.train(recipe, run, console, distribution)
    check_run_folder(run, recipe)
    prepare_backend(recipe)
    import keras

    from cen_keras.data.loader import EpochCallback
    from cen_keras.training import callbacks as running
    from cen_keras.training.distribution import OneDevice
    from cen_keras.training.scale_history import ScaleHistory

    distribution = distribution or OneDevice()
    distribution.check(
        recipe.batch,
        recipe.policy,
        recipe.optimizer.global_clipnorm is not None,
        recipe.optimizer.accumulate,
        recipe.jit,
    )
    loader = open_loader(recipe, "train", training=True, share=distribution.share)
    validation = open_loader(recipe, recipe.evaluation.split, training=False)
    steps = len(loader)
    with distribution.scope():
        model = build_model(recipe, len(loader.views.classes))
        compile_model(model, recipe, steps, distribution)
        checkpoint = running.RunCheckpoint(run)
        done = checkpoint.resume(model)
    if distribution.writes:
        write_json(run / "recipe.json", recipe.to_json())
        write_json(run / "data.json", data_json(recipe, validation))
    check_shared(run, distribution, done)
    streams = [*model.streams, "ensemble"]
    for views in (loader.views, validation.views):
        if hasattr(views, "prepare"):
            views.prepare()
    console.print(
        f"{recipe.name} on {keras.backend.backend()}: {model.count_params():,} parameters, "
        f"{len(loader.views)} views, {recipe.epochs} epochs of {steps} steps, in {run}"
        + (f", on {distribution.replicas} devices" if distribution.replicas > 1 else "")
        + (f"; going on after epoch {done}" if done else ""),
        soft_wrap=True,
    )
    written = [checkpoint]
    if distribution.writes:
        logs = running.RunLogs(run, columns_of(streams))
        logs.initial_epoch = done
        written = [logs, ScaleHistory(run), checkpoint]
    checkpoint.writes = distribution.writes
    progress = _progress(console, streams, recipe.epochs, steps)
    started = time.perf_counter()
    try:
        if done < recipe.epochs:
            loader.set_epoch(done)
            with consoles.full_disk_of(run):
                fit(
                    model,
                    loader,
                    distribution.batches(loader, recipe.ignore, recipe.pixels_per_image),
                    distribution.running(),
                    epochs=recipe.epochs,
                    initial_epoch=done,
                    callbacks=[
                        EpochCallback(loader),
                        running.StopOnNonFinite(run, steps),
                        running.EvaluateStreams(
                            validation,
                            len(loader.views.classes),
                            recipe.evaluation.every,
                            recipe.evaluation.interpolation,
                            recipe.ignore,
                        ),
                        *written,
                        progress,
                    ],
                )
    finally:
        progress.close()
        loader.close()
        validation.close()
    seconds = time.perf_counter() - started
    # Process 0 has written the best model.
    distribution.agree(0)
    result = {**evaluate_run(run), "best_epoch": checkpoint.best["epoch"], "seconds": seconds}
    if loader.skipped:
        console.print(
            f"{len(loader.skipped)} frames could not be read and were skipped: "
            f"{', '.join(list(loader.skipped)[:5])}{', ...' if len(loader.skipped) > 5 else ''}",
            soft_wrap=True,
        )
    result["skipped_frames"] = dict(sorted({**result["skipped_frames"], **loader.skipped}.items()))
    if distribution.writes:
        write_json(run / "scores.json", result)
    return result


def _progress(console, streams, epochs, steps):
    # Kept apart since it imports Keras.
    from cen_keras.training.progress import TrainingProgress

    return TrainingProgress(console, streams, epochs, steps)


def print_recipes(console: Any) -> dict[str, str]:
    """Prints and returns name -> what it is, of all recipes."""
    from rich.table import Table

    table = Table("recipe", "what it is")
    told = {name: first for name, (_, first) in all_recipes().items()}
    for name, first in told.items():
        table.add_row(name, first)
    console.print(table)
    return told


def _distribution(options):
    # Kept apart since it imports Keras. Before anything else does, for processes that join.
    from cen_keras.quiet import stderr_kept_back

    with stderr_kept_back():
        import keras

        from cen_keras.training.distribution import distribution_of

        # Whatever the backend, Keras imports TensorFlow for this, where it is installed.
        keras.utils.set_random_seed(0)
    return distribution_of(
        options.distribute, options.coordinator, options.processes, options.process
    )


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.train",
        description="Train a recipe, or go on with a run that was stopped.",
    )
    parser.add_argument("recipe", nargs="?", help="name of a recipe; see --list")
    parser.add_argument("--run", type=Path, help="run folder; default: runs/NAME")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the recipe, for instance optimizer.learning_rate=1e-3; may be repeated",
    )
    parser.add_argument(
        "--distribute",
        metavar="KIND",
        help="mirrored: all GPUs of this machine (TensorFlow); hosts: several processes (JAX)",
    )
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0, for --distribute hosts"
    )
    parser.add_argument("--processes", metavar="N", help="number of processes, for hosts")
    parser.add_argument("--process", metavar="I", help="number of this one, from 0, for hosts")
    parser.add_argument("--list", action="store_true", help="list the recipes")
    parser.add_argument("--json", metavar="FILE", help="write the result here too; - for stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        console = consoles.console_for(options.json)
        if options.list:
            consoles.write_result(print_recipes(console), options.json)
            return 0
        if options.recipe is None:
            raise InputError("no recipe given; `python -m recipes.train --list` shows all.")
        recipe = apply_settings(recipe_of(options.recipe), options.set)
        run = options.run or default_run(recipe.name)
        distribution = _distribution(options)
        if not distribution.writes:
            console.quiet = True
        result = train(recipe, run, console, distribution)
        consoles.print_scores(console, result)
        if distribution.writes:
            consoles.write_result(result, options.json)
        return 0

    return consoles.run_command(command, "goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
