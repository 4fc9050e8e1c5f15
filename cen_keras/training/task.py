"""Task: what training, scoring and the commands ask of segmentation and of translation.

A task is a module with these functions; `task_of` finds a recipe's.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from cen_keras.training import segmentation_task, translation_task
from cen_keras.training.recipe import RecipeBase, check_choice
from cen_keras.training.run_folder import read_json
from cen_keras.training.segmentation import PRESET, RUN


class Task(Protocol):
    """What a task's module has.

    Attributes:
        RECIPE: the class of its recipes.
        MONITOR: key of the logs that is highest in the best epoch.
    """

    RECIPE: type[RecipeBase]
    MONITOR: str

    def check(self, recipe: RecipeBase, distribution: Any) -> None:
        """Raises InputError if the training cannot be divided as the distribution does."""

    def open_loader(
        self, recipe: RecipeBase, split: str, training: bool, share: tuple[int, int] = (0, 1)
    ) -> Any:
        """Opens a split: shuffled, augmented batches for training, else the views in order."""

    def keys_of(self, recipe: RecipeBase, section: str) -> list[str]:
        """Returns the keys that a section of the recipe takes, "model" for instance."""

    def build_model(self, recipe: RecipeBase, loader: Any) -> Any:
        """Builds the recipe's model for what a loader gives."""

    def compile_model(
        self, model: Any, recipe: RecipeBase, steps_per_epoch: int, distribution: Any = None
    ) -> None:
        """Compiles the model with the recipe's losses and optimisers."""

    def data_json(self, recipe: RecipeBase, loader: Any) -> dict[str, Any]:
        """Returns a run folder's `data.json`: all that deployment needs of the data."""

    def streams_of(self, model: Any) -> list[str]:
        """Returns the names of the outputs that are scored, "ensemble" last."""

    def size_of(self, model: Any) -> str:
        """Returns the number of parameters as a sentence's part."""

    def batches(self, recipe: RecipeBase, loader: Any, distribution: Any) -> Any:
        """Returns what `fit` is given in the loader's place."""

    def fit_arguments(self, recipe: RecipeBase, loader: Any) -> dict[str, Any]:
        """Returns further arguments of `fit`."""

    def columns_of(self, recipe: RecipeBase, streams: list[str]) -> list[str]:
        """Returns the columns of log.csv after the epoch."""

    def callbacks(self, recipe: RecipeBase, run: Path, validation: Any, steps: int) -> list[Any]:
        """Returns the callbacks that watch and score, whose numbers the logs then have."""

    def epoch_line(self, streams: list[str], logs: dict[str, Any]) -> list[str]:
        """Returns what an epoch's line says between the loss and the exchange rate."""

    def score(
        self, recipe: RecipeBase, model: Any, loader: Any, scales: Sequence[float], flip: bool
    ) -> dict[str, Any]:
        """Scores a model on a loader's views."""

    def print_scores(self, console: Any, result: dict[str, Any], classes: bool = False) -> None:
        """Prints the table of what `score` found."""


TASKS: dict[str, Task] = {"segmentation": segmentation_task, "translation": translation_task}


def task_of(recipe: RecipeBase | dict[str, Any]) -> Task:
    """Returns the task of a recipe, of the JSON of one, or of a result.

    Raises:
        InputError: it names an unknown task.
    """
    name = recipe.get("task") if isinstance(recipe, dict) else recipe.task
    # Recipes without the key are from before there was a second task.
    check_choice("task", name or "segmentation", tuple(TASKS))
    return TASKS[name or "segmentation"]


def recipe_from_json(value: dict[str, Any], source: str = "recipe") -> RecipeBase:
    """Makes a recipe from `RecipeBase.to_json`.

    Raises:
        InputError: it is no recipe; `source` is named.
    """
    return task_of(value if isinstance(value, dict) else {}).RECIPE.from_json(value, source)


def read_recipe(run: Path) -> RecipeBase:
    """Reads the recipe of a run folder: what its weights are, whatever they started from.

    A preset or a run that the training started from may be gone, or another one by now, so the inputs and their
    numbers are those of the run's own `data.json`.

    Raises:
        InputError: the folder holds none.
    """
    recipe = recipe_from_json(read_json(run / "recipe.json"), str(run / "recipe.json"))
    if not str(getattr(recipe, "pretrained", None)).startswith((PRESET, RUN)):
        return recipe
    data = read_json(run / "data.json")
    return dataclasses.replace(
        recipe,
        pretrained=None,
        model={**recipe.model, "modalities": tuple(data["descriptions"].values())},
        normalization=data["normalization"],
    )
