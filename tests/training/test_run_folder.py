"""Whose run a folder is: that of the same recipe, and of the same task."""

import json

import pytest

from cen_keras.errors import InputError
from cen_keras.training.run_folder import check_run_folder
from cen_keras.training.segmentation import Recipe
from cen_keras.training.translation import TranslationRecipe

RECIPES = {
    "segmentation": Recipe("first", {}, {}),
    "translation": TranslationRecipe("second", {}, {}),
}


@pytest.mark.parametrize("task", RECIPES)
def test_a_run_of_the_other_task_is_named_as_such(task, tmp_path):
    recipe = RECIPES[task]
    (other,) = (r for name, r in RECIPES.items() if name != task)
    (tmp_path / "recipe.json").write_text(json.dumps(other.to_json()))
    message = f"holds a run of {other.task}, the recipe '{recipe.name}' is of {task}; name another"
    with pytest.raises(InputError, match=message):
        check_run_folder(tmp_path, recipe)
    assert check_run_folder(tmp_path, other) == ""


def test_what_is_no_recipe_is_still_named(tmp_path):
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(InputError, match="recipe.json is not a recipe of this version"):
        check_run_folder(tmp_path, RECIPES["segmentation"])
