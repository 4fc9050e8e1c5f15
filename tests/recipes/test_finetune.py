"""The recipe finetune: the weights of a preset, or of another run, under a fresh classifier."""

import dataclasses
import json
import os
import time
import types

import keras
import numpy as np
import pytest

from cen_keras.data.loader import Loader
from cen_keras.data.rooms.views import RoomSpec, RoomViews
from cen_keras.errors import InputError
from cen_keras.modalities import modality_of
from cen_keras.models import Segmenter
from cen_keras.models.presets import presets
from cen_keras.training.segmentation_task import build_model, data_json, open_loader
from cen_keras.training.start import model_of, normalization_of
from cen_keras.training.task import read_recipe
from recipes.listing import recipe_of


def test_all_weights_but_the_classifiers_are_the_presets():
    recipe = recipe_of("finetune")
    loader = types.SimpleNamespace(
        views=types.SimpleNamespace(classes=("floor", "ball", "box"), palette=()),
        descriptions={name: modality_of(name) for name in recipe.model["modalities"]},
    )
    model = build_model(recipe, loader)
    preset = Segmenter.from_preset(recipe.pretrained.removeprefix("preset:"))
    assert model.classes.names == ("floor", "ball", "box")
    assert model.backbone == preset.backbone and len(model.weights) == len(preset.weights)
    for own, given in zip(model.weights, preset.weights, strict=True):
        if not own.path.startswith("classifier"):
            np.testing.assert_array_equal(np.asarray(own), np.asarray(given), err_msg=own.path)


@pytest.mark.parametrize("name", ["cen_edge_m_rooms", "cen_lite0_nyudv2"])
def test_inputs_are_normalised_as_the_presets_were_unless_the_recipe_says_otherwise(name):
    recipe = dataclasses.replace(recipe_of("finetune"), pretrained=f"preset:{name}")
    card = presets()[name].card["data"]["normalization"]
    assert normalization_of(recipe).to_json() == card
    depth = {"scale": 1.0, "mean": [9.0], "std": [4.0]}
    changed = normalization_of(
        dataclasses.replace(recipe, normalization={"depth": depth})
    ).to_json()
    assert changed == {"rgb": card["rgb"], "depth": depth}


@pytest.mark.parametrize(
    ("name", "shape"), [("cen_edge_m_rooms", [48, 64]), ("cen_lite0_nyudv2", [240, 320])]
)
def test_a_run_is_exported_at_the_size_at_which_the_preset_sees(name, shape):
    """cen_edge_m sees images of any size, so that of the pictures; cen_lite0 half of a camera's."""
    recipe = dataclasses.replace(recipe_of("finetune"), pretrained=f"preset:{name}")
    loader = Loader(RoomViews(RoomSpec(size=(48, 64)), 1), 1)
    assert data_json(recipe, loader)["image_shape"] == shape


def net(seed: int, names: tuple[str, ...]):
    """A small Segmenter whose depth has numbers of its own, and weights that are no initial ones."""
    depth = dataclasses.replace(modality_of("depth"), mean=(3.0,), std=(2.0,))
    model = Segmenter(
        modalities=("rgb", depth), backbone="mobilenet_s", classes=names, image_shape=(48, 64)
    )
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


def test_a_training_starts_from_another_runs_best_weights(tmp_path):
    run = tmp_path / "rooms_tiny"
    run.mkdir()
    recipe = dataclasses.replace(recipe_of("finetune"), pretrained=f"run:{run}")
    views = types.SimpleNamespace(classes=("floor", "ball"), palette=())
    for seed in (1, 2):  # A run that was prolonged has newer weights.
        best = net(seed, ("floor", "ball", "box"))
        best.save(run / "best.keras")
        os.utime(run / "best.keras", (later := time.time() + seed, later))
        descriptions = {m.name: m for m in best.descriptions.values()}
        model = build_model(recipe, types.SimpleNamespace(views=views, descriptions=descriptions))
        assert model.classes.names == ("floor", "ball") and model.image_shape == (48, 64)
        assert normalization_of(recipe).to_json()["depth"]["mean"] == [3.0]
        for own, given in zip(model.weights, best.weights, strict=True):
            if not own.path.startswith("classifier"):
                # A preset's kernels are float16: half of its 11 bits' last one.
                np.testing.assert_allclose(own, given, rtol=2**-11, err_msg=own.path)


def test_a_run_that_gives_no_weights_says_why(tmp_path):
    def start(run):
        normalization_of(dataclasses.replace(recipe_of("finetune"), pretrained=f"run:{run}"))

    with pytest.raises(InputError, match=r"rooms_lite0: is missing; .* recipes.train rooms_lite0"):
        start(tmp_path / "rooms_lite0")
    with pytest.raises(InputError, match=r"best.keras is missing: no epoch has been scored"):
        start(tmp_path)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "best.keras")
    with pytest.raises(InputError, match=r"best.keras: is a Sequential; wanted a Segmenter's run"):
        start(tmp_path)


def test_a_run_is_scored_without_what_it_started_from(tmp_path):
    data = {"name": "rooms", "size": (48, 64), "val": 2}
    start = dataclasses.replace(
        recipe_of("finetune"), data=data, pretrained="preset:cen_edge_m_rooms"
    )
    depth = {"scale": 1.0, "mean": [9.0], "std": [4.0]}
    trained = open_loader(dataclasses.replace(start, normalization={"depth": depth}), "val", False)
    gone = dataclasses.replace(start, pretrained=f"run:{tmp_path / 'gone'}").to_json()
    (tmp_path / "recipe.json").write_text(json.dumps(gone))
    (tmp_path / "data.json").write_text(json.dumps(data_json(start, trained)))
    loader = open_loader(read_recipe(tmp_path), "val", training=False)
    assert loader.normalization.to_json() == trained.normalization.to_json()
    assert loader.descriptions == trained.descriptions
    for found, wanted in zip(loader[0][0].values(), trained[0][0].values(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_recipe_says_only_what_differs_from_its_start(tmp_path):
    """Options that it changes leave the others of the start as they are; another fusion has its own."""
    card = presets()["cen_edge_m_rooms"].model
    recipe = dataclasses.replace(recipe_of("finetune"), model={})
    assert model_of(recipe) == {k: v for k, v in card.items() if "classes" not in k}
    changed = dataclasses.replace(
        recipe, model={"fusion": {"sparsity": 1.0}, "decoder_options": {"dropout": 0.1}}
    )
    assert model_of(changed)["fusion"] == {**card["fusion"], "sparsity": 1.0}
    assert model_of(changed)["decoder_options"] == {**card["decoder_options"], "dropout": 0.1}
    other = dataclasses.replace(recipe, model={"fusion": {"name": "concat"}})
    assert model_of(other)["fusion"] == {"name": "concat"}
