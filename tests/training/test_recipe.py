"""The base of the recipes, by a recipe of its own: checks, JSON and back, what is no recipe."""

import dataclasses
import json

import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.training.recipe import RecipeBase, check_choice, check_counts
from cen_keras.training.run import train
from cen_keras.training.segmentation import Recipe


@dataclasses.dataclass(frozen=True)
class Section:
    rates: tuple[float, ...] = (1.0,)
    batch: int = 2

    def __post_init__(self):
        check_counts("section.", self, batch=1)


@dataclasses.dataclass(frozen=True)
class Small(RecipeBase):
    name: str
    data: dict
    size: tuple[int, int] | None = None
    section: Section = Section()


def test_tuples_and_sections_survive_json_and_lists_in_dicts_stay():
    recipe = Small("a", {"domains": ["rgb"]}, (8, 6), Section((0.5, 0.25)))
    value = json.loads(json.dumps(recipe.to_json()))
    assert value["size"] == [8, 6] and value["section"]["rates"] == [0.5, 0.25]
    assert Small.from_json(value) == recipe
    assert value == recipe.to_json()  # what was read is left as it was


@pytest.mark.parametrize(
    "change",
    [
        lambda value: {**value, "extra": 1},
        lambda value: {**value, "section": {"extra": 1}},
        lambda value: {**value, "section": 3},
        lambda value: {key: v for key, v in value.items() if key != "section"},
        lambda value: {key: v for key, v in value.items() if key != "name"},
        lambda value: ["a"],
    ],
)
def test_what_is_no_recipe_is_named(change):
    with pytest.raises(InputError, match=r"^run/recipe\.json is not a recipe of this version"):
        Small.from_json(change(Small("a", {}).to_json()), "run/recipe.json")


def test_json_keeps_paths_numbers_of_numpy_and_fusions(tmp_path):
    fusion = Exchange(sparsity=0.5)
    data = {"root": tmp_path, "seed": np.int64(3), "share": np.float32(0.5), "fusion": fusion}
    value = json.loads(json.dumps(Small("a", data).to_json()))
    config = fusion.get_config()
    assert value["data"] == {"root": str(tmp_path), "seed": 3, "share": 0.5, "fusion": config}
    assert Small.from_json(value).to_json() == value


def test_what_no_file_keeps_is_named_before_anything_is_read(tmp_path):
    thing = complex(1, 2)
    with pytest.raises(InputError, match=r"holds \(1\+2j\) \(complex\), which its run folder"):
        Small("a", {"thing": thing}).to_json()
    # Its data are nowhere, which would be said next.
    recipe = Recipe("a", {"name": "frames", "root": tmp_path / "none", "thing": thing}, {})
    with pytest.raises(InputError, match="its run folder cannot keep"):
        train(recipe, tmp_path / "run", console=None)
    assert not (tmp_path / "run").exists()


def test_a_derived_recipe_merges_dicts_and_leaves_its_origin():
    recipe = Small("a", {"seed": 0, "train": 4})
    assert recipe.derive("b", data={"seed": 1}) == Small("b", {"seed": 1, "train": 4})
    assert recipe == Small("a", {"seed": 0, "train": 4})


def test_counts_and_choices_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"^section\.batch is 0; it must be at least 1\.$"):
        Section(batch=0)
    assert Section(batch=None).batch is None
    with pytest.raises(InputError, match=r"^mode 'c' is unknown; take a or b\.$"):
        check_choice("mode", "c", ("a", "b"))
