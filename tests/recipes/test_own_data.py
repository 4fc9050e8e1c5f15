"""docs/own_data.md: its commands, one after the other, on folders of ten small pictures."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from own_folders import CLASSES, write_views
from PIL import Image

from cen.__main__ import main

PAGE = Path(__file__).parents[2] / "docs" / "own_data.md"
TINY = ("epochs=1", "epoch_steps=2", "batch=2", "optimizer.warmup_steps=0")
SMALL = {
    "train": [part for setting in TINY for part in ("--set", setting)],
    "export": ["--calibration-count", "4"],
    # After two steps classes can hardly be distinguished.
    "verify": ["--max-drop", "100", "--json", "verified.json"],
}


def sections():
    """Heading -> commands of its block."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^## (.+?)\n.*?^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return {heading: block.strip().splitlines() for heading, block in found}


def run(command):
    """Runs `cen ...` in this process, in small; returns the exit code."""
    console, name, *arguments = shlex.split(command)
    assert console == "cen"
    return main([name, *arguments, *SMALL.get(name, [])])


def test_five_commands_each():
    assert {name: len(commands) for name, commands in sections().items()} == {
        "RGB-D, five classes": 5,
        "RGB and thermal": 5,
    }


def scored(name):
    scores = json.loads(Path(f"runs/{name}/scores.json").read_text())
    assert scores["classes"] == list(CLASSES)
    assert 0 <= scores["streams"]["ensemble"]["miou"] <= 1
    return scores


@pytest.mark.gate
def test_rgb_and_depth_from_a_folder_to_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = write_views(tmp_path / "my_rooms", 10)
    for command in sections()["RGB-D, five classes"]:
        assert run(command) == 0, command
    assert Image.open("rooms.png").width > 1000
    assert scored("rooms")["images"] == 2
    verified = json.loads(Path("verified.json").read_text())
    assert set(verified["outputs"]) == {"rgb", "depth", "ensemble"}
    assert len(list(Path("seen").glob("*.png"))) == len(written)
    manifest = json.loads(Path("runs/rooms/tflite/static_w8a8.tflite.json").read_text())
    assert CLASSES[0] in json.dumps(manifest)


@pytest.mark.gate
def test_rgb_and_thermal_from_a_folder_to_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kinds = ("rgb", "thermal")
    written = write_views(tmp_path / "my_heat" / "train", 6, kinds=kinds)
    write_views(tmp_path / "my_heat" / "val", 2, "val", kinds=kinds)
    (tmp_path / "my_heat" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for command in sections()["RGB and thermal"]:
        assert run(command) == 0, command
    assert scored("heat")["images"] == 2
    assert set(json.loads(Path("verified.json").read_text())["outputs"]) == {*kinds, "ensemble"}
    assert len(list(Path("warm").glob("*.png"))) == 2
    thermal = json.loads(Path("runs/heat/data.json").read_text())["normalization"]["thermal"]
    counts = np.stack([view["thermal"] for view in written])
    # Told to four digits of a value of 30000.
    assert thermal["mean"][0] == pytest.approx(counts.mean(), rel=1e-3)
