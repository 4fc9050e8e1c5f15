"""The recipes of this package by name, and those of the user's files."""

import importlib
import pkgutil
from pathlib import Path

from cen_keras.errors import InputError, suggestion
from cen_keras.plugins import load_file
from cen_keras.training.recipe import RecipeBase

FOLDERS = ("segmentation", "translation")
"""Where the recipes are, a file each; names are unique over all of them."""


def all_recipes() -> dict[str, tuple[RecipeBase, str]]:
    """Returns name -> (recipe, first line of its docstring) of every recipe in this package."""
    found = {}
    for folder in FOLDERS:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            loaded = importlib.import_module(f"recipes.{folder}.{module.name}")
            found[module.name] = (loaded.RECIPE, (loaded.__doc__ or "").strip().split("\n")[0])
    return found


def recipe_of(name: str) -> RecipeBase:
    """Returns a recipe by name, or the `RECIPE` of a Python file, `./my_recipe.py`.

    Raises:
        InputError: there is none of that name (close ones are proposed), or none in the file.
    """
    if name.endswith(".py"):
        recipe = getattr(load_file(name), "RECIPE", None)
        if not isinstance(recipe, RecipeBase):
            raise InputError(
                f"{name} has no RECIPE, a recipe of cen_keras.training; found {recipe!r}."
            )
        return recipe
    recipes = all_recipes()
    if name not in recipes:
        raise InputError(
            f"recipe {name!r} is unknown{suggestion(name, recipes)}; `python -m recipes.train "
            "--list` shows all, and a file of your own is given with its .py."
        )
    return recipes[name][0]
