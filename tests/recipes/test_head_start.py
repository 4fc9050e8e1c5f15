"""What a preset's weights are worth: the two trainings differ in their start only, and the table's claim."""

import csv
import json

from PIL import Image

from cen_keras.data.datasets import open_dataset
from recipes import head_start
from recipes.segmentation import rooms_edge_m


def test_only_the_start_differs():
    preset, random = head_start.PRESET, head_start.RANDOM
    for part in ("data", "augmentation", "batch", "epoch_steps", "normalization", "evaluation"):
        assert getattr(preset, part) == getattr(random, part)
    assert preset.pretrained == "preset:cen_edge_m_rooms" and random.pretrained is None
    # tests/models/test_presets.py: the preset is this recipe's network.
    assert random.model == rooms_edge_m.RECIPE.model
    assert (preset.epochs * preset.epoch_steps, random.epochs * random.epoch_steps) == (200, 800)
    assert preset.data["seed"] != rooms_edge_m.RECIPE.data["seed"]


def test_classes_are_merged():
    data = {**head_start.PRESET.data, "size": (24, 32), "cache": None}
    views = open_dataset(data, "train")
    plain = open_dataset(
        {k: v for k, v in data.items() if k not in ("classes", "label_map")}, "train"
    )
    for index in range(4):
        wanted = [head_start.MERGED[number] for number in plain[index]["label"].ravel()]
        assert views[index]["label"].ravel().tolist() == wanted
    floor = plain.classes.index("Floor")
    assert views.classes[head_start.MERGED[floor]] == "ground"


def trained(recipe, run, console):
    """Leaves what a training of two epochs leaves; the second one is scored."""
    run.mkdir(parents=True)
    made = {"hardware": "a machine", "backend": "b", "commit": "c", "time": "t"}
    (run / "environment.json").write_text(json.dumps([made]))
    score = 0.7 if recipe.pretrained else 0.60004
    (run / "log.csv").write_text(f"epoch,loss,ensemble_miou\n0,2,\n1,1,{score}\n")


def test_a_row_for_each_score_and_a_plot(tmp_path, monkeypatch):
    monkeypatch.setattr(head_start, "train", trained)
    table = tmp_path / "table.csv"
    assert head_start.main(["--runs", str(tmp_path / "runs"), "--csv", str(table)]) == 0
    assert table.read_text().splitlines() == [
        "start,steps,images,miou,hardware,backend,commit,time",
        "preset,100,100,0.7,a machine,b,c,t",
        "random,100,100,0.6,a machine,b,c,t",
    ]
    assert Image.open(table.with_suffix(".png")).width > 600


def test_the_tables_claim():
    with open(head_start.RESULT, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = {
        start: {int(row["steps"]): float(row["miou"]) for row in rows if row["start"] == start}
        for start in head_start.RECIPES
    }
    assert max(scores["preset"]) == 200 and max(scores["random"]) == 800
    assert scores["preset"][200] > max(scores["random"].values())
