"""A run folder: its files, whose run it is, the model in it."""

import json
import os
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError, reason_of
from cen_keras.quiet import import_keras
from cen_keras.training.recipe import RecipeBase, differences

PROLONGS = ("epochs", "optimizer.stage_epochs")
"""What may differ from the recipe of a run that is prolonged."""


def default_run(name: str) -> Path:
    """Returns the run folder of a recipe: `runs/NAME`, or under $CEN_KERAS_RUNS."""
    return Path(os.environ.get("CEN_KERAS_RUNS", "runs")) / name


def read_json(path: Path) -> Any:
    """Reads a JSON file of a run folder.

    Raises:
        InputError: it is missing or no JSON.
    """
    if not path.is_file():
        raise InputError(
            f"{path} is missing, so {path.parent} is no run folder; give the folder that "
            "`python -m recipes.train` wrote."
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}); train again.") from error


def load_model(path: Path) -> Any:
    """Loads a `.keras` file, for inference.

    Raises:
        InputError: it is missing or damaged.
    """
    import zipfile

    if not path.is_file():
        raise InputError(f"{path} is missing; give a run folder, a .keras file or preset:NAME.")
    import_keras()
    import keras

    import cen_keras.models  # noqa: F401  registers the classes that the file names

    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = reason_of(error)
        raise InputError(f"{path} is not a whole Keras model ({reason}); train again.") from error


def load_best(run: Path) -> Any:
    """Loads a run's `best.keras`.

    Raises:
        InputError: it is missing or damaged.
    """
    path = run / "best.keras"
    if not path.is_file():
        raise InputError(
            f"{path} is missing: no epoch has been scored yet (the recipe's evaluation.every); go on training."
        )
    return load_model(path)


def check_run_folder(run: Path, recipe: RecipeBase) -> str:
    """Checks that a folder, if it holds a run, holds one of this very recipe.

    A finished run may be prolonged: its recipe may have fewer epochs, and fewer in its last stages.

    Returns:
        A message on a run that is prolonged; else nothing.

    Raises:
        InputError: it was started with another recipe; the differing keys are named. Or it is of
            another task.
    """
    if run.exists() and not run.is_dir():
        raise InputError(f"{run}: is a file; name a folder with --run.")
    if not (run / "recipe.json").exists():
        if (run / "last.npz").exists():
            raise InputError(
                f"{run} holds a last.npz but no recipe.json; name another folder with --run."
            )
        return ""
    written = read_json(run / "recipe.json")
    task = written.get("task", recipe.task) if isinstance(written, dict) else recipe.task
    if task != recipe.task:
        raise InputError(
            f"{run} holds a run of {task}, the recipe {recipe.name!r} is of {recipe.task}; name "
            "another folder with --run."
        )
    # Through a Recipe, so that what an older version did not write has its default.
    started = type(recipe).from_json(written, str(run / "recipe.json"))
    old, new = started.to_json(), recipe.to_json()
    found = differences(old, new)
    longer = recipe.epochs > started.epochs and (run / "scores.json").is_file()
    if longer and all(text.split(":")[0] in PROLONGS for text in found):
        return f"{started.epochs} epochs become {recipe.epochs}, with the rates of {recipe.epochs}"
    if found:
        raise InputError(
            f"{run} was started with another recipe ({'; '.join(found)}). Give the same "
            "settings to go on, a larger epochs to prolong a finished run, or another folder with "
            "--run."
        )
    return ""
