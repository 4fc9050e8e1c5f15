"""Folders of pairs: both ways to name files, and every way in which they can be wrong."""

import cv2
import numpy as np
import pytest
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.data.frames import FrameViews
from cen_keras.data.labels import NYU13_CLASSES
from cen_keras.errors import InputError


def colour(shape=(6, 8)):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def depth(shape=(6, 8), value=2000):
    counts = np.full(shape, value, np.uint16)
    counts[0, 0], counts[0, 1] = 0, 65535
    return counts


def write(root, name="a", rgb=None, counts=None, label=None, folders=True):
    """Writes one frame (arrays are RGB) and returns its files."""
    rgb = colour() if rgb is None else rgb
    pictures = {"rgb": rgb[..., ::-1], "depth": depth() if counts is None else counts}
    if label is not None:
        pictures["label"] = label
    files = {}
    for kind, picture in pictures.items():
        path = root / kind / f"{name}.png" if folders else root / f"{name}_{kind}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        cv2.imwrite(str(path), picture)
        files[kind] = path
    return files


@pytest.mark.parametrize("folders", [True, False])
def test_a_pair_is_read_as_it_was_written(tmp_path, folders):
    label = np.arange(48, dtype=np.uint8).reshape(6, 8) % 13
    label[5, 7] = 255
    write(tmp_path, label=label, folders=folders)
    write(tmp_path, "b", label=label, folders=folders)
    views = FrameViews(tmp_path, classes=NYU13_CLASSES)
    assert len(views) == 2 and views.source(1).endswith(("b.png", "b_rgb.png"))
    view = views[0]
    np.testing.assert_array_equal(view["rgb"], colour())
    np.testing.assert_array_equal(view["label"], label)
    assert view["depth"].dtype == np.float32
    assert view["depth"][0, 0] == view["depth"][0, 1] == 0
    # 2000 and 0.001 in float32 are exact to 6e-8.
    np.testing.assert_allclose(view["depth"][1:], 2.0, rtol=1e-6)


def test_the_scale_and_the_size_are_heeded(tmp_path):
    write(tmp_path, counts=depth(value=10000))
    view = open_dataset(
        {"name": "frames", "root": str(tmp_path), "depth_scale": 0.0002, "size": [3, 4]}, "test"
    )[0]
    assert view["rgb"].shape == (3, 4, 3) and view["depth"].shape == (3, 4)
    np.testing.assert_allclose(view["depth"][1:], 2.0, rtol=1e-6)


def test_labels_with_a_palette_are_numbers(tmp_path):
    files = write(tmp_path, label=np.zeros((6, 8), np.uint8))
    numbers = np.full((6, 8), 7, np.uint8)
    numbers[0] = 2
    picture = Image.fromarray(numbers, "P")
    picture.putpalette([200, 100, 50] * 256)
    picture.save(files["label"])
    views = FrameViews(tmp_path, classes=NYU13_CLASSES)
    np.testing.assert_array_equal(views[0]["label"], numbers)


def fails(root, *parts, **options):
    with pytest.raises(InputError) as caught:
        FrameViews(root, **options)[0]
    for words in parts:
        assert words in str(caught.value)


def test_eight_bit_depth(tmp_path):
    files = write(tmp_path, counts=np.full((6, 8), 90, np.uint8))
    fails(tmp_path, str(files["depth"]), "8 bits", "16-bit PNG")


def test_depth_in_colours(tmp_path):
    write(tmp_path, counts=colour())
    fails(tmp_path, "3 channels")


@pytest.mark.parametrize(
    ("value", "scale", "proposed"), [(13000, 0.01, "0.0002"), (190, 0.001, "0.01 ")]
)
def test_an_impossible_scale_is_met_with_a_proposal(tmp_path, value, scale, proposed):
    write(tmp_path, counts=depth(value=value))
    fails(tmp_path, "median depth", proposed, "depth_limits", depth_scale=scale)


def test_depth_that_is_missing_everywhere_is_said_and_no_error(tmp_path, caplog):
    write(tmp_path, counts=np.zeros((6, 8), np.uint16))
    assert (FrameViews(tmp_path)[0]["depth"] == 0).all()
    assert "depth is missing in every pixel" in caplog.text


def test_sizes_that_differ(tmp_path):
    write(tmp_path, rgb=colour((12, 17)))
    fails(tmp_path, "is 8x6", "17x12", "registered")


@pytest.mark.parametrize("kind", ["rgb", "depth"])
def test_a_cut_off_file(tmp_path, kind):
    files = write(tmp_path)
    files[kind].write_bytes(files[kind].read_bytes()[:-15])
    fails(tmp_path, str(files[kind]), "cut off")
    files[kind].write_bytes(b"")
    fails(tmp_path, "is empty")


def test_a_cut_off_jpeg(tmp_path):
    files = write(tmp_path)
    files["rgb"].unlink()
    path = files["rgb"].with_suffix(".jpg")
    cv2.imwrite(str(path), colour((64, 64)))
    path.write_bytes(path.read_bytes()[:-200])
    fails(tmp_path, "a.jpg", "cut off")


def test_a_missing_partner(tmp_path):
    write(tmp_path)
    files = write(tmp_path, "b")
    files["depth"].unlink()
    fails(tmp_path, "1 of 4 files", "b has no depth")


def test_a_missing_label(tmp_path):
    write(tmp_path, label=np.zeros((6, 8), np.uint8))
    write(tmp_path, "b")
    fails(tmp_path, "b has no label", classes=("a", "b"))


def test_two_files_of_one_frame(tmp_path):
    files = write(tmp_path)
    cv2.imwrite(str(files["rgb"].with_suffix(".jpg")), colour())
    fails(tmp_path, "same frame")


def test_labels_that_are_no_classes(tmp_path):
    write(tmp_path, label=np.full((6, 8), 40, np.uint8))
    fails(tmp_path, "found label 40", "0..12", classes=NYU13_CLASSES)


def test_folders_that_hold_nothing(tmp_path):
    fails(tmp_path, "holds no views", "NAME_depth.png")
    fails(tmp_path / "nowhere", "is not a folder")
    fails(tmp_path, "above 0", depth_scale=0)
    with pytest.raises(InputError, match='no "root"'):
        open_dataset({"name": "frames"}, "val")


@pytest.mark.parametrize(
    ("spec", "split", "message"),
    [
        ({"name": "kitchen"}, "train", "choose one of"),
        ({"name": "rooms"}, "dev", "train, val or test"),
        ({"name": "rooms", "sead": 3}, "train", "'sead'"),
        ({"name": "rooms", "train": 0}, "train", "a whole number from 1"),
    ],
)
def test_specs_that_make_no_sense(spec, split, message):
    with pytest.raises(InputError, match=message):
        open_dataset(spec, split)


def test_rooms_open_from_a_spec():
    views = open_dataset({"name": "rooms", "seed": 3, "size": [12, 16], "val": 5}, "val")
    assert len(views) == 5 and views[0]["label"].shape == (12, 16)
    assert len(views.classes) == len(views.palette) == 13
