"""Trains a recipe of any task in a run folder, and goes on where it was stopped.

    FOLDER/recipe.json       the recipe with its settings
    FOLDER/data.json         data set, classes, normalisation
    FOLDER/environment.json  of each call: commit, versions, hardware, finished epochs before it
    FOLDER/log.csv           a row per epoch; FOLDER/tensorboard/ the same as events
    FOLDER/exchange.csv      a row per epoch, layer and modality
    FOLDER/scales.npz        gamma of the exchanging norms and the ensemble's weights, by epoch
    FOLDER/last.npz          from which the run goes on
    FOLDER/best.keras        the model of the best epoch; of a translation both of its parts
    FOLDER/scores.json       its scores, when finished
    FOLDER/training.html     curves, exchange, classes, confusion, worst and best views, as of late
    FOLDER/pictures/         of a translation: the same validation views, epoch by epoch

What differs between tasks is in the recipe's `Task`.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.training import console as consoles
from cen_keras.training import machine
from cen_keras.training.backend import prepare_backend
from cen_keras.training.evaluation import evaluate_run
from cen_keras.training.fit import fit
from cen_keras.training.plugins import callbacks_of, check_rates
from cen_keras.training.recipe import RecipeBase
from cen_keras.training.run_folder import check_run_folder, read_json
from cen_keras.training.task import task_of


def train(
    recipe: RecipeBase,
    run: Path,
    console: Any,
    distribution: Any = None,
    trackers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Trains a recipe in a run folder, from its beginning or from where it stands.

    Args:
        recipe: what to train.
        run: the folder; it is made.
        console: a rich console for the progress.
        distribution: of `cen_keras.training.distribution`; None for one device.
        trackers: name of `cen_keras.training.trackers.TRACKERS` -> project.

    Returns:
        The scores of `evaluate_run`, with `best_epoch`, `epochs` (the finished ones), `seconds` of
        this call's training and `skipped_frames`, the frames it could not read -> why.

    Raises:
        InputError: the recipe, the data, the folder or the distribution do not fit.
        NonFiniteError: a loss or a weight became NaN or infinite.
    """
    task = task_of(recipe)
    # What the run folder cannot keep ends the call here, not after data and model.
    kept = recipe.to_json()
    prolonged = check_run_folder(run, recipe)
    prepare_backend(recipe)
    import keras

    from cen_keras.data.folder_checks import check_apart
    from cen_keras.data.loader import EpochCallback
    from cen_keras.training import callbacks as running
    from cen_keras.training.distribution import OneDevice
    from cen_keras.training.progress import TrainingProgress
    from cen_keras.training.scale_history import ScaleHistory
    from cen_keras.training.show import ShowEvaluation
    from cen_keras.training.trackers import TRACKERS

    distribution = distribution or OneDevice()
    task.check(recipe, distribution)
    own = callbacks_of(recipe.callbacks)
    check_rates(own, recipe.optimizer)
    tracking = []
    if distribution.writes:
        tracking = [
            TRACKERS[name](run, project, kept) for name, project in (trackers or {}).items()
        ]
    loader = task.open_loader(recipe, "train", training=True, share=distribution.share)
    validation = task.open_loader(recipe, recipe.evaluation.split, training=False)
    check_apart(loader.views, validation.views, recipe.evaluation.split)
    steps = len(loader)
    with distribution.scope():
        model = task.build_model(recipe, loader)
        task.compile_model(model, recipe, steps, distribution)
        checkpoint = running.RunCheckpoint(run, monitor=task.MONITOR)
        done = checkpoint.resume(model)
    finished = done >= recipe.epochs or checkpoint.stopped == recipe.epochs
    if distribution.writes:
        write_json(run / "recipe.json", kept)
        write_json(run / "data.json", task.data_json(recipe, validation))
        if not finished:
            _write_environment(run, done)
    _check_shared(run, distribution, done)
    streams = task.streams_of(model)
    for views in (loader.views, validation.views):
        if hasattr(views, "prepare"):
            views.prepare()
    console.print(
        f"{recipe.name} on {keras.backend.backend()}: {task.size_of(model)}, "
        f"{len(loader.views)} views, {recipe.epochs} epochs of {steps} steps, in {run}"
        + (f", on {distribution.replicas} devices" if distribution.replicas > 1 else "")
        + (f"; going on after epoch {done}" if done else "")
        + (f"; {prolonged}" if prolonged else ""),
        soft_wrap=True,
    )
    watching = task.callbacks(recipe, run, validation, steps)
    written = [checkpoint]
    if distribution.writes:
        logs = running.RunLogs(run, task.columns_of(recipe, streams))
        logs.initial_epoch = done
        shown = ShowEvaluation(run, streams, watching, [logs.events, *tracking])
        # Trackers end after the last pictures.
        written = [logs, ScaleHistory(run), shown, *tracking, checkpoint]
    checkpoint.writes = distribution.writes
    progress = TrainingProgress(console, streams, recipe.epochs, steps, task.epoch_line)
    started = time.perf_counter()
    try:
        if not finished:
            if distribution.writes:
                (run / "scores.json").unlink(missing_ok=True)
            loader.set_epoch(done)
            with consoles.full_disk_of(run):
                fit(
                    model,
                    loader,
                    task.batches(recipe, loader, distribution),
                    distribution.running(),
                    **task.fit_arguments(recipe, loader),
                    epochs=recipe.epochs,
                    initial_epoch=done,
                    callbacks=[
                        EpochCallback(loader),
                        *watching,
                        # They see the epoch's scores, and what they decide is in the checkpoint.
                        *own,
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
    result = {
        **evaluate_run(run),
        "best_epoch": checkpoint.best["epoch"],
        "epochs": checkpoint.epochs,
        "seconds": seconds,
    }
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


def _write_environment(run: Path, done: int) -> None:
    """Adds what this call trains on and with to the run's environment.json."""
    path = run / "environment.json"
    calls = read_json(path) if path.is_file() else []
    write_json(path, [*calls, {"finished_epochs": done, **machine.environment()}])


def _check_shared(run: Path, distribution: Any, done: int) -> None:
    """Checks that every process stands where process 0 stands; it has written recipe.json.

    Raises:
        InputError: a process does not see the run folder of process 0.
    """
    distribution.agree(0)
    epochs = distribution.agree(done if (run / "recipe.json").exists() else -1)
    if len(set(epochs)) > 1:
        wrong = next(i for i, epoch in enumerate(epochs) if epoch != epochs[0])
        raise InputError(
            f"process {wrong} does not find in {run} what process 0 has there; all processes need "
            "one run folder on a file system that they share (--run FOLDER)."
        )
