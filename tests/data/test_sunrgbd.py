"""SUN RGB-D: the published tree with its rotated bits, seg.mat and split, and the PNG layout."""

import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from cen_keras.data.datasets import open_dataset
from cen_keras.data.sunrgbd import (
    SUN37_CLASSES,
    class_of,
    decode_depth,
    read_rotated_depth,
    read_segmentation,
)
from cen_keras.errors import InputError

io = pytest.importorskip("scipy.io")
REAL = Path(__file__).parents[3] / "shared" / "real" / "sunrgbd" / "img_0063"
NAMES = ("wall", "night stand", "Shower-Curtain", "pile of shoes")


def rotate(millimetres):
    """The stored form: the inverse of what the reader does, bit by bit."""
    value = np.asarray(millimetres, np.uint32)
    return (((value << 3) & 0xFFFF) | (value >> 13)).astype(np.uint16)


def cells(strings):
    array = np.empty((1, len(strings)), object)
    array[0] = strings
    return array


def write_frame(folder, seed=0, size=(6, 8)):
    """Writes one frame as published and returns (rgb, millimetres, numbers)."""
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    millimetres = rng.integers(500, 12000, size)
    millimetres[0, 0] = 0
    numbers = rng.integers(0, len(NAMES) + 1, size, dtype=np.uint16)
    for name in ("image", "depth", "depth_bfx"):
        (folder / name).mkdir(parents=True)
    cv2.imwrite(str(folder / "image" / "0001.png"), rgb[..., ::-1])
    cv2.imwrite(str(folder / "depth_bfx" / "0001.png"), rotate(millimetres))
    holes = np.where(rng.random(size) < 0.3, 0, millimetres)
    cv2.imwrite(str(folder / "depth" / "0001.png"), rotate(holes))
    io.savemat(folder / "seg.mat", {"seglabel": numbers, "names": cells(NAMES)})
    return rgb, millimetres, numbers, holes


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "SUNRGBD"
    frames = {name: write_frame(root / name, i) for i, name in enumerate(("kv1/a", "xtion/b/c"))}
    toolbox = tmp_path / "SUNRGBDtoolbox" / "traintestSUNRGBD"
    toolbox.mkdir(parents=True)
    there = "/n/fs/sun3d/data/SUNRGBD/"
    io.savemat(
        toolbox / "allsplit.mat",
        {"alltrain": cells([there + "kv1/a"]), "alltest": cells([there + "xtion//b/c/"])},
    )
    return root, frames


def test_a_frame_of_the_tree_is_read_as_it_was_written(tree):
    root, frames = tree
    spec = {"name": "sunrgbd", "raw": str(root)}
    train, val = (open_dataset(spec, split) for split in ("train", "val"))
    assert train.folders == ["kv1/a"] and val.folders == ["xtion/b/c"]
    assert train.classes == SUN37_CLASSES and len(SUN37_CLASSES) == 37
    for views, (rgb, millimetres, numbers, holes) in zip(
        (train, val), frames.values(), strict=True
    ):
        view = views[0]
        np.testing.assert_array_equal(view["rgb"], rgb)
        # Both sides divide the same whole numbers in float32 and float64: 6e-8 apart at most.
        np.testing.assert_allclose(view["depth"], np.minimum(millimetres / 1000, 8), rtol=1e-6)
        np.testing.assert_array_equal(view["label"], np.array([255, 0, 31, 27, 255])[numbers])
        raw = open_dataset(spec | {"depth": "raw"}, "train" if views is train else "val")[0]
        np.testing.assert_allclose(raw["depth"], np.minimum(holes / 1000, 8), rtol=1e-6)


def test_every_depth_survives_the_rotation():
    millimetres = np.arange(65536)
    decoded = decode_depth(rotate(millimetres))
    np.testing.assert_allclose(decoded, np.minimum(millimetres / 1000, 8), rtol=1e-6)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real frame is not here")
def test_a_real_frame_lies_where_an_office_does():
    raw, filled = (
        read_rotated_depth(REAL / name / "img_0063_abs.png") for name in ("depth", "depth_bfx")
    )
    assert raw.shape == filled.shape == (427, 561)
    assert 0.5 < np.median(filled) < 4 and filled.min() > 0.5
    measured = raw > 0
    assert 0.5 < measured.mean() < 1
    # Filling in changes what was measured little: read wrongly, neither would hold.
    assert np.median(np.abs(raw - filled)[measured]) < 0.05


def test_a_segmentation_of_matlab_7_3_is_read_alike(tmp_path):
    numbers = np.array([[0, 1, 2], [3, 4, 1]], np.uint16)
    with h5py.File(tmp_path / "seg.mat", "w") as file:
        file["seglabel"] = numbers.T
        references = [
            file.create_dataset(f"#refs#/{i}", data=np.array([[ord(c)] for c in name], "u2")).ref
            for i, name in enumerate(NAMES)
        ]
        file.create_dataset("names", data=np.array([references], h5py.ref_dtype).T)
    np.testing.assert_array_equal(
        read_segmentation(tmp_path / "seg.mat"), [[255, 0, 31], [27, 255, 0]]
    )


def test_names_are_compared_without_their_spelling():
    assert [class_of(n) for n in ("floor mat", " TV ", "night_stand", "sofas")] == [19, 24, 31, 255]


def test_what_is_not_there_is_named(tree, tmp_path):
    root, _ = tree
    spec = {"name": "sunrgbd", "raw": str(root)}
    (root / "kv1/a/seg.mat").unlink()
    with pytest.raises(FileNotFoundError, match="kv1/a/seg.mat: is missing"):
        open_dataset(spec, "train")[0]
    shutil.rmtree(root / "kv1")
    with pytest.raises(InputError, match="1 of 1 folders .* are not in .*kv1/a"):
        open_dataset(spec, "train")
    shutil.rmtree(tmp_path / "SUNRGBDtoolbox")
    with pytest.raises(FileNotFoundError, match="found no allsplit.mat"):
        open_dataset(spec, "train")
    with pytest.raises(InputError, match='give either "raw"'):
        open_dataset({"name": "sunrgbd"}, "train")


def test_damaged_files_are_named(tree):
    root, _ = tree
    views = open_dataset({"name": "sunrgbd", "raw": str(root)}, "train")
    frame = root / "kv1/a"
    cv2.imwrite(str(frame / "depth_bfx/0001.png"), np.full((6, 8), 9, np.uint8))
    with pytest.raises(InputError, match="depth_bfx/0001.png: has 8 bits"):
        views[0]
    cv2.imwrite(str(frame / "depth_bfx/0001.png"), np.full((5, 8), 9, np.uint16))
    with pytest.raises(InputError, match="kv1/a: sizes differ"):
        views[0]
    whole = (frame / "seg.mat").read_bytes()
    (frame / "seg.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="seg.mat: is damaged or no MATLAB file"):
        views[0]
    io.savemat(frame / "seg.mat", {"names": cells(NAMES)})
    with pytest.raises(InputError, match="has no variable 'seglabel'"):
        views[0]
    io.savemat(frame / "seg.mat", {"seglabel": np.array([[9]]), "names": cells(NAMES)})
    with pytest.raises(InputError, match="has number 9, but 4 names"):
        views[0]


def write_toolbox(folder, numbers, uneven=False):
    """The toolbox's two files, for frames in the order kv1/a, xtion/b/c."""
    folder.mkdir(parents=True)
    paths = [f"/n/fs/sun3d/data/SUNRGBD/{name}/image/0001.jpg" for name in ("kv1/a", "xtion/b/c")]
    meta = np.zeros((1, len(paths)), [("sequenceName", object), ("rgbpath", object)])
    for index, path in enumerate(paths):
        meta[0, index] = ("SUNRGBD/", path)
    io.savemat(folder / "SUNRGBDMeta.mat", {"SUNRGBDMeta": meta})
    with h5py.File(folder / "SUNRGBD2Dseg.mat", "w") as file:
        # As MATLAB writes a struct array: a dataset of references for each field.
        references = [
            [file.create_dataset(f"#refs#/{index}", data=number.T).ref]
            for index, number in enumerate(numbers[: 1 if uneven else None])
        ]
        file.create_dataset("SUNRGBD2Dseg/seglabel", data=np.array(references, h5py.ref_dtype))


def test_the_benchmarks_labels_are_read_and_said(tree):
    root, frames = tree
    numbers = [np.arange(48).reshape(6, 8).astype(np.uint16) % 38, np.full((6, 8), 37, np.uint16)]
    write_toolbox(root.parent / "SUNRGBDtoolbox" / "Metadata", numbers)
    spec = {"name": "sunrgbd", "raw": str(root)}
    own = {split: open_dataset(spec, split) for split in ("train", "val")}
    for split, wanted in zip(("train", "val"), numbers, strict=True):
        views = open_dataset({**spec, "labels": "toolbox"}, split)
        label = views[0]["label"]
        # 1 is the first class, "wall"; 0 nobody labelled.
        np.testing.assert_array_equal(label, np.where(wanted == 0, 255, wanted.astype(int) - 1))
        np.testing.assert_array_equal(views[0]["depth"], own[split][0]["depth"])
        assert "SUNRGBD2Dseg.mat" in views.label_source
        assert own[split].label_source == "seg.mat of each frame"


def test_a_toolbox_that_does_not_fit_is_named(tree):
    root, _ = tree
    spec = {"name": "sunrgbd", "raw": str(root), "labels": "toolbox"}
    with pytest.raises(FileNotFoundError, match="found no SUNRGBD2Dseg.mat"):
        open_dataset(spec, "train")
    folder = root.parent / "other"
    numbers = [np.full((6, 8), 38, np.uint16)] * 2
    write_toolbox(folder, numbers)
    spec["labels"] = str(folder / "SUNRGBD2Dseg.mat")
    with pytest.raises(InputError, match="kv1/a has the number 38; wanted 0 to 37"):
        open_dataset(spec, "train")[0]
    (folder / "SUNRGBDMeta.mat").unlink()
    with pytest.raises(FileNotFoundError, match="SUNRGBDMeta.mat: is missing"):
        open_dataset(spec, "train")
    shutil.rmtree(folder)
    write_toolbox(folder, numbers, uneven=True)
    with pytest.raises(InputError, match="has 1 frames, SUNRGBDMeta.mat 2"):
        open_dataset(spec, "train")
    (folder / "SUNRGBD2Dseg.mat").write_bytes(b"MATLAB 7.3 cut off")
    with pytest.raises(InputError, match="is damaged or no SUNRGBD2Dseg.mat"):
        open_dataset(spec, "train")
