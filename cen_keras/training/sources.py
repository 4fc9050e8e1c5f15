"""Where a trained model comes from: a run folder, a `.keras` file, or a preset of the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training.recipe import RecipeBase
from cen_keras.training.run_folder import load_best, load_model
from cen_keras.training.segmentation import PRESET, Evaluation, Recipe
from cen_keras.training.task import read_recipe
from cen_keras.training.translation import TranslationRecipe


def open_source(source: str | Path) -> tuple[RecipeBase, Callable[[], Any]]:
    """Returns the recipe of a trained model, and a function that loads the model.

    Args:
        source: a run folder; a `.keras` file, in a run folder or alone (its recipe then has no
            data); or `preset:NAME`, a name or a folder.

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
    from cen_keras.quiet import import_keras

    import_keras()
    from cen_keras.models.presets import preset_of

    preset = preset_of(name)
    if preset.weights is None:
        raise InputError(f"{PRESET}{name} has no trained weights; train it, or name one that has.")

    def load():
        from cen_keras.models import Segmenter

        return Segmenter.from_preset(name)

    data, scores = preset.card.get("data", {}), preset.card.get("scores", {})
    given = ("num_classes", "classes")
    recipe = Recipe(
        name=preset.name,
        data=data.get("dataset", {}),
        model={key: value for key, value in preset.model.items() if key not in given},
        normalization=data.get("normalization", {}),
        ignore=data.get("ignore", Recipe.ignore),
        evaluation=Evaluation(split=scores.get("split", "val"), batch=4),
    )
    return recipe, load


def _recipe_of(model: Any, name: str) -> RecipeBase:
    """Returns a recipe without data for a model that came without one."""
    if hasattr(model, "generator"):
        settings = {"modalities": tuple(model.modalities), "target": model.target}
        return TranslationRecipe(name=name, data={}, model=settings)
    if not hasattr(model, "descriptions"):
        raise InputError(
            f"{name}.keras: is a {type(model).__name__}, which does not say what its inputs and classes are; "
            "wanted a Segmenter or a Translator."
        )
    described = tuple(modality.to_config() for modality in model.descriptions.values())
    return Recipe(name=name, data={}, model={"modalities": described})
