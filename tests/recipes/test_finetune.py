"""The recipe finetune: a preset's weights under a fresh classifier."""

import dataclasses
import types

import numpy as np

from cen_keras.modalities import modality_of
from cen_keras.models import Segmenter
from cen_keras.training.segmentation_task import build_model, normalization_of
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


def test_inputs_are_normalised_as_the_presets_were_unless_the_recipe_says_otherwise():
    recipe = recipe_of("finetune")
    silent = dataclasses.replace(recipe, normalization={})
    assert normalization_of(silent).to_json() == normalization_of(recipe).to_json()
    depth = {"scale": 1.0, "mean": [9.0], "std": [4.0]}
    changed = normalization_of(
        dataclasses.replace(silent, normalization={"depth": depth})
    ).to_json()
    assert changed == {"rgb": recipe.to_json()["normalization"]["rgb"], "depth": depth}
