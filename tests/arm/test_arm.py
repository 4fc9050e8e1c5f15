"""The board's part on an emulated ARM64 processor computes what this machine computes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated import PROCESSORS, run
from PIL import Image

HERE = Path(__file__).parent
# float32 sums in another order and with fused multiply-adds: a class changes only where two logits are
# as good as equal.
SAME_CLASSES = 0.999
SAME_CODES = 0.9999


def finished(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module", params=PROCESSORS)
def computed(request, zoo, tmp_path_factory):
    """What each artifact gives on a processor; all in one process, since starting one takes longest."""
    folder = tmp_path_factory.mktemp(request.param)
    jobs = [
        {
            "artifact": str(made.path),
            "inputs": str(made.inputs),
            "outputs": str(folder / f"{made.path.name}.npz"),
        }
        for made in zoo
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    lines = finished(
        run(request.param, HERE / "on_board.py", "run", folder / "jobs.json", folder=folder)
    )
    assert len(lines) == len(jobs)
    return [dict(np.load(job["outputs"])) for job in jobs]


def test_8_bit_codes_are_those_of_this_machine(zoo, computed):
    compared = 0
    for made, found in zip(zoo, computed, strict=True):
        if made.scheme != "static_w8a8" or made.path.suffix != ".tflite":
            continue
        for name, wanted in made.outputs.items():
            apart = np.abs(wanted.astype(int) - found[name].astype(int))
            assert apart.max() <= 1, (made.path.name, name)
            assert (apart == 0).mean() >= SAME_CODES, (made.path.name, name)
            compared += apart.size
    assert compared


def test_classes_are_those_of_this_machine(zoo, computed):
    for made, found in zip(zoo, computed, strict=True):
        assert set(found) == set(made.outputs)
        for name, wanted in made.outputs.items():
            same = (wanted.argmax(-1) == found[name].argmax(-1)).mean()
            assert same >= SAME_CLASSES, (made.path.name, name, same)


def test_float_logits_differ_by_rounding(zoo, computed):
    for made, found in zip(zoo, computed, strict=True):
        if made.scheme != "fp32":
            continue
        for name, wanted in made.outputs.items():
            # Some hundred layers of sums, each rounded to 2**-24 of its terms.
            largest = np.abs(wanted).max()
            assert np.abs(wanted - found[name]).max() <= 2e-5 * largest, (made.path.name, name)


def test_every_command_says_what_it_does(tmp_path):
    lines = finished(run(PROCESSORS[0], HERE / "on_board.py", "help", folder=tmp_path))
    assert {"deploy.demo", "deploy.ros", "engine", "bench"} <= set(lines)


def test_the_demo_draws_the_same_pictures(zoo, tmp_path):
    made = next(m for m in zoo if m.scheme == "static_w8a8" and m.path.suffix == ".tflite")
    rng = np.random.default_rng(0)
    source = tmp_path / "views"
    source.mkdir()
    rgb = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    depth = np.kron(rng.integers(800, 4000, (6, 8)), np.ones((16, 16))).astype(np.uint16)
    Image.fromarray(rgb).save(source / "a_rgb.png")
    Image.fromarray(depth).save(source / "a_depth.png")
    words = ["-m", "deploy.demo", "--artifact", made.path, "--source", f"frames:{source}", "--out"]
    finished(run(PROCESSORS[1], *words, tmp_path / "arm", folder=tmp_path))
    from deploy.demo.__main__ import main

    assert main([*map(str, words[2:]), str(tmp_path / "here")]) == 0
    pictures = [np.array(Image.open(tmp_path / name / "a.png")) for name in ("arm", "here")]
    # The font's edges are drawn in floats.
    assert (pictures[0] == pictures[1]).mean() > 0.999
    assert sys.version_info >= (3, 11)
