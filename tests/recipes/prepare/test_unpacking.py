"""Unpacking: what is written reads back as the source, a stop costs nothing, sums find changes."""

import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from cen_keras.data.datasets import open_dataset
from recipes.prepare import nyudv2, sunrgbd, unpacking

pytest.importorskip("scipy.io")
DATA_TESTS = Path(__file__).parents[2] / "data"


def _load(name):
    """The writers of files in their true formats stand beside the readers' tests."""
    spec = importlib.util.spec_from_file_location(f"writer_{name}", DATA_TESTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


nyu_files, sun_files = _load("test_nyudv2"), _load("test_sunrgbd")
tree = sun_files.tree


@pytest.fixture
def mat(tmp_path, monkeypatch):
    """The labelled file with five pictures in the split, so that few files are written."""
    from cen_keras.data import nyudv2 as reader

    monkeypatch.setattr(reader, "official_split", lambda: {"train": (3, 5), "val": (1, 2, 4)})
    nyu_files.write_mat(tmp_path / "labeled.mat", count=5)
    return tmp_path / "labeled.mat"


def printed(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_nyudv2_reads_back_as_the_mat(mat, tmp_path, capsys):
    out = tmp_path / "out"
    assert nyudv2.main([str(mat), "--out", str(out), "--whole"]) == 0
    assert "2 views to train, 3 to validate, 17 files" in printed(capsys)
    assert (out / "train.txt").read_text().splitlines() == [
        f"rgb/{n}.png\tmasks/{n}.png\tdepth/{n}.png" for n in ("000003", "000005")
    ]
    for split in ("train", "val"):
        direct = open_dataset({"name": "nyudv2", "mat": str(mat), "crop": None}, split)
        unpacked = open_dataset({"name": "nyudv2", "root": str(out)}, split)
        assert len(direct) == len(unpacked)
        for a, b in zip(direct, unpacked, strict=True):
            np.testing.assert_array_equal(a["rgb"], b["rgb"])
            np.testing.assert_array_equal(a["label"], b["label"])
            # Half a count of 1/5000 m, and float32's 6e-8 of up to 9 m.
            np.testing.assert_allclose(a["depth"], b["depth"], atol=1.01e-4)


def test_sunrgbd_reads_back_as_the_tree(tree, tmp_path, capsys):
    root, _ = tree
    out = tmp_path / "out"
    assert sunrgbd.main([str(root), "--out", str(out)]) == 0
    assert "1 views to train, 1 to validate, 8 files" in printed(capsys)
    assert (out / "val.txt").read_text().startswith("rgb/000001.png\t")
    for split in ("train", "val"):
        a = open_dataset({"name": "sunrgbd", "raw": str(root)}, split)[0]
        b = open_dataset({"name": "sunrgbd", "root": str(out)}, split)[0]
        np.testing.assert_array_equal(a["rgb"], b["rgb"])
        np.testing.assert_array_equal(a["label"], b["label"])
        # Millimetres are five counts exactly; float32 rounds to 6e-8 of at most 8 m.
        np.testing.assert_allclose(a["depth"], b["depth"], atol=1e-6)


def sums_of(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_stopped_unpacking_goes_on_and_ends_alike(mat, tmp_path, capsys, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = [str(mat), "--whole", "--out"]
    assert nyudv2.main([*arguments, str(whole)]) == 0

    written = []
    write = unpacking._write_missing

    def stop_after_two(out, frame, paths):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(write(out, frame, paths))
        return written[-1]

    monkeypatch.setattr(unpacking, "_write_missing", stop_after_two)
    assert nyudv2.main([*arguments, str(broken)]) == 130
    wanted = "interrupted; the same command goes on with the files that are not written yet"
    assert capsys.readouterr().err.splitlines()[-1] == wanted
    assert not json.loads((broken / "prepared.json").read_text())["complete"]
    assert not (broken / "train.txt").exists()
    monkeypatch.setattr(unpacking, "_write_missing", write)
    capsys.readouterr()
    assert nyudv2.main([*arguments, str(broken)]) == 0
    assert "9 written now" in printed(capsys)
    assert sums_of(whole) == sums_of(broken)


def test_sums_find_what_changed(mat, tmp_path, capsys):
    out = tmp_path / "out"
    command = [str(mat), "--whole", "--out", str(out)]
    assert nyudv2.main([*command, "--check"]) == 2
    assert nyudv2.main(command) == 0
    assert nyudv2.main([*command, "--check"]) == 0
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, path = line.split("  ")
        assert hashlib.sha256((out / path).read_bytes()).hexdigest() == digest
    (out / "rgb" / "000003.png").unlink()
    (out / "depth" / "000001.png").write_bytes(b"no")
    capsys.readouterr()
    assert nyudv2.main([*command, "--check"]) == 1
    assert "17 files, 1 missing, 1 changed rgb/000003.png, depth/000001.png" in printed(capsys)


def test_other_options_or_other_files_are_not_mixed(mat, tmp_path, capsys):
    out = tmp_path / "out"
    assert nyudv2.main([str(mat), "--whole", "--out", str(out)]) == 0
    assert nyudv2.main([str(mat), "--whole", "--depth", "raw", "--out", str(out)]) == 2
    assert "was made with depth 'filled', now it is 'raw'" in capsys.readouterr().err
    assert nyudv2.main([str(mat), "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err


def test_bad_sources_are_one_line(mat, tmp_path, tree, capsys):
    assert nyudv2.main([str(tmp_path / "none.mat"), "--out", str(tmp_path / "a")]) == 2
    mat.write_bytes(mat.read_bytes()[:5000])
    assert nyudv2.main([str(mat), "--out", str(tmp_path / "a")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("error: ") for line in lines)
    assert "damaged, cut off" in lines[1]

    root, _ = tree
    seg = root / "kv1/a/seg.mat"
    seg.write_bytes(seg.read_bytes()[:60])
    out = tmp_path / "b"
    assert sunrgbd.main([str(root), "--out", str(out)]) == 2
    assert "kv1/a/seg.mat: is damaged" in capsys.readouterr().err
    assert sunrgbd.main([str(root), "--out", str(out), "--bad-frames", "skip"]) == 0
    assert "0 views to train, 1 to validate" in printed(capsys)
    note = json.loads((out / "prepared.json").read_text())
    assert list(note["left_out"]) == ["000002"]
    shutil.rmtree(root)
    assert sunrgbd.main([str(root), "--out", str(out)]) == 2
    assert "give the SUNRGBD that holds kv1" in capsys.readouterr().err
