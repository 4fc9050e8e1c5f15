"""Trains and scores one cell of the evidence in a run folder of its own.

    python -m recipes.evidence.run RECIPE --seed N [--set key=value ...] [--runs FOLDER]

    FOLDER/RECIPE/DIGEST/seedN/...         what `recipes.train` writes
    FOLDER/RECIPE/DIGEST/seedN/cell.json   scores, cost and where they were measured; the last file

A folder with a cell.json is finished. Without one the same command goes on from the last finished
epoch.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cen_keras.files import write_json
from cen_keras.training import console as consoles
from cen_keras.training import machine
from cen_keras.training.backend import choose_kernels
from cen_keras.training.run import train
from cen_keras.training.run_folder import load_best, read_json
from cen_keras.training.task import task_of
from recipes.evidence.experiments.cells import FEATURES, Cell
from recipes.evidence.experiments.tables import SEGMENTATION, TRANSLATION

CELL = "cell.json"
RUNS = Path("runs/evidence")


def features_folder(runs: Path) -> Path:
    """Returns the run folder of the net whose features FID and KID compare."""
    return runs / "features" / FEATURES.digest


def finished(folder: Path) -> bool:
    """Returns whether a run folder holds a finished cell."""
    return (folder / CELL).is_file()


def train_cell(cell: Cell, runs: Path, console: Any, folder: Path | None = None) -> dict[str, Any]:
    """Trains and scores a cell, or reads it where it is finished.

    Args:
        cell: which training.
        runs: folder of all runs.
        console: a rich console for the progress.
        folder: run folder; by default the cell's own below `runs`.

    Returns:
        `recipe`, `settings`, `seed`, `digest`, `command`; `outputs`: output -> its scores (fid and
        kid with rooms' features, where the images are colour); `parameters` and `macs` of
        `cen_keras.metrics.cost`; `exchanged`, `layers_exchanging`, `steps`; `seconds` and
        `processor_seconds` of training and scoring, null where the training was stopped in between;
        `commit`, `hardware`, `backend`, `time`; `data` of `pictures`.

    Raises:
        InputError: the recipe, the data or the folder do not fit.
        NonFiniteError: the training diverged.
    """
    folder = folder or runs / cell.folder
    if finished(folder):
        return read_json(folder / CELL)
    recipe = cell.made()
    translation = recipe.task == "translation"
    colour = translation and recipe.model["target"] == "rgb"
    features = features_folder(runs)
    if colour:
        train_cell(FEATURES, runs, console, features)

    from cen_keras.metrics.cost import cost

    # The code that trains is the one that is there now.
    commit = machine.commit()
    epoch_steps, data = _prepare(recipe)
    goes_on = (folder / "last.npz").exists()
    spent = machine.Spent()
    result = train(recipe, folder, console)
    seconds, processor_seconds = spent.wall, spent.processor
    model = load_best(folder)
    streams = result["streams"]
    if colour:
        streams = _with_distances(recipe, model, features)
    metrics = TRANSLATION if translation else SEGMENTATION
    record = {
        "recipe": cell.recipe,
        "settings": list(cell.settings),
        "seed": cell.seed,
        "digest": cell.digest,
        "command": cell.command,
        "outputs": {
            output: {name: scores.get(name) for name in metrics}
            for output, scores in streams.items()
        },
        **cost(model, read_json(folder / "data.json")["image_shape"]),
        "exchanged": result["exchange"]["share_of_penalised"],
        "layers_exchanging": result["exchange"]["layers_exchanging"],
        "steps": recipe.epochs * epoch_steps,
        "seconds": None if goes_on else round(seconds, 1),
        "processor_seconds": None if goes_on else round(processor_seconds, 1),
        "commit": commit,
        "hardware": machine.hardware(),
        "backend": machine.backend(),
        "time": machine.now(),
        "data": data,
    }
    write_json(folder / CELL, record)
    return record


def pictures(splits: Iterable[Any]) -> str:
    """Names the files that views are read from, 12 hexadecimal digits; "" where they are generated.

    By the files' names and sizes: the same pictures in another folder are the same.
    """
    files = [
        f"{kind} {Path(path).name} {Path(path).stat().st_size}"
        for views in splits
        for view in getattr(views, "files", ())
        for kind, path in view.items()
    ]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()[:12] if files else ""


def _prepare(recipe: Any) -> tuple[int, str]:
    """Fills the data's caches, which is no part of a training.

    Returns:
        the steps of an epoch, and `pictures` of what is trained and scored on.
    """
    steps, splits = 0, []
    for split, training in ((recipe.evaluation.split, False), ("train", True)):
        loader = task_of(recipe).open_loader(recipe, split, training)
        try:
            if hasattr(loader.views, "prepare"):
                loader.views.prepare()
            steps = len(loader)
            splits.append(loader.views)
        finally:
            loader.close()
    return steps, pictures(splits)


def _with_distances(recipe: Any, model: Any, features: Path) -> dict[str, dict[str, float]]:
    from cen_keras.metrics.translation import evaluate_translation
    from recipes.evidence.run.features import room_features

    loader = task_of(recipe).open_loader(recipe, recipe.evaluation.split, training=False)
    try:
        return evaluate_translation(model, loader, room_features(features))
    finally:
        loader.close()


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.evidence.run", description="Train and score one cell."
    )
    parser.add_argument("recipe", help="name of a recipe")
    parser.add_argument("--seed", type=int, default=0, help="of the training; default: 0")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, default=RUNS, help=f"default: {RUNS}")
    parser.add_argument(
        "--features",
        action="store_true",
        help="train the net of FID's features instead, where RECIPE is for translation",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        from cen_keras.quiet import import_keras

        if options.features:
            cell, folder = FEATURES, features_folder(options.runs)
        else:
            cell, folder = Cell(options.recipe, tuple(options.set), options.seed), None
        # TensorFlow reads it when it is imported.
        choose_kernels(cell.made())
        import_keras()
        train_cell(cell, options.runs, consoles.console_for(None), folder)
        return 0

    return consoles.run_command(command, "goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
