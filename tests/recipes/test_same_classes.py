"""`recipes.evaluate`, `recipes.predict` and `segment` see the same classes, whatever a model comes as."""

import json

import numpy as np
import pytest
from own_folders import write_views
from PIL import Image

from cen_keras.metrics import confusion
from cen_keras.metrics.confusion import confusion_matrix, scores
from cen_keras.models import Segmenter
from cen_keras.training.segmentation import Recipe
from recipes import evaluate, predict

COUNT, SIZE = 5, (96, 128)
PRESET = "preset:cen_edge_s_rooms"
FILES = [f"{number:03d}.png" for number in range(COUNT)]


@pytest.fixture(scope="module")
def model():
    return Segmenter.from_preset(PRESET.partition(":")[2])


@pytest.fixture(scope="module")
def place(model, tmp_path_factory):
    """A folder of views, and a preset as a file and as a run folder."""
    place = tmp_path_factory.mktemp("place")
    write_views(place / "views", COUNT, size=SIZE)
    model.save(place / "alone.keras")
    (place / "run").mkdir()
    model.save(place / "run" / "best.keras")
    normalization = {
        name: {"scale": kind.scale, "mean": kind.mean, "std": kind.std}
        for name, kind in model.descriptions.items()
    }
    recipe = Recipe("run", {"name": "rooms"}, {}, normalization=normalization)
    (place / "run" / "recipe.json").write_text(json.dumps(recipe.to_json()))
    return place


@pytest.fixture(scope="module")
def raw(place):
    rgb, depth = (read(place / "views" / kind) for kind in ("rgb", "depth"))
    return {"rgb": rgb, "depth": depth * np.float32(0.001)}


@pytest.fixture(scope="module")
def one_by_one(model, raw):
    return np.stack([model.segment({n: x[i] for n, x in raw.items()}) for i in range(COUNT)])


def read(folder):
    return np.stack([np.array(Image.open(folder / name)) for name in FILES])


def evaluated(source, place, batch, monkeypatch):
    """The ensemble's class maps as `recipes.evaluate` counts them, and the scores that it tells."""
    counted = []

    def kept(labels, prediction, *arguments):
        counted.append(prediction)
        return confusion_matrix(labels, prediction, *arguments)

    monkeypatch.setattr(confusion, "confusion_matrix", kept)
    data = ("data.name=frames", f"data.root={place / 'views'}", f"evaluation.batch={batch}")
    settings = [part for setting in data for part in ("--set", setting)]
    assert evaluate.main([source, *settings, "--json", str(place / "scores.json")]) == 0
    streams = json.loads((place / "scores.json").read_text())["streams"]
    # Batch by batch the streams follow each other.
    assert list(streams) == ["rgb", "depth", "ensemble"]
    return np.concatenate(counted[2::3]), streams["ensemble"]


@pytest.mark.parametrize("source", [PRESET, "alone.keras", "run"])
def test_the_same_classes(source, place, one_by_one, tmp_path, monkeypatch):
    source = source if source == PRESET else str(place / source)
    assert predict.main([source, str(place / "views"), "--out", str(tmp_path)]) == 0
    predicted = read(tmp_path / "classes")
    np.testing.assert_array_equal(predicted, one_by_one)
    same, reported = evaluated(source, place, 1, monkeypatch)
    np.testing.assert_array_equal(predicted, same)
    # The scores are those of the pictures that were written.
    wanted = scores(confusion_matrix(read(place / "views" / "label"), predicted, 13))
    assert {key: reported[key] for key in wanted} == pytest.approx(wanted, rel=1e-12)


def test_another_batch_changes_next_to_nothing(model, place, raw, one_by_one, monkeypatch):
    # It sums in another order, so a pixel changes where two classes are as close as rounding: 6 of 61440 at most.
    for found in (model.segment(raw), evaluated(PRESET, place, 4, monkeypatch)[0]):
        assert (found == one_by_one).mean() >= 0.9999
