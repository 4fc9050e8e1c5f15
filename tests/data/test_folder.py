"""Folders of any modalities: names, labels, palettes, splits, sizes, and what does not fit."""

import shutil

import numpy as np
import pytest
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.data.folder import FolderViews
from cen_keras.data.folder_checks import check_apart, check_labelled
from cen_keras.data.frames import FrameViews
from cen_keras.data.loader import Loader
from cen_keras.data.survey.kinds import kinds_in
from cen_keras.errors import InputError
from cen_keras.modalities import Modality

SIZE = (12, 16)
CLASSES = ("floor", "ball", "box")


def write(root, folders, count=4, label=None, size=SIZE, suffix="png"):
    """Writes views; folders: name of a folder -> what is in it."""
    rng = np.random.default_rng(0)
    made = {
        "rgb": lambda: rng.integers(0, 256, (*size, 3), np.uint8),
        "depth": lambda: rng.integers(1500, 3000, size, np.uint16),
        "thermal": lambda: rng.integers(0, 256, size, np.uint8),
        "normals": lambda: rng.integers(0, 256, (*size, 3), np.uint8),
        "label": label or (lambda: rng.integers(0, 3, size, np.uint8)),
    }
    for folder, kind in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.fromarray(made[kind]()).save(root / folder / f"{index:04}.{suffix}")
    return root


@pytest.mark.parametrize(
    "modalities",
    [("rgb", "depth"), ("rgb", "thermal"), ("rgb", "depth", "normals"), ("depth",), ("nir", "rgb")],
)
def test_any_modalities_reach_the_net(tmp_path, modalities):
    folders = {name: {"nir": "thermal"}.get(name, name) for name in modalities}
    write(tmp_path, {**folders, "label": "label"})
    views = FolderViews(tmp_path, modalities, classes=CLASSES)
    assert set(views[0]) == {*modalities, "label"} and views.source(0).endswith("0000.png")
    inputs, label = Loader(views, 2, modalities=modalities, workers=0)[0]
    assert list(inputs) == list(modalities) and label.shape == (2, *SIZE)
    assert all(np.isfinite(x).all() for x in inputs.values())


@pytest.mark.parametrize(
    "colour, depth, label",
    [
        ("color", "depth", "labels"),
        ("colour", "depths", "masks"),
        ("images", "depth", "mask"),
        ("Image", "Depth", "Annotations"),
        ("img", "depth", "label"),
    ],
)
def test_usual_names_of_folders(tmp_path, colour, depth, label):
    write(tmp_path, {colour: "rgb", depth: "depth", label: "label"})
    assert set(FrameViews(tmp_path, classes=CLASSES)[3]) == {"rgb", "depth", "label"}


def test_own_names_endings_and_folders_inside(tmp_path):
    write(tmp_path, {"a/left/x": "rgb", "a/left/y": "rgb", "z16/x": "depth", "z16/y": "depth"})
    views = FrameViews(tmp_path, folders={"rgb": "a/left", "depth": "z16"})
    assert len(views) == 8 and views.source(7).endswith("y/0003.png")
    beside = tmp_path / "beside"
    write(beside, {"rgb": "rgb", "d": "depth"}, count=1)
    for kind in ("rgb", "d"):
        (beside / kind / "0000.png").rename(beside / f"one.1_{kind}.png")
        (beside / kind).rmdir()
    assert len(FrameViews(beside, folders={"depth": "_d"})) == 1


@pytest.mark.parametrize(
    "endings",
    [
        ("_img", "_img", "_img"),
        ("", "_depth", "_mask"),
        ("_rgb", "-depth", ""),
        ("_img_rgb", "_img", "_img_label"),
    ],
)
def test_an_ending_is_part_of_the_name_where_all_have_it(tmp_path, endings):
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"})
    for kind, ending in zip(("rgb", "depth", "label"), endings, strict=True):
        for path in sorted((tmp_path / kind).iterdir()):
            path.rename(path.with_name(f"{path.stem}{ending}.png"))
    views = FrameViews(tmp_path, classes=CLASSES)
    inside = "_img" if "_img" in endings else ""
    assert views.names == [f"000{number}{inside}" for number in range(4)]
    assert set(views[0]) == {"rgb", "depth", "label"}


def test_links_are_followed_and_hidden_files_are_not(tmp_path):
    """Folders elsewhere, one inside itself, and a link to nowhere, which is no picture less."""
    store, mine = tmp_path / "store", tmp_path / "mine"
    write(store, {"rgb": "rgb", "depth": "depth"}, count=2)
    for kind in ("rgb", "depth"):
        (mine / kind / ".trash").mkdir(parents=True)
        (mine / kind / "day1").symlink_to(store / kind, target_is_directory=True)
        (mine / kind / "again").symlink_to(mine / kind, target_is_directory=True)
        shutil.copy(store / kind / "0000.png", mine / kind / ".trash" / "0009.png")
        shutil.copy(store / kind / "0000.png", mine / kind / ".0008.png")
    views = FrameViews(mine)
    assert views.names == ["day1/0000", "day1/0001"]
    np.testing.assert_array_equal(views[1]["rgb"], FrameViews(store)[1]["rgb"])
    kinds, left = kinds_in(mine)
    assert [kind.name for kind in kinds] == ["rgb", "depth"] and not left
    (store / "depth" / "0001.png").unlink()
    (mine / "rgb" / "0002.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(InputError, match="0002 has no depth; day1/0001 has no depth"):
        FrameViews(mine)
    (mine / "depth" / "0002.png").symlink_to(tmp_path / "gone.png")
    (store / "rgb" / "0001.png").unlink()
    with pytest.raises(InputError, match="0002.png: no such image"):
        FrameViews(mine)[0]


def test_folders_of_names_that_nobody_reads_are_named(tmp_path, caplog):
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "left": "rgb"})
    with pytest.raises(InputError, match="folders has 'RGB', which is no modality.*rgb, depth and"):
        FrameViews(tmp_path, folders={"RGB": "left"})
    # What another net reads may stand there.
    assert len(FrameViews(tmp_path, folders={"thermal": "left", "rgb": "left"})) == 4
    assert not caplog.records
    assert len(FrameViews(tmp_path, folders={"polarised": "left"})) == 4
    assert "has 'polarised', which these views do not read" in caplog.text


def test_two_folders_of_one_modality_are_a_question(tmp_path):
    write(tmp_path, {"rgb": "rgb", "images": "rgb", "depth": "depth"})
    with pytest.raises(InputError, match='rgb/ and images/ may both be rgb.*folders {"rgb"'):
        FrameViews(tmp_path)
    assert len(FrameViews(tmp_path, folders={"rgb": "images"})) == 4


def test_what_a_folder_lacks_is_named_with_what_it_holds(tmp_path):
    write(tmp_path, {"rgb": "rgb", "thermal": "thermal"})
    with pytest.raises(InputError, match=r"holds no depth .*it holds rgb/, thermal/"):
        FrameViews(tmp_path)
    views = FolderViews(tmp_path, ("rgb", "thermal"))
    with pytest.raises(InputError, match="has no labels.*labels/, mask/"):
        check_labelled(views)
    (tmp_path / "thermal/0002.png").unlink()
    with pytest.raises(InputError, match="1 of 8 files have no partner: 0002 has no thermal"):
        FolderViews(tmp_path, ("rgb", "thermal"))


def binary(value, dtype=np.uint8):
    def make():
        label = np.zeros(SIZE, dtype)
        label[3:8, 4:9] = value
        return label

    return make


def test_masks_of_0_and_255(tmp_path):
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"}, label=binary(255))
    with pytest.raises(InputError, match="hold 'a' alone, and 255.*label map"):
        FrameViews(tmp_path, classes=("a", "b"))
    views = FrameViews(tmp_path, classes=("a", "b"), label_map={"255": 1})
    assert views[0]["label"].sum() == 25


def test_masks_of_0_and_255_saved_as_colours_or_beside_another_ignored_label(tmp_path):
    grey = lambda: np.repeat(binary(255)()[..., None], 3, axis=-1)  # noqa: E731
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"}, label=grey)
    with pytest.raises(InputError, match="hold 'a' alone, and 255.*label map"):
        FrameViews(tmp_path, classes=("a", "b"))
    assert FrameViews(tmp_path, classes=("a", "b"), label_map={"255": 1})[0]["label"].sum() == 25
    wanted = r'label 255; must be 0..1, or 254.*label_map {"255": 0}.*255 is ignored'
    with pytest.raises(InputError, match=wanted):
        FrameViews(tmp_path, classes=("a", "b"), ignore=254)


def test_masks_of_one_bit(tmp_path):
    folders = {"rgb": "rgb", "depth": "depth", "label": "label"}
    write(tmp_path, folders, label=binary(True, bool))
    label = FrameViews(tmp_path, classes=("a", "b"))[0]["label"]
    assert label.sum() == 25 and label.max() == 1


def test_labels_that_are_all_ignored(tmp_path):
    folders = {"rgb": "rgb", "depth": "depth", "label": "label"}
    write(tmp_path, folders, label=lambda: np.full(SIZE, 255, np.uint8))
    with pytest.raises(InputError, match="all 768 labelled pixels are 255"):
        FrameViews(tmp_path, classes=CLASSES)


@pytest.mark.parametrize("ignore", [0, 3, 254])
def test_any_ignored_label_and_maps_that_merge(tmp_path, ignore):
    def label():
        numbers = np.random.default_rng(1).integers(0, 3, SIZE).astype(np.uint8)
        numbers[:2] = ignore
        return numbers

    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"}, label=label)
    views = FrameViews(tmp_path, classes=CLASSES, ignore=ignore)
    assert (views[0]["label"][:2] == ignore).all()
    merged = FrameViews(
        tmp_path, classes=("floor", "thing"), ignore=ignore, label_map={"2": 1, "1": 1}
    )
    assert set(np.unique(merged[0]["label"])) <= {0, 1, ignore}
    for wrong in ({"a": 1}, {"1": 1e30}, [1], {"1": None}):
        with pytest.raises(InputError, match="label_map is"):
            FrameViews(tmp_path, classes=CLASSES, label_map=wrong)


def test_labels_in_colours(tmp_path):
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    write(
        tmp_path,
        {"rgb": "rgb", "depth": "depth", "label": "label"},
        label=lambda: table[np.random.default_rng(2).integers(0, 3, SIZE)],
    )
    views = FrameViews(
        tmp_path, classes=CLASSES, colours={"0,0,0": 0, "#ff0000": 1, (0, 0, 255): 2}
    )
    expected = np.random.default_rng(2).integers(0, 3, SIZE)
    np.testing.assert_array_equal(views[0]["label"], expected)
    with pytest.raises(InputError, match="'#ff00'"):
        FrameViews(tmp_path, classes=CLASSES, colours={"#ff00": 1})


def test_the_description_is_looked_at_as_a_whole(tmp_path):
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"})

    def fails(words, **options):
        with pytest.raises(InputError, match=words):
            FrameViews(tmp_path, **{"classes": CLASSES, **options})

    fails(r"shape \(2, 3\) for 3 classes", palette=[[1, 2, 3], [4, 5, 6]])
    fails("palette has the shape", palette=[[1, 2, 300]] * 3)
    fails("palette has the shape", palette=[[1, 2, 3], [4, 5]])
    fails("palette has the shape", palette="red")
    fails("'ball' comes twice", classes=("ball", "ball", "box"))
    fails("wanted a list of names", classes="floor")
    fails("wanted a list of names", classes=())
    fails("no classes are given.*0, 1, 2", classes=None)
    fails("300 classes; wanted 1 to 255", classes=tuple(map(str, range(300))))
    fails("'label' is what views have labels under", modalities=("rgb", "label"))
    fails("size is", size=[3])
    fails("size is", size=[0, 4])
    fails("depth_scale is", depth_scale="0.001")
    fails("depth_scale is nan", depth_scale=float("nan"))
    fails("limits is", depth_limits=[5, 1])
    fails("name each once", modalities=("rgb", "rgb"))
    views = FrameViews(tmp_path, classes=CLASSES, palette=np.eye(3, dtype=np.uint8) * 9)
    np.testing.assert_array_equal(views.palette, np.eye(3) * 9)


def test_splits_by_list_and_by_draw(tmp_path):
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"}, count=10)
    (tmp_path / "train.txt").write_text("0001\n0003.png\n\n# no view\n")
    spec = {"name": "frames", "root": str(tmp_path), "classes": list(CLASSES)}
    listed = open_dataset({**spec, "lists": {"train": "train.txt"}}, "train")
    assert [view["rgb"].name for view in listed.files] == ["0001.png", "0003.png"]
    fractions = {**spec, "fractions": {"train": 0.5, "val": 0.3, "test": 0.2}, "seed": 3}
    parts = [open_dataset(fractions, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [5, 3, 2]
    names = [view["rgb"].name for part in parts for view in part.files]
    assert len(set(names)) == 10
    again = open_dataset(fractions, "val")
    assert again.files == parts[1].files
    check_apart(parts[0], parts[1], "val")
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", {"rgb": "rgb", "depth": "depth", "label": "label"}, count=11)
    more = {**fractions, "root": str(tmp_path / "more")}
    val = {view["rgb"].name for view in open_dataset(more, "val").files}
    # The one that is added may be in it, and push one over either end.
    assert len(val & {view["rgb"].name for view in parts[1].files}) >= 2
    for bad, words in (
        ({"lists": {"train": "no.txt"}}, "cannot be read"),
        ({"fractions": {"train": 0.8, "val": 0.4}}, "1 in all"),
        ({"fractions": {"train": 1.0}, "lists": {"train": "train.txt"}}, "not both"),
    ):
        with pytest.raises(InputError, match=words):
            open_dataset({**spec, **bad}, "train")
    (tmp_path / "train.txt").write_text("0001\nother\n")
    with pytest.raises(InputError, match="'other'"):
        open_dataset({**spec, "lists": {"train": "train.txt"}}, "train")


def test_scoring_on_the_views_of_the_training_is_refused(tmp_path):
    write(tmp_path, {"rgb": "rgb", "depth": "depth", "label": "label"})
    spec = {"name": "frames", "root": str(tmp_path), "classes": list(CLASSES)}
    train, val = (open_dataset(spec, split) for split in ("train", "val"))
    with pytest.raises(InputError, match="4 of 4 views are; write {split}"):
        check_apart(train, val, "val")
    check_apart(train, val, "train")


def test_depth_of_another_size_is_scaled_and_said(tmp_path, caplog):
    write(tmp_path, {"rgb": "rgb"}, size=(24, 32))
    write(tmp_path, {"depth": "depth"})
    views = FrameViews(tmp_path)
    depth = views[0]["depth"]
    assert depth.shape == (24, 32) and "is 16x12, scaled to the 32x24" in caplog.text
    np.testing.assert_array_equal(depth[::2, ::2], depth[1::2, 1::2])
    caplog.clear()
    views[1]
    assert not caplog.text


def test_units_are_those_of_most_files(tmp_path):
    write(tmp_path, {"rgb": "rgb", "depth": "depth"}, count=5)
    far = np.full(SIZE, 12000, np.uint16)
    Image.fromarray(far).save(tmp_path / "depth/0002.png")
    assert FrameViews(tmp_path)[2]["depth"].max() == pytest.approx(12)
    for index in range(5):
        Image.fromarray(far).save(tmp_path / f"depth/{index:04}.png")
    with pytest.raises(InputError, match="12 m at 0.001.*0.0002 .*depth_limits"):
        FrameViews(tmp_path)
    assert FrameViews(tmp_path, depth_limits=(1, 80))[0]["depth"].max() == pytest.approx(12)
    lidar = Modality("depth", channels=1, unit="m", unit_per_count=0.001, limits=None)
    assert FolderViews(tmp_path, ("rgb", lidar))[0]["depth"].max() == pytest.approx(12)


def test_floats_of_millimetres_are_refused(tmp_path):
    write(tmp_path, {"rgb": "rgb"}, count=2)
    (tmp_path / "depth").mkdir()
    for index in range(2):
        Image.fromarray(np.full(SIZE, 2500, np.float32)).save(tmp_path / f"depth/{index:04}.tiff")
    with pytest.raises(InputError, match=r"2500 m as floats.*divide them by 1000.*depth_limits"):
        FrameViews(tmp_path)
    assert FrameViews(tmp_path, depth_limits=(500, 5000))[0]["depth"].max() == 2500
    # 25 m of a street are metres, and the limits can be changed.
    for index in range(2):
        Image.fromarray(np.full(SIZE, 25, np.float32)).save(tmp_path / f"depth/{index:04}.tiff")
    with pytest.raises(
        InputError, match="25 m as floats.*write them again in metres.*depth_limits"
    ):
        FrameViews(tmp_path)
    assert FrameViews(tmp_path, depth_limits=(1, 80))[0]["depth"].max() == 25


def test_floats_with_nan_are_missing_depth(tmp_path):
    write(tmp_path, {"rgb": "rgb"})
    (tmp_path / "depth").mkdir()
    metres = np.full(SIZE, 2.0, np.float32)
    metres[0] = np.nan
    for index in range(4):
        np.save(tmp_path / f"depth/{index:04}.npy", metres)
    depth = FrameViews(tmp_path)[0]["depth"]
    assert (depth[0] == 0).all() and (depth[1:] == 2).all()
