"""Finished cells become a table's CSV, which reads back as it was, and keeps what is gone."""

import csv
import json
import shutil
import sys

import pytest

from cen_keras.errors import InputError
from recipes.evidence.experiments.cells import Cell, only
from recipes.evidence.experiments.tables import TABLES, Row, Table
from recipes.evidence.run import records

TABLE = Table(
    "two rows",
    "rooms_evidence",
    {"cen": Row("all"), "rgb": Row("one", (*only("rgb"), "model.fusion.sparsity=0.0"))},
)


STEPS = Cell(TABLE.recipe, (), 1).steps


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    monkeypatch.setitem(TABLES, "tiny", TABLE)
    spelt = Row("one", ("model.fusion.sparsity=0", *only("rgb")))
    monkeypatch.setitem(TABLES, "other", Table("", "rooms_evidence", {"alone": spelt}))


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def finish(runs, row, seed, miou=0.5, **changes):
    """Leaves a run folder as a finished cell does."""
    cell = Cell(TABLE.recipe, TABLE.rows[row].settings, seed)
    scores = {"miou": miou, "mean_accuracy": 2 / 3, "pixel_accuracy": None}
    outputs = ["rgb", "ensemble"] if row == "rgb" else ["rgb", "depth", "ensemble"]
    record = {
        "recipe": cell.recipe,
        "settings": list(cell.settings),
        "seed": seed,
        "digest": cell.digest,
        "command": cell.command,
        "outputs": {output: scores for output in outputs},
        "parameters": 12,
        "macs": 34_000_000_000,
        "exchanged": 0.25,
        "layers_exchanging": 2,
        "steps": STEPS,
        "seconds": 12.3,
        "processor_seconds": None,
        "commit": "0123456789-dirty",
        "hardware": "a processor, 2 cores",
        "backend": "none 1.0, keras 3.0",
        "time": "2026-01-01T00:00:00Z",
        **changes,
    }
    folder = runs / cell.folder
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(record))
    return folder


def lines(results, name="tiny"):
    with open(results / f"{name}.csv", newline="") as file:
        return list(csv.reader(file))


def test_a_csv_has_a_line_for_each_output_in_the_tables_order(runs, results):
    for row, seed in (("rgb", 2), ("cen", 10), ("rgb", 1), ("cen", 9)):
        finish(runs, row, seed)
    assert records.write("tiny", runs, results) == []
    head, *found = lines(results)
    assert ",".join(head) == (
        "table,row,seed,output,miou,mean_accuracy,pixel_accuracy,parameters,macs,exchanged,"
        "layers_exchanging,steps,seconds,processor_seconds,commit,digest,command,hardware,backend,time"
    )
    assert [tuple(line[1:4]) for line in found] == [
        *(("cen", seed, output) for seed in ("9", "10") for output in ("rgb", "depth", "ensemble")),
        *(("rgb", seed, output) for seed in ("1", "2") for output in ("rgb", "ensemble")),
    ]
    assert found[-1][4:9] == ["0.5", "0.666667", "", "12", "34000000000"]
    assert found[-1][16].startswith("python -m recipes.evidence.run rooms_evidence --seed 2 --set ")
    before = (results / "tiny.csv").read_bytes()
    records.write("tiny", runs, results)
    assert (results / "tiny.csv").read_bytes() == before


def test_a_csv_reads_back_as_it_was(runs, results):
    finish(runs, "cen", 1, miou=0.123456)
    records.write("tiny", runs, results)
    first, *_ = records.read(results / "tiny.csv")
    assert first["miou"] == 0.123456 and first["pixel_accuracy"] is None
    assert first["macs"] == 34_000_000_000 and isinstance(first["macs"], int)
    assert (first["seed"], first["seconds"], first["processor_seconds"]) == (1, 12.3, None)
    assert first["hardware"] == "a processor, 2 cores"


def test_another_tables_spelling_is_the_same_training(runs, results):
    finish(runs, "rgb", 1)
    records.write("other", runs, results)
    found = records.read(results / "other.csv")
    assert [line["output"] for line in found] == ["rgb", "ensemble"]
    # Each table has the command that its own settings make.
    assert "model.fusion.sparsity=0 " in found[0]["command"]


def test_lines_are_kept_whose_run_folder_is_gone(runs, results):
    gone = finish(runs, "cen", 1, miou=0.1)
    finish(runs, "cen", 2, miou=0.2)
    records.write("tiny", runs, results)
    shutil.rmtree(gone)
    finish(runs, "cen", 3, miou=0.3)
    assert records.write("tiny", runs, results) == []
    found = {line["seed"]: line["miou"] for line in records.read(results / "tiny.csv")}
    assert found == {1: 0.1, 2: 0.2, 3: 0.3}


@pytest.fixture
def pictured(monkeypatch):
    """A table of pictures in files."""
    table = Table("", "nyudv2_evidence", {"cen": Row("all")})
    monkeypatch.setitem(TABLES, "pictured", table)
    monkeypatch.setattr(sys.modules[__name__], "TABLE", table)


def test_trainings_on_other_pictures_do_not_stand_in_one_table(pictured, runs, results):
    first = finish(runs, "cen", 1, data="one")
    records.write("pictured", runs, results)
    shutil.rmtree(first)
    finish(runs, "cen", 2, data="two")
    (dropped,) = records.write("pictured", runs, results)
    assert dropped.startswith("pictured cen, seed 1: was trained on other pictures (one)")
    assert {line["data"] for line in records.read(results / "pictured.csv")} == {"two"}
    finish(runs, "cen", 3, data="one")
    with pytest.raises(InputError, match="on different pictures"):
        records.write("pictured", runs, results)


def test_a_cell_that_does_not_say_which_pictures_is_named(pictured, runs, results):
    folder = finish(runs, "cen", 1)
    with pytest.raises(InputError, match=f"{folder.name}/cell.json: does not say which pictures"):
        records.write("pictured", runs, results)


def test_a_training_that_is_there_replaces_its_lines(runs, results):
    folder = finish(runs, "cen", 1, miou=0.1)
    records.write("tiny", runs, results)
    shutil.rmtree(folder)
    scores = dict.fromkeys(TABLE.metrics, 0.9)
    finish(runs, "cen", 1, outputs={"fused": scores})
    records.write("tiny", runs, results)
    assert [line["output"] for line in records.read(results / "tiny.csv")] == ["fused"]


def test_what_the_table_would_train_otherwise_today_is_dropped_and_reported(
    runs, results, monkeypatch
):
    for row in ("cen", "rgb"):
        finish(runs, row, 1)
    finish(runs, "cen", 2, digest="0123456789ab")
    records.write("tiny", runs, results)
    shutil.rmtree(runs)
    changed = Row("one", only("rgb"))
    monkeypatch.setitem(TABLES, "tiny", Table("", TABLE.recipe, {"cen": Row(""), "rgb": changed}))
    dropped = records.write("tiny", runs, results)
    assert len(dropped) == 2
    assert all("was trained by another recipe or with other settings" in line for line in dropped)
    assert {line.partition(":")[0] for line in dropped} == {"tiny cen, seed 2", "tiny rgb, seed 1"}
    assert {(x["row"], x["seed"]) for x in records.read(results / "tiny.csv")} == {("cen", 1)}


def test_the_seed_that_numbers_were_chosen_on_is_in_no_table(runs, results):
    for seed in (0, 1):
        finish(runs, "cen", seed)
    records.write("tiny", runs, results)
    assert {line["seed"] for line in records.read(results / "tiny.csv")} == {1}


def test_nothing_finished_writes_nothing(runs, results):
    (runs / Cell(TABLE.recipe, (), 1).folder).mkdir(parents=True)
    assert records.write("tiny", runs, results) == []
    assert not results.exists()


def test_what_is_no_table_is_refused(runs, results):
    path = results / "tiny.csv"
    with pytest.raises(InputError, match=r"tiny.csv is missing; .*recipes.evidence tiny"):
        records.read(path)
    finish(runs, "cen", 1)
    records.write("tiny", runs, results)
    good = path.read_text()
    for old, new, message in (
        ("miou", "iou", r"first line is 'table,.*wanted"),
        (",0.5,", ",half,", r"line 2: miou is 'half', wanted a number"),
        (",12,", ",1.5,", r"line 2: parameters is '1.5', wanted a whole number"),
        ("tiny,cen", "other,cen", r"line 2: is no line of the table 'tiny'"),
        (",0.5,", ",", r"line 2: 19 columns, wanted 20"),
    ):
        path.write_text(good.replace(old, new))
        with pytest.raises(InputError, match=message):
            records.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is no CSV"):
        records.read(path)
    path.write_text("")
    with pytest.raises(InputError, match="first line is 'nothing'"):
        records.read(path)
    # And it is not written over.
    with pytest.raises(InputError):
        records.write("tiny", runs, results)
    assert path.read_text() == ""
