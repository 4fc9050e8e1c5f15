"""Recipes and their settings: typed, checked, and equal after a round trip through JSON."""

import dataclasses

import pytest

from cen_keras.errors import InputError
from cen_keras.training.recipe import differences
from cen_keras.training.segmentation import Optimizer, Recipe
from cen_keras.training.settings import apply_settings
from recipes.listing import all_recipes, recipe_of

RECIPE = Recipe(
    name="test",
    data={"name": "rooms", "size": (48, 64), "seed": 0},
    model={
        "modalities": ("rgb", "depth"),
        "fusion": {"name": "exchange", "threshold": 2e-2},
        "decoder_options": {"n": 8},
    },
)


def value_of(recipe, key):
    for name in key.split("."):
        recipe = recipe[name] if isinstance(recipe, dict) else getattr(recipe, name)
    return recipe


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("epochs=3", 3),
        ("optimizer.learning_rate=1e-3", 1e-3),
        ("optimizer.learning_rate=1", 1.0),
        ("optimizer.learning_rate=[3e-3, 1e-3]", (3e-3, 1e-3)),
        ("optimizer.learning_rate=3e-3,1e-3", (3e-3, 1e-3)),
        ("optimizer.stage_epochs=2,1", (2, 1)),
        ("optimizer.global_clipnorm=null", None),
        ("optimizer.global_clipnorm=5", 5.0),
        ("optimizer.name=sgd", "sgd"),
        ("jit=true", True),
        ("epoch_steps=none", None),
        ("data.size=96,128", (96, 128)),
        ("data.size=[96, 128]", (96, 128)),
        ("data.cache=folder", "folder"),
        ("model.modalities=rgb,depth", ("rgb", "depth")),
        ("model.fusion.threshold=null", None),
        ("model.fusion.threshold=1e-1", 0.1),
        ("model.decoder_options.n=16", 16),
        ("model.decoder_options.n=0.5", 0.5),  # a whole number in this recipe
        ("model.fusion.sparsity=0.005", 0.005),  # not in this recipe, but the exchange has it
        ("model.decoder_options.dropout=0.5", 0.5),
        ("model.decoder=pspnet", "pspnet"),  # nor is this, but the Segmenter has it
        ("augmentation.mirror=true", True),
        ("evaluation.interpolation=cubic", "cubic"),
    ],
)
def test_values_take_the_recipes_type(setting, wanted):
    key = setting.split("=")[0]
    changed = value_of(apply_settings(RECIPE, [setting]), key)
    assert changed == wanted
    assert type(changed) is type(wanted)


def test_a_section_that_the_recipe_lacks_can_be_set():
    model = {name: value for name, value in RECIPE.model.items() if name != "decoder_options"}
    model.pop("fusion")
    for lacking in (model, {**model, "decoder_options": None, "fusion": None}):
        recipe = dataclasses.replace(RECIPE, model=lacking)
        settings = ["model.decoder_options.filters=8", "model.fusion.sparsity=0.1"]
        changed = apply_settings(recipe, settings).model
        assert changed["decoder_options"] == {"filters": 8}
        assert changed["fusion"] == {"name": "exchange", "sparsity": 0.1}
        with pytest.raises(InputError, match=r"'model.decoder_options.x'; known: .*\.filters"):
            apply_settings(recipe, ["model.decoder_options.x=1"])


def test_the_options_of_a_fusion_can_be_set():
    settings = ["model.fusion=align", "model.fusion.weight=0.5", "model.fusion.kernel=linear"]
    wanted = {"name": "align", "weight": 0.5, "kernel": "linear"}
    assert apply_settings(RECIPE, settings).model["fusion"] == wanted
    with pytest.raises(InputError, match=r"fusion\..*did you mean 'model.fusion.weight'|'weight'"):
        apply_settings(RECIPE, ["model.fusion=align", "model.fusion.weigth=1"])
    with pytest.raises(InputError, match="fusion 'conct' is unknown"):
        apply_settings(RECIPE, ["model.fusion=conct", "model.fusion.weigth=1"])
    assert apply_settings(RECIPE, ["model.fusion=none"]).model["fusion"] == {"name": "none"}
    assert apply_settings(RECIPE, ["model.fusion=null"]).model["fusion"] is None


FRAMES = {"name": "frames", "root": "d/{split}"}


@pytest.mark.parametrize(
    ("settings", "section", "wanted"),
    [
        (["data.name=frames", "data.root=d/{split}"], "data", FRAMES),
        (["data.cache=null", "data.name=frames", "data.root=d/{split}"], "data", FRAMES),
        (["data=frames", "data.root=d/{split}"], "data", FRAMES),
        (['data={"name": "frames", "root": "d/{split}"}'], "data", FRAMES),
        (["augmentation=null"], "augmentation", None),
        (["augmentation=none"], "augmentation", None),
        (["augmentation=official"], "augmentation", {"name": "official"}),
        (['augmentation={"size": [8, 8]}'], "augmentation", {"size": (8, 8)}),
        (["normalization=null"], "normalization", {}),
        (["model.decoder_options=null"], "model.decoder_options", None),
        (['model.decoder_options={"m": 1}'], "model.decoder_options", {"m": 1}),
        (['model.fusion={"name": "concat"}'], "model.fusion", {"name": "concat"}),
        (["model.fusion=concat"], "model.fusion", {"name": "concat"}),
        (["model.fusion.name=concat"], "model.fusion", {"name": "concat"}),
        (['optimizer={"name": "sgd"}'], "optimizer", Optimizer(name="sgd")),
    ],
)
def test_a_section_is_replaced_or_emptied_as_a_whole(settings, section, wanted):
    recipe = dataclasses.replace(
        RECIPE, augmentation={"mirror": True}, normalization={"rgb": {"scale": 1.0}}
    )
    assert value_of(apply_settings(recipe, settings), section) == wanted


def test_what_another_data_set_drops_is_said(caplog):
    changed = apply_settings(RECIPE, ["data.name=frames", "data.root=d"])
    assert [record.getMessage() for record in caplog.records] == [
        "data: 'frames' takes the place of 'rooms', whose size, seed no longer count."
    ]
    assert changed.derive("b", data={"seed": 1}).data == {"name": "frames", "root": "d", "seed": 1}
    caplog.clear()
    assert apply_settings(RECIPE, ["data.name=rooms"]) == RECIPE and not caplog.records


def test_settings_leave_the_recipe_alone_and_the_last_wins():
    before = RECIPE.to_json()
    assert apply_settings(RECIPE, ["data.seed=1", "data.seed=2"]).data["seed"] == 2
    assert RECIPE.to_json() == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "no '='"),
        ("epoch=3", "no 'epoch' .did you mean 'epochs'"),
        ("optimizer.learning_rat=1", "did you mean 'learning_rate'"),
        ("model.backbon=narrow", "did you mean 'backbone'"),
        ("model.decoder_options.m=1", "there is no 'model.decoder_options.m'"),
        ("augmentation.miror=true", "did you mean 'mirror'"),
        ("optimizer=adam", "set one of optimizer.name"),
        ("optimizer=null", "give all of them as JSON, or set one of optimizer.name"),
        ("data=null", "set one of data.name"),
        ("model=null", "set one of model.modalities"),
        ('optimizer={"nam": "sgd"}', "optimizer.nam is unknown .did you mean 'name'"),
        ("epochs.x=1", "has no parts"),
        ("epochs=2.5", "epochs=2.5: wanted int"),
        ("epochs=true", "wanted int"),
        ("jit=1", "wanted bool"),
        ("optimizer.learning_rate=fast", "wanted float or tuple"),
        ("optimizer.stage_epochs=1,x", "wanted tuple"),
        ("model.fusion.threshold=small", "wanted float or null"),
    ],
)
def test_what_does_not_fit_is_named(setting, message):
    with pytest.raises(InputError, match=message):
        apply_settings(RECIPE, [setting])


def test_json_round_trip():
    recipe = apply_settings(
        RECIPE, ["optimizer.stage_epochs=2,1", "augmentation.scale=0.5,2", "epoch_steps=7"]
    )
    again = Recipe.from_json(recipe.to_json())
    assert again.to_json() == recipe.to_json()
    assert again.optimizer == recipe.optimizer
    with pytest.raises(InputError, match=r"recipe.json is not a recipe.*extra"):
        Recipe.from_json({**recipe.to_json(), "extra": 1}, "recipe.json")


def test_differences_name_keys_and_both_values():
    other = apply_settings(RECIPE, ["optimizer.learning_rate=1e-3", "data.train=8", "workers=9"])
    assert differences(RECIPE.to_json(), other.to_json()) == [
        "data.train: 'nothing', now 8",
        "optimizer.learning_rate: 0.002, now 0.001",
    ]
    assert differences(RECIPE.to_json(), RECIPE.to_json()) == []


def test_recipes_are_found_and_described():
    recipes = all_recipes()
    assert {"rooms_tiny", "rooms_tiny_rgb", "rooms_tiny_depth"} <= recipes.keys()
    for name, (recipe, description) in recipes.items():
        assert recipe.name == name
        assert description.endswith(".")
    with pytest.raises(InputError, match="did you mean 'rooms_tiny'"):
        recipe_of("room_tiny")


def test_the_controls_differ_in_the_modalities_alone():
    full = recipe_of("rooms_tiny").to_json()
    for name in ("rgb", "depth"):
        control = recipe_of(f"rooms_tiny_{name}").to_json()
        keys = {line.split(":")[0] for line in differences(full, control)}
        assert keys == {"name", "model.modalities"}
        assert control["model"]["modalities"] == [name]


def test_derive_merges_dicts():
    derived = RECIPE.derive("b", model={"modalities": ("rgb",)}, optimizer=Optimizer(momentum=0.5))
    assert derived.model["fusion"] == {"name": "exchange", "threshold": 2e-2}
    assert derived.model["modalities"] == ("rgb",)
    assert derived.optimizer.momentum == 0.5
    deeper = RECIPE.derive("b", model={"decoder_options": {"m": 1}})
    assert deeper.model["decoder_options"] == {"n": 8, "m": 1}
    assert RECIPE.derive("b", data=FRAMES).data == FRAMES
    assert RECIPE.derive("b", model={"decoder_options": {}}).model["decoder_options"] == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        derived.epochs = 2
