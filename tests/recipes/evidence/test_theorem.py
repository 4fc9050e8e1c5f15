"""The command on a run of the smallest net, and its way with what it cannot use."""

import csv
import functools
import json

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the gradients are TensorFlow's", allow_module_level=True)

from recipes import evaluate
from recipes.evidence.theorem import attraction
from recipes.evidence.theorem.__main__ import COLUMNS, main
from recipes.evidence.theorem.attraction import binomial_interval
from recipes.listing import recipe_of


@pytest.fixture(scope="module")
def written(tiny_run, tmp_path_factory):
    """The folder of results, of few draws."""
    folder = tmp_path_factory.mktemp("results")
    patch = pytest.MonkeyPatch()
    for name in ("single_positions", "many_positions"):
        patch.setattr(attraction, name, functools.partial(getattr(attraction, name), draws=500))
    assert main([str(tiny_run), "--out", str(folder), "--batches", "2"]) == 0
    patch.undo()
    return folder


def lines(folder):
    with open(folder / "theorem.csv", newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames) == COLUMNS
        return list(reader)


def test_the_csv_has_all_parts_and_its_shares_are_its_counts(written):
    found = lines(written)
    assert {line["part"] for line in found} == {
        *("single", "batch", "net", "net layer", "net fate", "life"),
    }
    for line in found:
        hits, count = int(line["hits"]), int(line["count"])
        wanted = [hits / count, *binomial_interval(hits, count)]
        # Six digits are written.
        np.testing.assert_allclose(
            [float(line[c]) for c in ("measured", "low", "high")], wanted, rtol=1e-5, atol=1e-12
        )


def test_the_nets_channels_and_their_lives_are_those_of_the_run(written, tiny_run, capsys):
    assert evaluate.main([str(tiny_run), "--json", "-"]) == 0
    exchange = json.loads(capsys.readouterr().out)["exchange"]
    found = lines(written)
    # Four norms of six channels, each penalised in one of the two modalities; two batches.
    trials = [int(line["count"]) for line in found if line["part"] == "net"]
    assert sum(trials) == 4 * 6 * 2
    layers = {line["case"]: float(line["x"]) for line in found if line["part"] == "net layer"}
    assert layers == pytest.approx(
        {name: np.mean(list(parts.values())) for name, parts in exchange["layers"].items()},
        abs=1e-5,  # six digits are written
    )
    with np.load(tiny_run / "scales.npz") as file:
        below = np.concatenate(
            [
                np.abs(file[name][:, slice(0, 3) if name.endswith("rgb") else slice(3, 6)]) < 0.294
                for name in file.files
                if name.startswith("gamma/")
            ],
            axis=1,
        )
    assert below.any() and not below.all()
    life = {
        int(line["x"]): int(line["hits"])
        for line in found
        if (line["part"], line["case"]) == ("life", "below theta")
    }
    assert life == {epoch: int(row.sum()) for epoch, row in enumerate(below)}


def test_text_and_picture_are_there(written, tiny_run):
    text = (written / "theorem.md").read_text()
    assert "None" not in text and "nan" not in text and str(tiny_run) in text
    assert "24 penalised channels" in text.replace("\n", " ")
    picture = (written / "theorem.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and 10_000 < len(picture) < 150_000


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        (None, [], "python -m recipes.train rooms_tiny"),
        ("rooms_translation_tiny", [], "translation"),
        (None, ["--batches", "0"], "--batches"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, capsys, name, options, wanted):
    if name is not None:
        (tmp_path / "recipe.json").write_text(json.dumps(recipe_of(name).to_json()))
    assert main([str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert wanted in error and error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
