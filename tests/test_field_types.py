"""Settings of other types, as a file of one's own may hold them: one line that names the field."""

import dataclasses

import numpy as np
import pytest

from cen_keras.data.image_domains import ImageAugmentation
from cen_keras.data.official_augmentation import OfficialAugmentation
from cen_keras.data.transforms import Augmentation
from cen_keras.errors import InputError
from cen_keras.training.segmentation import Evaluation, Optimizer, Recipe
from cen_keras.training.translation import (
    TranslationEvaluation,
    TranslationOptimizer,
    TranslationRecipe,
)
from recipes import rooms_tiny

ODD = (None, True, -1, 2.5, float("nan"), float("inf"), "x", [], [1], ["a"], [[1]], {}, {"a": 1})
NEEDED = {"name": "own", "data": {}, "model": {}}
KINDS = {
    Augmentation: {},
    OfficialAugmentation: {},
    ImageAugmentation: {},
    Optimizer: {},
    Evaluation: {},
    Recipe: NEEDED,
    TranslationOptimizer: {},
    TranslationEvaluation: {},
    TranslationRecipe: NEEDED,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_another_type_is_one_line(kind):
    kind(**KINDS[kind])
    refused = 0
    for field in dataclasses.fields(kind):
        for value in ODD:
            try:
                kind(**{**KINDS[kind], field.name: value})
            except InputError as error:
                refused += field.name in str(error)
    # Words and numbers take a few of these values each, sections one; no field takes half.
    assert refused > len(dataclasses.fields(kind)) * len(ODD) / 2


@pytest.mark.parametrize(
    "kind, fields, message",
    [
        (Recipe, {**NEEDED, "epochs": "10"}, "epochs is '10'; wanted a whole number"),
        (Recipe, {**NEEDED, "optimizer": {"name": "sgd"}}, "optimizer is .*; wanted Optimizer"),
        (Recipe, {**NEEDED, "data": "frames"}, "data is 'frames'; wanted a section"),
        (
            Optimizer,
            {"learning_rate": float("nan")},
            "optimizer.learning_rate is nan; wanted a num",
        ),
        (Optimizer, {"learning_rate": (1e-3, -1.0)}, "learning_rate is .*at least 0"),
        (Optimizer, {"momentum": 1.0}, "momentum is 1.0; it must be from 0 to below 1"),
        (Optimizer, {"global_clipnorm": 0.0}, "global_clipnorm is 0.0; it must be above 0"),
        (
            Optimizer,
            {"nesterov": True},
            "nesterov is of a momentum, and adam has none; take name=sgd",
        ),
        (
            Optimizer,
            {"name": "sgd", "nesterov": True, "momentum": 0.0},
            "nesterov is of a momentum, and optimizer.momentum is 0.0",
        ),
        (TranslationOptimizer, {"learning_rate": -1e-3}, "learning_rate is -0.001; it must be at"),
        (
            TranslationOptimizer,
            {"discriminator_learning_rate": -1.0},
            "optimizer.discriminator_learning_rate is -1.0; it must be at least 0",
        ),
        (TranslationOptimizer, {"beta_1": 1.5}, "optimizer.beta_1 is 1.5; it must be from 0 to"),
        (TranslationOptimizer, {"beta_2": -0.1}, "optimizer.beta_2 is -0.1; it must be from 0"),
        (Augmentation, {"size": (48,)}, "augmentation.size is .*; wanted 2 values, each a whole"),
        (Augmentation, {"size": (0, 64)}, "size is .*give .height, width"),
        (Augmentation, {"colour": -0.3}, "colour is -0.3; give a strength"),
        (ImageAugmentation, {"crop": 0}, "crop is 0; give pixels"),
    ],
)
def test_what_is_wanted_is_said(kind, fields, message):
    with pytest.raises(InputError, match=message):
        kind(**fields)


def test_lists_and_numbers_of_numpy_are_as_good():
    assert Optimizer(learning_rate=np.float32(0.5), accumulate=np.int64(2)).accumulate == 2
    assert Augmentation(size=[48, 64], scale=[1, 2]).size == [48, 64]


def test_derive_merges_and_replaces_sections_of_every_kind():
    base = rooms_tiny.RECIPE
    derived = base.derive("own", optimizer={"learning_rate": 0.5}, augmentation=None)
    assert derived.optimizer == dataclasses.replace(base.optimizer, learning_rate=0.5)
    assert derived.augmentation is None and base.augmentation is not None
    with pytest.raises(InputError, match="optimizer.rate is unknown"):
        base.derive("own", optimizer={"rate": 0.5})
