"""Where a trained model comes from: a run folder, a `.keras` file, or a preset of the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training.recipe import RecipeBase
from cen_keras.training.run_folder import load_best, load_model
from cen_keras.training.segmentation import Evaluation, Recipe
from cen_keras.training.task import read_recipe
from cen_keras.training.translation import TranslationRecipe

PRESET = "preset:"


def open_source(source: str | Path) -> tuple[RecipeBase, Callable[[], Any]]:
    """Returns the recipe of a trained model, and a function that loads the model.

    Args:
        source: a run folder; a `.keras` file, in a run folder or alone (its recipe then has no
            data); or `preset:NAME`.

    Raises:
        InputError: there is no such model.
    """
    text = str(source)
    if text.startswith(PRESET):
        return _preset(text.removeprefix(PRESET))
    path = Path(source)
    folder = path.parent if path.suffix == ".keras" else path
    if path == folder or (folder / "recipe.json").is_file():
        return read_recipe(
            folder
        ), lambda: load_best(folder) if path == folder else load_model(path)
    model = load_model(path)
    return _recipe_of(model, path.stem), lambda: model


def _preset(name: str):
    from cen_keras.models.presets import preset_of

    preset = preset_of(name)
    if preset.card is None:
        raise InputError(f"{PRESET}{name} has no trained weights; train it, or name one that has.")
    data = preset.card["data"]

    def load():
        from cen_keras.models import Segmenter

        return Segmenter.from_preset(name)

    recipe = Recipe(
        name=name,
        data=data["dataset"],
        model={key: value for key, value in preset.model.items() if key != "num_classes"},
        normalization=data["normalization"],
        ignore=data["ignore"],
        evaluation=Evaluation(split=preset.card["scores"]["split"], batch=4),
    )
    return recipe, load


def _recipe_of(model: Any, name: str) -> RecipeBase:
    """Returns a recipe without data for a model that came without one."""
    told = {"modalities": tuple(model.modalities)}
    if hasattr(model, "generator"):
        return TranslationRecipe(name=name, data={}, model=told)
    return Recipe(name=name, data={}, model=told)
