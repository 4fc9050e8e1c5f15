"""Trains a recipe: `python -m recipes.train NAME [--run FOLDER] [--set key=value ...]`.

NAME is a recipe of this package or a file of one's own, `./my_recipe.py`. The backend is chosen by
KERAS_BACKEND. A run that was stopped, by Ctrl-C or by anything else, goes on from its last finished
epoch when the same command is given again, and ends with the weights it would have had without the
stop. `--set epochs=N` with more epochs prolongs a finished run.

`--distribute mirrored` trains on all GPUs of the machine (TensorFlow), `--distribute hosts` in
several processes (JAX, the same command for each, with its own --process):

    python -m recipes.train NAME --distribute hosts --coordinator HOST:PORT --processes 2 --process 0

The recipe's `batch` is that of all devices together and the weights are those of one device but for
rounding, so a run may go on with another number of devices. Neither has run on GPUs so far. What
lies in a run folder, training.html to look at among it: `cen_keras.training.run`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training import console as consoles
from cen_keras.training.backend import choose_kernels
from cen_keras.training.run import train
from cen_keras.training.run_folder import default_run
from cen_keras.training.settings import apply_settings
from cen_keras.training.task import task_of
from recipes.listing import all_recipes, recipe_of


def print_recipes(console: Any) -> dict[str, str]:
    """Prints and returns name -> what it is, of all recipes."""
    from rich.table import Table

    table = Table("recipe", "what it is")
    descriptions = {name: first for name, (_, first) in all_recipes().items()}
    for name, first in descriptions.items():
        table.add_row(name, first)
    console.print(table)
    return descriptions


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
        prog=consoles.program("recipes.train"),
        description="Train a recipe, or go on with a run that was stopped.",
    )
    parser.add_argument(
        "recipe", nargs="?", help="name of a recipe, see --list; or a file, ./my_recipe.py"
    )
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
    for name, what in (("wandb", "Weights & Biases"), ("mlflow", "MLflow")):
        parser.add_argument(
            f"--{name}",
            nargs="?",
            const="cen_keras",
            metavar="PROJECT",
            help=f"log to {what} too, in this project (default: cen_keras)",
        )
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
        # Devices are looked for by TensorFlow.
        choose_kernels(recipe)
        run = options.run or default_run(recipe.name)
        distribution = _distribution(options)
        if not distribution.writes:
            console.quiet = True
        wanted = {"wandb": options.wandb, "mlflow": options.mlflow}
        trackers = {name: project for name, project in wanted.items() if project}
        result = train(recipe, run, console, distribution, trackers)
        task_of(recipe).print_scores(console, result)
        if distribution.writes:
            consoles.write_result(result, options.json)
        return 0

    return consoles.run_command(command, "goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
