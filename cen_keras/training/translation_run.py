"""Trains and scores a TranslationRecipe; `recipes.train` and `recipes.evaluate` come here with one.

FOLDER/recipe.json, data.json, log.csv, exchange.csv, scales.npz, last.npz, best.keras, scores.json
    as of every run; best.keras holds generator and discriminator
FOLDER/pictures/epoch_0001.png
    the same validation views: inputs, each stream, ensemble, target
"""

import time
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.training import console as consoles
from cen_keras.training.fit import fit
from cen_keras.training.progress import TrainingProgress
from cen_keras.training.run_folder import check_run_folder, load_best, read_json
from cen_keras.training.segmentation_task import prepare_backend
from cen_keras.training.translation import TranslationRecipe
from cen_keras.training.translation_task import (
    build_model,
    compile_model,
    data_json,
    domains_of,
    extractor_of,
    open_loader,
)

ERRORS = ("mae", "rmse")
DISTANCES = ("fid", "kid")


def columns_of(streams: list[str], scores: tuple[str, ...]) -> list[str]:
    """Returns the columns of log.csv after the epoch."""
    from cen_keras.models.adversarial import LOSSES

    errors = [f"val_{stream}_{name}" for stream in streams for name in scores]
    tail = ["exchanged", "layers_exchanging", "seconds"]
    return [*LOSSES, "learning_rate", *(f"{s}_mae" for s in streams), *errors, *tail]


class TranslationProgress(TrainingProgress):
    """Shows losses while an epoch runs, errors and exchange rate when it ends."""

    def told(self, logs):
        """Returns what an epoch's line says between the loss and the exchange rate."""
        errors = self.of_streams("val_{}_mae", "{:.4f}".format, logs)
        discriminator = f"discriminator {logs['discriminator_loss']:.3f}"
        return [discriminator, f"MAE {errors}"] if errors else [discriminator]


def train(
    recipe: TranslationRecipe, run: Path, console: Any, distribution: Any = None
) -> dict[str, Any]:
    """Trains a recipe in a run folder, from its beginning or from where it stands.

    Args:
        recipe: what to train.
        run: the folder; it is made.
        console: a rich console for the progress.
        distribution: `OneDevice` or `Mirrored` of `cen_keras.training.distribution`; None for one
            device.

    Returns:
        The scores of `evaluate_run`, with `best_epoch` and `seconds` of this call's training.

    Raises:
        InputError: the recipe, the data, the folder or the distribution do not fit.
        NonFiniteError: a loss or a weight became NaN or infinite.
    """
    if distribution is not None and distribution.kind == "hosts":
        raise InputError(
            f"--distribute hosts is for segmentation; {recipe.name} is a translation, which trains "
            "on TensorFlow: take --distribute mirrored, or leave it out."
        )
    check_run_folder(run, recipe)
    prepare_backend(recipe)
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # It stumbles over a leaky ReLU behind a convolution, and says so on the terminal.
        tf.config.optimizer.set_experimental_options({"remapping": False})

    from cen_keras.data.loader import EpochCallback
    from cen_keras.training import callbacks as running
    from cen_keras.training import translation_callbacks as translating
    from cen_keras.training.distribution import OneDevice
    from cen_keras.training.scale_history import ScaleHistory

    # Instance norms and mean losses: the mean of the replicas' gradients is the batch's.
    distribution = distribution or OneDevice()
    distribution.check(recipe.batch, recipe.policy, jit=recipe.jit)
    loader = open_loader(recipe, "train", training=True)
    validation = open_loader(recipe, recipe.evaluation.split, training=False)
    steps = len(loader)
    extractor = extractor_of(recipe)
    with distribution.scope():
        model = build_model(recipe)
        compile_model(model, recipe, steps)
        checkpoint = running.RunCheckpoint(run, monitor=translating.SCORE)
        done = checkpoint.resume(model)
    write_json(run / "recipe.json", recipe.to_json())
    write_json(run / "data.json", data_json(recipe, validation))
    for views in (loader.views, validation.views):
        views.prepare()
    streams = [*model.generator.streams, "ensemble"]
    console.print(
        f"{recipe.name} on {keras.backend.backend()}: {model.generator.count_params():,} parameters "
        f"of the generator, {model.discriminator.count_params():,} of the discriminator, "
        f"{len(loader.views)} views, {recipe.epochs} epochs of {steps} steps, in {run}"
        + (f", on {distribution.replicas} devices" if distribution.replicas > 1 else "")
        + (f"; going on after epoch {done}" if done else ""),
        soft_wrap=True,
    )
    logs = running.RunLogs(run, columns_of(streams, ERRORS + (DISTANCES if extractor else ())))
    logs.initial_epoch = done
    progress = TranslationProgress(console, streams, recipe.epochs, steps)
    evaluation = recipe.evaluation
    started = time.perf_counter()
    try:
        if done < recipe.epochs:
            loader.set_epoch(done)
            with consoles.full_disk_of(run):
                fit(
                    model,
                    loader,
                    epochs=recipe.epochs,
                    initial_epoch=done,
                    callbacks=[
                        EpochCallback(loader),
                        translating.StopOnNonFiniteLosses(run, steps),
                        translating.EvaluateTranslation(
                            validation, evaluation.every, extractor, evaluation.official_protocol
                        ),
                        translating.SamplePictures(
                            run, validation, evaluation.pictures, evaluation.every
                        ),
                        logs,
                        ScaleHistory(run),
                        checkpoint,
                        progress,
                    ],
                )
    finally:
        progress.close()
        loader.close()
        validation.close()
    seconds = time.perf_counter() - started
    result = {**evaluate_run(run), "best_epoch": checkpoint.best["epoch"], "seconds": seconds}
    result["skipped_frames"] = dict(sorted({**result["skipped_frames"], **loader.skipped}.items()))
    write_json(run / "scores.json", result)
    return result


def evaluate_run(run: Path, split: str | None = None) -> dict[str, Any]:
    """Scores the best model of a run folder.

    Returns:
        `run`, `recipe`, `task`, `split`, `images`, `modalities`, `target`; `streams`: output ->
        `mae`, `rmse` on the scale -1..1 and, with InceptionV3's weights, `fid` and `kid`;
        `exchange`: see `exchange_rate`; `skipped_frames`.

    Raises:
        InputError: the folder or the data are not what they should be.
    """
    source = run / "recipe.json"
    recipe = TranslationRecipe.from_json(read_json(source), str(source))
    modalities, target = domains_of(recipe)
    model = load_best(run)

    from cen_keras.metrics.exchange_rate import exchange_rate
    from cen_keras.metrics.translation import evaluate_translation

    split = split or recipe.evaluation.split
    loader = open_loader(recipe, split, training=False)
    try:
        streams = evaluate_translation(
            model,
            loader,
            extractor_of(recipe),
            official_protocol=recipe.evaluation.official_protocol,
        )
    finally:
        loader.close()
    return {
        "run": str(run),
        "recipe": recipe.name,
        "task": recipe.task,
        "split": split,
        "images": len(loader.views),
        "modalities": list(modalities),
        "target": target,
        "streams": streams,
        "exchange": exchange_rate(model),
        "skipped_frames": dict(sorted(loader.skipped.items())),
    }


def print_scores(console, result: dict[str, Any]) -> None:
    """Prints the table of errors that `recipes.evaluate` and the end of a training show."""
    from rich.table import Table

    names = [n for n in (*ERRORS, *DISTANCES) if n in next(iter(result["streams"].values()))]
    table = Table(
        title=f"{result['recipe']}: {', '.join(result['modalities'])} to {result['target']}, "
        f"{result['images']} images of {result['split']}"
    )
    for column in ("output", *names):
        table.add_column(column, justify="left" if column == "output" else "right")
    for output, scores in result["streams"].items():
        table.add_row(output, *(f"{scores[name]:.4g}" for name in names))
    console.print(table)
    consoles.print_exchange_rate(console, result["exchange"])
