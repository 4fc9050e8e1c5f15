"""A run that is killed and started again ends as one that was left alone, in every file.

And so do runs on several devices: against each other to the bit, against one device but for the
order of float32 sums.
"""

import csv
import functools
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, resnet
from cen_keras.training import callbacks
from recipes import evaluate, train

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
if "LOGICAL_DEVICES" in os.environ:
    import tensorflow as tf
    devices = [tf.config.LogicalDeviceConfiguration()] * int(os.environ["LOGICAL_DEVICES"])
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
if "WRITES_NOTHING" in os.environ:
    def refuse(source, target, **options):
        raise RuntimeError(f"this process wrote {target}")
    os.replace = refuse
from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, resnet
BACKBONES["least"] = functools.partial(
    resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_size=3
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


def settings_of(changes):
    """The command's options for the settings."""
    settings = {**SETTINGS, **changes}
    return [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]


def start(folder, backend, *options, changes=None, **environment):
    """Starts the training in a process of its own."""
    texts = settings_of(changes or {})
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, "rooms_tiny", "--run", str(folder), *texts, *options],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Waits for a process; returns it with its output in place of the streams."""
    process.stdout, process.stderr = process.communicate()
    return process


def run(folder, backend, *options, changes=None, **environment):
    """Runs the training in a process of its own and returns the finished process."""
    return finish(start(folder, backend, *options, changes=changes, **environment))


def rows(path):
    """Returns the rows of a CSV file without the times."""
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def assert_same_runs(first, second, prefixes=("weights/", "optimizer/", "seeds/")):
    """Compares everything that two run folders hold."""
    with np.load(first / "last.npz") as one, np.load(second / "last.npz") as other:
        assert set(one.files) == set(other.files)
        for prefix in prefixes:
            assert any(name.startswith(prefix) for name in one.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert rows(first / "log.csv") == rows(second / "log.csv")
    assert rows(first / "exchange.csv") == rows(second / "exchange.csv")
    scores = [json.loads((folder / "scores.json").read_text()) for folder in (first, second)]
    assert scores[0]["streams"] == scores[1]["streams"]


def assert_near(first, second):
    """Compares a run on one device with one on several."""
    with np.load(first / "last.npz") as one, np.load(second / "last.npz") as other:
        assert set(one.files) == set(other.files)
        compared = [name for name in one.files if one[name].dtype.kind == "f"]
        assert len(compared) > 50
        for name in compared:
            # Six steps of SGD, each through some twenty norms of the batch. Measured: 5e-5 of the
            # largest number of a momentum, 1e-6 of a weight.
            np.testing.assert_allclose(
                other[name], one[name], rtol=0, atol=5e-4 * np.abs(one[name]).max(), err_msg=name
            )
    for row, wanted in zip(rows(second / "log.csv"), rows(first / "log.csv"), strict=True):
        assert float(row["loss"]) == pytest.approx(float(wanted["loss"]), rel=1e-4)
    assert (second / "best.keras").exists() and (second / "scores.json").exists()


def resume(folder, backend, *options, **environment):
    """Goes on with a run that ended after the logs of its second epoch."""
    assert [row["epoch"] for row in rows(folder / "log.csv")] == ["0", "1"]
    resumed = run(folder, backend, *options, **environment)
    assert resumed.returncode == 0, resumed.stderr
    assert "going on after epoch 1" in resumed.stdout


@pytest.mark.gate
def test_a_run_goes_on_as_if_never_ended(tmp_path, monkeypatch, capsys):
    """In one process; those that are killed are in processes of their own, below."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    least = functools.partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_size=3
    )
    monkeypatch.setitem(BACKBONES, "least", least)
    save = callbacks.save_checkpoint

    def copy_and_save(path, model, note):
        if note["epochs"] == 2 and path.parent == whole:
            shutil.copytree(whole, broken)
        save(path, model, note)

    monkeypatch.setattr(callbacks, "save_checkpoint", copy_and_save)
    for folder in (whole, broken):
        assert train.main(["rooms_tiny", "--run", str(folder), *settings_of({})]) == 0
        if folder == whole:
            assert [row["epoch"] for row in rows(broken / "log.csv")] == ["0", "1"]
    assert "going on after epoch 1" in capsys.readouterr().out
    assert_same_runs(whole, broken)

    # And recipes.evaluate finds the same scores again.
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


# One learning rate for all that is rounded: Adam divides a gradient that is all rounding by itself.
# Every replica draws its own dropout.
SGD = {"optimizer.name": "sgd", "optimizer.learning_rate": 1e-2}
NO_DROPOUT = {"model.decoder_options.dropout": 0.0}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_replicas_that_are_killed_go_on(tmp_path):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("tensorflow is not installed")
    one, whole, broken = (tmp_path / name for name in ("one", "whole", "broken"))
    options = {"changes": SGD | NO_DROPOUT, "LOGICAL_DEVICES": "2"}
    alone = run(one, "tensorflow", **options)
    assert alone.returncode == 0, alone.stderr
    two = run(whole, "tensorflow", "--distribute", "mirrored", COPY_TO=str(broken), **options)
    assert two.returncode == 0, two.stderr
    assert "on 2 devices" in two.stdout
    resume(broken, "tensorflow", "--distribute", "mirrored", **options)
    assert_same_runs(whole, broken, ("weights/", "optimizer/"))
    assert_near(one, whole)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_processes_that_are_killed_go_on(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    one, two = tmp_path / "one", tmp_path / "two"
    alone = run(one, "jax", changes=SGD)
    assert alone.returncode == 0, alone.stderr

    def start_both(**environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = [
            "--distribute",
            "hosts",
            "--coordinator",
            f"127.0.0.1:{port}",
            "--processes",
            "2",
        ]
        return [
            start(two, "jax", *options, "--process", str(i), changes=SGD, **environment, **more)
            for i, more in enumerate([{}, {"WRITES_NOTHING": "1"}])
        ]

    first, second = start_both(KILL="SIGKILL")
    assert finish(first).returncode == -9
    second.kill()  # JAX would end it too, once it misses the first.
    finish(second)
    assert [row["epoch"] for row in rows(two / "log.csv")] == ["0", "1"]

    first, second = start_both()
    finish(first)
    finish(second)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "going on after epoch 1" in first.stdout and "on 2 devices" in first.stdout
    assert "rooms_tiny" not in second.stdout  # process 0 tells
    assert_near(one, two)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_without_one_run_folder_say_so(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--distribute", "hosts", "--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    processes = [
        start(tmp_path / str(i), "jax", *options, "--process", str(i), changes=SGD)
        for i in range(2)
    ]
    for process in processes:
        finish(process)
        assert process.returncode == 2, process.stderr
        assert "process 1 does not find in" in process.stderr.splitlines()[-1]
