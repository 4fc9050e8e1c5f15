"""A cell from its settings to its line of a table, on nets and data as small as they come."""

import csv
import functools
import json
import re
import types

import keras
import numpy as np
import pytest
from rich.console import Console

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, resnet
from recipes import train
from recipes.evidence.experiments import cells
from recipes.evidence.experiments.cells import Cell
from recipes.evidence.run import cell as cell_module
from recipes.evidence.run.cell import features_folder, main, train_cell
from recipes.evidence.run.features import room_features

if keras.backend.backend() != "tensorflow":
    pytest.skip("a Translator is trained on TensorFlow", allow_module_level=True)

ROOMS = ("data.size=32,48", "data.train=4", "data.val=4", "data.cache=null", "epoch_steps=1")
SEGMENTATION = (
    *ROOMS,
    "model.backbone=least",
    "model.decoder_options.filters=4",
    "model.decoder_options.pooling_stages=1",
    "augmentation.size=32,32",
    "epochs=2",
    "batch=2",
    "evaluation.batch=4",
)
TRANSLATION = (
    *ROOMS,
    "data.size=32,32",
    "model.base_filters=2",
    "model.discriminator_filters=2",
    "model.depth=3",
    "epochs=1",
    "batch=2",
    "evaluation.batch=4",
)


@pytest.fixture(scope="module")
def least():
    patch = pytest.MonkeyPatch()
    net = functools.partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_size=3
    )
    patch.setitem(BACKBONES, "least", net)
    features = Cell("rooms_evidence", (*SEGMENTATION, *cells.only("rgb")), 0)
    for module in (cells, cell_module):
        patch.setattr(module, "FEATURES", features)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, least):
    """A finished segmentation."""
    folder = tmp_path_factory.mktemp("runs")
    settings = [text for setting in SEGMENTATION for text in ("--set", setting)]
    assert main(["rooms_evidence", "--seed", "5", "--runs", str(folder), *settings]) == 0
    return folder


def test_pictures_are_known_by_their_files_names_and_sizes(tmp_path):
    def views(folder, content):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "a.png"
        path.write_bytes(content)
        return types.SimpleNamespace(files=[{"rgb": path}])

    one, same, other = views("x", b"12"), views("y", b"34"), views("z", b"123")
    assert len(cell_module.pictures([one])) == 12
    assert cell_module.pictures([one]) == cell_module.pictures([same])
    assert cell_module.pictures([one]) != cell_module.pictures([other])
    assert cell_module.pictures([one]) != cell_module.pictures([one, one])
    assert cell_module.pictures([types.SimpleNamespace()]) == ""


def test_a_segmentation_s_line_holds_what_the_run_folder_says(runs):
    cell = Cell("rooms_evidence", SEGMENTATION, 5)
    record = json.loads((runs / cell.folder / "cell.json").read_text())
    scores = json.loads((runs / cell.folder / "scores.json").read_text())
    assert list(record["outputs"]) == ["rgb", "depth", "ensemble"]
    for output, found in record["outputs"].items():
        assert set(found) == {"miou", "mean_accuracy", "pixel_accuracy"}
        assert all(scores["streams"][output][name] == value for name, value in found.items())
    assert record["steps"] == 2 and record["seed"] == 5
    assert record["exchanged"] == scores["exchange"]["share_of_penalised"]
    # The first 3x3 convolution alone: two streams, 16x24 places, 3 channels to 4.
    assert record["macs"] > 2 * 16 * 24 * 9 * 3 * 4
    assert record["parameters"] > 0 and record["seconds"] > 0 and record["processor_seconds"] > 0
    assert record["command"] == cell.command and record["digest"] == cell.digest
    assert re.fullmatch("[0-9a-f]{10}(-dirty)?|unknown", record["commit"])
    assert record["backend"].startswith("tensorflow 2.") and "cores" in record["hardware"]


def test_what_is_finished_is_not_trained_again(runs, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(train, "train", refuse)
    # In another order, it is the same cell.
    cell = Cell("rooms_evidence", SEGMENTATION[::-1], 5)
    assert train_cell(cell, runs, Console(quiet=True))["seed"] == 5


def test_a_training_that_was_stopped_has_no_time(runs):
    cell = Cell("rooms_evidence", SEGMENTATION, 5)
    path = runs / cell.folder / "cell.json"
    before = json.loads(path.read_text())
    path.unlink()  # As if it had been killed in the very end.
    again = train_cell(cell, runs, Console(quiet=True))
    assert again["outputs"] == before["outputs"]
    assert again["seconds"] is None and again["processor_seconds"] is None
    assert json.loads(path.read_text()) == again


def test_bad_settings_are_one_line(runs, capsys):
    arguments = ["rooms_evidence", "--runs", str(runs), "--set", "model.fusion=conct"]
    assert main(arguments) == 2
    assert "fusion 'conct' is unknown" in capsys.readouterr().err
    assert not list(runs.glob("rooms_evidence/*/seed0/cell.json"))


def test_a_translation_s_distances_are_of_rooms_features(runs):
    cell = Cell("rooms_translation_evidence", TRANSLATION, 1)
    record = train_cell(cell, runs, Console(quiet=True))
    assert (features_folder(runs) / "cell.json").is_file()
    assert list(record["outputs"]) == ["reshading", "edge_texture", "ensemble"]
    scores = json.loads((runs / cell.folder / "scores.json").read_text())
    for output, found in record["outputs"].items():
        assert set(found) == {"mae", "rmse", "fid", "kid"}
        # The same images, made anew.
        assert found["mae"] == pytest.approx(scores["streams"][output]["mae"], rel=1e-6)
        assert found["fid"] > 0


def test_one_trunk_is_scored_as_one_stream(runs):
    settings = (*SEGMENTATION, "epochs=1", 'model.fusion={"name": "concat", "protocol": "common"}')
    cell = Cell("rooms_evidence", settings, 1)
    record = train_cell(cell, runs, Console(quiet=True))
    assert list(record["outputs"]) == ["fused", "ensemble"]
    assert record["outputs"]["fused"] == record["outputs"]["ensemble"]
    with open(runs / cell.folder / "log.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["fused_miou"]) == pytest.approx(record["outputs"]["fused"]["miou"], rel=1e-5)
    assert "rgb_miou" not in row


def test_features_are_means_of_the_deepest_level(runs):
    train_cell(cells.FEATURES, runs, Console(quiet=True), features_folder(runs))
    extract = room_features(features_folder(runs))
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    features = extract(images)
    assert features.shape == (2, 4)
    # One by one: float32 sums of another order, some 1e-6 of values around 1.
    np.testing.assert_allclose(extract(images[1:]), features[1:], rtol=1e-4, atol=1e-5)
    # By hand: the net's own deepest level, of an 8-bit picture as the run's data are normalised.
    from cen_keras.training.run_folder import load_best

    model = load_best(features_folder(runs))
    level = keras.Model(model.input, model.get_layer("stack4_block1_relu2").output)
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    fed = ((images + 1) / 2 - mean) / std
    wanted = np.asarray(level({"rgb": fed}, training=False)).mean((1, 2))
    np.testing.assert_allclose(features, wanted, rtol=1e-4, atol=1e-5)
