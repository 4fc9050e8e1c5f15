"""A run that is killed and started again ends as one that was left alone, in every file."""

import csv
import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, narrow_stem, resnet
from recipes import evaluate

ROOT = Path(__file__).parents[2]

SETTINGS = {
    "data.size": "32,48",
    "data.train": 12,
    "data.val": 4,
    "data.cache": "null",
    "model.backbone": "least",
    "model.decoder_options.filters": 4,
    "model.decoder_options.dropout": 0.2,
    "model.decoder_options.pooling_stages": 1,
    "augmentation.size": "32,32",
    "epochs": 3,
    "epoch_steps": 2,  # less than one pass, so an epoch begins in the middle of one
    "batch": 4,
    "evaluation.batch": 4,
}

# A net of the fewest layers, and an end at the worst moment: the logs and the best model of the
# second epoch are written, its checkpoint is not. The process is killed there, or the folder copied
# as a kill would leave it.
DRIVER = """
import functools, os, shutil, signal, sys
# A shell that starts the tests in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, narrow_stem, resnet
BACKBONES["least"] = functools.partial(
    resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem=narrow_stem
)
from cen_keras.training import callbacks
save = callbacks.save_checkpoint
def save_after_the_end(path, model, note):
    if note["epochs"] == 2 and "COPY_TO" in os.environ:
        shutil.copytree(path.parent, os.environ["COPY_TO"])
    if note["epochs"] == 2 and "KILL" in os.environ:
        os.kill(os.getpid(), getattr(signal, os.environ["KILL"]))
    save(path, model, note)
callbacks.save_checkpoint = save_after_the_end
from recipes import train
sys.exit(train.main(sys.argv[1:]))
"""


def run(folder, backend, **environment):
    """Runs the training in a process of its own and returns the finished process."""
    settings = [text for key, value in SETTINGS.items() for text in ("--set", f"{key}={value}")]
    return subprocess.run(
        [sys.executable, "-c", DRIVER, "rooms_tiny", "--run", str(folder), *settings],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, **environment},
        capture_output=True,
        text=True,
    )


def rows(path):
    """Returns the rows of a CSV file without the times."""
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def assert_same_runs(first, second):
    """Compares everything that two run folders hold."""
    with np.load(first / "last.npz") as one, np.load(second / "last.npz") as other:
        assert set(one.files) == set(other.files)
        for prefix in ("weights/", "optimizer/", "seeds/"):
            assert any(name.startswith(prefix) for name in one.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert rows(first / "log.csv") == rows(second / "log.csv")
    assert rows(first / "exchange.csv") == rows(second / "exchange.csv")
    scores = [json.loads((folder / "scores.json").read_text()) for folder in (first, second)]
    assert scores[0]["streams"] == scores[1]["streams"]


def resume(folder, backend):
    """Goes on with a run that ended after the logs of its second epoch."""
    assert [row["epoch"] for row in rows(folder / "log.csv")] == ["0", "1"]
    resumed = run(folder, backend)
    assert resumed.returncode == 0, resumed.stderr
    assert "going on after epoch 1" in resumed.stdout


def test_a_run_goes_on_as_if_never_ended(tmp_path, monkeypatch, capsys):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finished = run(whole, "tensorflow", COPY_TO=str(broken))
    assert finished.returncode == 0, finished.stderr
    resume(broken, "tensorflow")
    assert_same_runs(whole, broken)

    # And recipes.evaluate finds the same scores again.
    least = functools.partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem=narrow_stem
    )
    monkeypatch.setitem(BACKBONES, "least", least)
    assert evaluate.main([str(broken), "--json", "-"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    wanted = json.loads((broken / "scores.json").read_text())
    assert {key: wanted[key] for key in found} == found
    assert "stack1_block1_norm1" in printed.err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("backend", "signal", "code"),
    [("tensorflow", "SIGKILL", -9), ("tensorflow", "SIGINT", 130), ("jax", "SIGKILL", -9)],
)
def test_a_killed_run_goes_on_as_if_never_killed(tmp_path, backend, signal, code):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finished = run(whole, backend)
    assert finished.returncode == 0, finished.stderr
    killed = run(broken, backend, KILL=signal)
    assert killed.returncode == code
    assert "Traceback" not in killed.stderr
    resume(broken, backend)
    assert_same_runs(whole, broken)
