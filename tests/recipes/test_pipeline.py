"""The measurement of the input pipeline: it finds a slow loader, and a fast one."""

import csv
import json
import time

import cv2
import numpy as np
import pytest

from cen_keras.data.pair_lists import read_list
from recipes import pipeline
from recipes.prepare.made_up import write_pairs

# Determinism would stay on for the tests after these.
TINY = ["data.size=32,48", "data.train=8", "data.val=2", "data.cache=null", "batch=4"]
TINY += ["deterministic=false"]
SETTINGS = [text for setting in TINY for text in ("--set", setting)]


class Slow:
    """A loader whose batches take 20 ms each."""

    batch_size = 5

    def __len__(self):
        return 3

    def __getitem__(self, index):
        assert 0 <= index < 3
        time.sleep(0.02)
        return index


def test_a_slow_loader_is_seen():
    rate, used = pipeline.measure_alone(Slow(), 4)
    # A sleep takes at least its time; on a busy machine it may take several times that.
    assert 20 < rate <= 5 / 0.02
    assert used < 0.004  # sleeping costs nothing
    seconds, waits = pipeline.measure_waiting(Slow(), lambda batch: time.sleep(0.01), 8)
    assert 0.01 <= seconds < 0.1
    assert 0.3 < waits < 0.97  # 2/3 where sleeps are exact


def test_a_step_that_takes_long_does_not_wait(tmp_path):
    out, table = tmp_path / "rows.json", tmp_path / "rows.csv"
    command = ["rooms_tiny", *SETTINGS, "--workers", "2", "--batches", "3"]
    command += ["--step-seconds", "0.3", "--csv", str(table), "--json", str(out)]
    assert pipeline.main(command) == 0
    assert pipeline.main(command) == 0
    (row,) = json.loads(out.read_text())
    with open(table, newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 2 and written[1] == {key: str(value) for key, value in row.items()}
    assert row["workers"] == 2 and row["batch"] == 4 and row["step_s"] >= 0.3
    assert row["views_needed_per_s"] == pytest.approx(4 / row["step_s"], rel=1e-2)
    assert 0 < row["cores_needed"] < 0.5
    # Four views of 32x48 take a few milliseconds, even on a busy machine a tenth of the step.
    assert row["waits"] < 0.1 and row["views_per_s"] > row["views_needed_per_s"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rooms_tiny", "--workers", "two"], "--workers is 'two'"),
        (["rooms_tiny", "--workers", ""], "--workers is ''"),
        (["rooms_tiny", "--batches", "0"], "--batches is at least 1"),
        (["rooms_tiny", "--made-up", "4"], "for recipes of nyudv2 and sunrgbd"),
        (["finetune", "--made-up", "4"], "for recipes of nyudv2 and sunrgbd"),
        (["taskonomy_depth_to_rgb", "--made-up", "2"], "for recipes of nyudv2 and sunrgbd"),
        (["rooms_tini"], "did you mean 'rooms_tiny'"),
        (["nyudv2_cen_refinenet101"], "datasets/nyudv2"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message, capsys):
    assert pipeline.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_table_of_other_columns_is_left_alone(tmp_path, capsys):
    table = tmp_path / "other.csv"
    table.write_text("a,b\n")
    command = ["rooms_tiny", *SETTINGS, "--workers", "0", "--batches", "1"]
    assert pipeline.main([*command, "--step-seconds", "0", "--csv", str(table)]) == 2
    assert "has other columns" in capsys.readouterr().err
    assert table.read_text() == "a,b\n"


def test_made_up_pairs_have_the_official_sizes(tmp_path):
    write_pairs(tmp_path, 2, classes=40)
    for split in ("train", "val"):
        assert len(read_list(tmp_path, tmp_path / f"{split}.txt")) == 2
    rgb, depth, mask = (
        cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
        for name in ("rgb/000001.jpg", "depth/000001.png", "masks/000001.png")
    )
    assert rgb.shape == (480, 640, 3) and rgb.dtype == np.uint8
    assert depth.shape == (480, 640) and depth.dtype == np.uint16
    assert mask.shape == (468, 625) and set(np.unique(mask)) <= {*range(40), 255}
    # A photograph of this size takes some 50 to 200 kB as JPEG.
    assert 30_000 < (tmp_path / "rgb/000001.jpg").stat().st_size < 300_000
