"""Scores by class are of the same classes: a model's names against those of the data."""

import pytest

from cen_keras.data.labels import NYU13_CLASSES
from cen_keras.errors import InputError
from cen_keras.models import Segmenter
from cen_keras.training import evaluation
from cen_keras.training.segmentation import Recipe

ROOMS = {"name": "rooms", "size": (48, 64), "val": 1}
SMALL = {"backbone": "narrow", "decoder_options": {"filters": 4}}


def scored(monkeypatch, progress=None, **classes):
    recipe, model = Recipe("own", ROOMS, {}), Segmenter(**SMALL, **classes)
    monkeypatch.setattr(evaluation, "open_source", lambda source: (recipe, lambda: model))
    return evaluation.evaluate_run("own.keras", progress=progress)


def test_the_same_names_in_another_order_are_refused(monkeypatch):
    turned = (NYU13_CLASSES[1], NYU13_CLASSES[0], *NYU13_CLASSES[2:])
    with pytest.raises(InputError, match="class 0 is 'Books' of own.keras and 'Bed' of the data"):
        scored(monkeypatch, classes=turned)


def test_a_model_that_knows_its_classes_by_number_is_scored(monkeypatch):
    done = []
    found = scored(monkeypatch, lambda *batches: done.append(batches), num_classes=13)
    assert tuple(found["classes"]) == NYU13_CLASSES and done == [(1, 1)]
