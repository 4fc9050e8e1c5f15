"""NYU Depth V2: the labelled .mat in its true format, the PNG layout, and what can be wrong."""

import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from cen_keras.data import nyudv2
from cen_keras.data.datasets import open_dataset
from cen_keras.data.nyudv2 import NYU40_CLASSES, class_table, label_lookup, official_split
from cen_keras.data.pair_lists import centre_crop, read_list
from cen_keras.errors import InputError

REAL = Path(__file__).parents[3] / "shared" / "real" / "nyuv2"
HEIGHT, WIDTH = 6, 8


def write_mat(path, names=("book", "wall", "bed"), count=1449, **changes):
    """Writes a file as MATLAB does: every axis order reversed, names behind references."""
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (count, 3, WIDTH, HEIGHT), dtype=np.uint8),
        "depths": rng.uniform(1, 9, (count, WIDTH, HEIGHT)).astype(np.float32),
        "labels": rng.integers(0, len(names) + 1, (count, WIDTH, HEIGHT), dtype=np.uint16),
    }
    arrays["rawDepths"] = arrays["depths"] * (rng.random((count, WIDTH, HEIGHT)) < 0.7)
    arrays |= changes
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                file[name] = array
        references = []
        for index, name in enumerate(names):
            codes = np.array([[ord(letter)] for letter in name], np.uint16)
            references.append(file.create_dataset(f"#refs#/{index}", data=codes).ref)
        file.create_dataset("names", data=np.array([references], h5py.ref_dtype))
    return arrays


@pytest.fixture(scope="module")
def mat(tmp_path_factory):
    path = tmp_path_factory.mktemp("nyu") / "labeled.mat"
    return path, write_mat(path)


@pytest.mark.parametrize(("classes", "wanted"), [(40, (39, 0, 3)), (13, (6, 11, 0))])
def test_the_mat_is_read_with_its_axes_turned_and_its_labels_mapped(mat, classes, wanted):
    path, arrays = mat
    spec = {"name": "nyudv2", "mat": str(path), "classes": classes, "crop": None}
    train, val = (open_dataset(spec, split) for split in ("train", "val"))
    assert (len(train), len(val), len(train.classes)) == (795, 654, classes)
    view, place = train[1], 3  # The second training picture is number 4.
    assert train.source(1).endswith("picture 4")
    for row, column in ((0, 0), (5, 7), (2, 3)):
        np.testing.assert_array_equal(
            view["rgb"][row, column], arrays["images"][place, :, column, row]
        )
        assert view["depth"][row, column] == arrays["depths"][place, column, row]
        number = arrays["labels"][place, column, row]
        assert view["label"][row, column] == (255, *wanted)[number]
    assert view["depth"].dtype == np.float32 and view["label"].dtype == np.uint8


def test_raw_depth_and_crop(mat):
    path, arrays = mat
    spec = {"name": "nyudv2", "mat": str(path), "depth": "raw", "crop": [4, 5]}
    view = open_dataset(spec, "val")[0]
    # (6 - 4) / 2 = 1 row and (8 - 5) / 2 = 1.5 columns: one is cut in front, two behind.
    np.testing.assert_array_equal(view["depth"], arrays["rawDepths"][0].T[1:5, 1:6])
    assert view["rgb"].shape == (4, 5, 3) and view["label"].shape == (4, 5)


def test_the_official_centre_crop_begins_at_row_6_and_column_7():
    rows, columns = np.mgrid[:480, :640]
    cut = centre_crop(np.stack([rows, columns], -1), nyudv2.OFFICIAL_MASK_SIZE, "x")
    assert cut.shape[:2] == (468, 625) and tuple(cut[0, 0]) == (6, 7)


def test_the_mapping_is_whole():
    table = class_table()
    assert len(table) == 894
    assert {row[40] for row in table.values()} == set(range(40))
    assert {row[13] for row in table.values()} == set(range(13))
    # The 40 go to the 13 as whole classes.
    assert len({(row[40], row[13]) for row in table.values()}) == 40
    split = official_split()
    assert sorted(split["train"] + split["val"]) == list(range(1, 1450))
    assert len(split["train"]) == 795


@pytest.mark.skipif(not REAL.is_dir(), reason="the official files are not here")
def test_mapping_and_split_equal_the_official_files():
    io = pytest.importorskip("scipy.io")
    official = io.loadmat(REAL / "classMapping40.mat")
    names = [str(name[0]) for name in official["allClassName"][0]]
    assert [str(name[0]) for name in official["className"][0]] == list(NYU40_CLASSES)
    lookup = label_lookup(names, 40, "x")
    np.testing.assert_array_equal(lookup[1:], official["mapClass"][0] - 1)
    to13 = io.loadmat(REAL / "class13Mapping.mat")["classMapping13"][0, 0][0].ravel()
    np.testing.assert_array_equal(
        label_lookup(names, 13, "x")[1:], to13[official["mapClass"][0] - 1] - 1
    )
    split = io.loadmat(REAL / "splits.mat")
    assert official_split()["train"] == tuple(split["trainNdxs"].ravel())
    assert official_split()["val"] == tuple(split["testNdxs"].ravel())
    for name in ("train", "val"):
        lines = (REAL / f"cen_{name}.txt").read_text().splitlines()
        assert [int(line[4:10]) for line in lines] == list(official_split()[name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "has no 'labels' of 3 axes, so it is not the labelled data set"),
        ({"rawDepths": None}, "has no 'rawDepths'"),
        ({"names": ("book", "spaceship")}, "1 of its 2 class names are none of the 894"),
        ({"count": 20}, "has 20 pictures, the official split names"),
        ({"depths": np.ones((1449, 5, 5), np.float32)}, "do not fit each other"),
    ],
)
def test_another_mat_is_refused(tmp_path, changes, message):
    write_mat(tmp_path / "other.mat", **changes)
    with pytest.raises(InputError, match=message):
        open_dataset({"name": "nyudv2", "mat": str(tmp_path / "other.mat")}, "train")


def test_a_cut_or_foreign_mat_is_refused(tmp_path, mat):
    cut = tmp_path / "cut.mat"
    cut.write_bytes(mat[0].read_bytes()[:100_000])
    with pytest.raises(InputError, match="cut.mat: is damaged, cut off or no MATLAB 7.3 file"):
        open_dataset({"name": "nyudv2", "mat": str(cut)}, "train")
    with pytest.raises(FileNotFoundError, match="download nyu_depth_v2_labeled.mat"):
        open_dataset({"name": "nyudv2", "mat": str(tmp_path / "none.mat")}, "train")


def test_a_label_without_a_name_is_an_error(tmp_path):
    write_mat(tmp_path / "x.mat", labels=np.full((1449, WIDTH, HEIGHT), 900, np.uint16))
    views = open_dataset({"name": "nyudv2", "mat": str(tmp_path / "x.mat")}, "train")
    with pytest.raises(InputError, match="picture 3: has label 900, but the file names 3 classes"):
        views[0]


def write_layout(root, count=3, bits=np.uint16, label=39):
    """Writes the official PNG layout with both lists."""
    rng = np.random.default_rng(1)
    lines = []
    for number in range(1, count + 1):
        name = f"{number:06d}.png"
        mask = np.full((HEIGHT - 2, WIDTH - 3), label, np.uint8)
        mask[0, 0] = 255
        pictures = {
            "rgb": rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
            "masks": mask,
            "depth": np.full((HEIGHT, WIDTH), 200 if bits is np.uint8 else 10000, bits),
        }
        for folder, picture in pictures.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / folder / name), picture)
        lines.append("\t".join(f"{folder}/{name}" for folder in pictures))
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return {"name": "nyudv2", "root": str(root)}


def test_the_png_layout_is_cut_to_its_masks(tmp_path):
    views = open_dataset(write_layout(tmp_path), "train")
    view = views[2]
    rgb = cv2.imread(str(tmp_path / "rgb" / "000003.png"))[..., ::-1]
    np.testing.assert_array_equal(view["rgb"], rgb[1:5, 1:6])
    assert view["label"][0, 0] == 255 and view["label"][1, 1] == 39
    # 10000 counts of 1/5000 m; both numbers are exact in float32 to 6e-8.
    np.testing.assert_allclose(view["depth"], np.full((4, 5), 2.0), rtol=1e-6)
    assert len(views.classes) == 40 and views.source(2).endswith("rgb/000003.png")


def test_masks_of_40_classes_are_read_as_13(tmp_path):
    spec = write_layout(tmp_path, label=39)
    fine = open_dataset(spec, "train")
    coarse = open_dataset({**spec, "classes": 13, "mask_classes": 40}, "train")
    assert len(coarse.classes) == 13
    for index in range(len(fine)):
        names = [[*NYU40_CLASSES, "-"][min(n, 40)] for n in fine[index]["label"].ravel()]
        others = [[*coarse.classes, "-"][min(n, 13)] for n in coarse[index]["label"].ravel()]
        # Two of the pairs that anybody would expect, and what is ignored.
        pairs = {"otherprop": "Objects", "-": "-", "door": "Wall"}
        assert all(
            pairs[name] == other for name, other in zip(names, others, strict=True) if name in pairs
        )
    assert (coarse[2]["label"] == 255).sum() == (fine[2]["label"] == 255).sum() > 0
    for wrong in ({"mask_classes": 13}, {"classes": 13, "mask_classes": 894}):
        with pytest.raises(InputError, match="masks of 40 classes can be read as 13"):
            open_dataset({**spec, **wrong}, "train")


def test_a_list_that_points_nowhere_says_how_many_and_which(tmp_path):
    spec = write_layout(tmp_path, count=4)
    shutil.rmtree(tmp_path / "depth")
    (tmp_path / "rgb" / "000001.png").unlink()
    (tmp_path / "rgb" / "000002.png").unlink()
    with pytest.raises(
        InputError, match=r"train.txt: 6 files that it names are not there"
    ) as caught:
        open_dataset(spec, "train")
    assert str(caught.value).count("line ") == 5 and "line 1: " in str(caught.value)
    with pytest.raises(InputError, match="none.txt: is missing"):
        open_dataset(spec | {"val_list": "none.txt"}, "val")


def test_a_line_of_other_columns_is_an_error(tmp_path):
    write_layout(tmp_path)
    (tmp_path / "train.txt").write_text("rgb/000001.png depth/000001.png\n")
    with pytest.raises(InputError, match="line 1: has 1 columns, must have three with tabs"):
        read_list(tmp_path, tmp_path / "train.txt")


def test_depth_of_8_bits_and_labels_out_of_range_are_errors(tmp_path):
    views = open_dataset(write_layout(tmp_path / "a", bits=np.uint8), "train")
    with pytest.raises(InputError, match="depth/000001.png: has 8 bits, must have 16"):
        views[0]
    views = open_dataset(write_layout(tmp_path / "b", label=40), "train")
    with pytest.raises(InputError, match="masks/000001.png: found label 40; must be 0..39"):
        views[0]


def test_a_mask_larger_than_its_picture_is_an_error(tmp_path):
    views = open_dataset(write_layout(tmp_path), "train")
    cv2.imwrite(str(tmp_path / "masks" / "000001.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(InputError, match="is 8x6, smaller than its mask of 9x9"):
        views[0]


@pytest.mark.parametrize("spec", [{}, {"mat": "a", "root": "b"}, {"root": "b", "classes": 7}])
def test_specs_that_do_not_fit(spec):
    with pytest.raises(InputError, match="give either|there are mappings"):
        open_dataset({"name": "nyudv2", **spec}, "train")


@pytest.mark.parametrize("kind", ["rgb", "masks", "depth"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_corrupt_picture_is_named(tmp_path, kind, damage):
    views = open_dataset(write_layout(tmp_path), "train")
    path = tmp_path / kind / "000002.png"
    whole = path.read_bytes()
    middle = whole.index(b"IDAT") + 10
    flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    path.write_bytes({"cut": whole[:middle], "flipped": flipped, "emptied": b""}[damage])
    with pytest.raises(InputError, match=f"{kind}/000002.png: is (damaged|empty|cut off)"):
        views[1]
    assert views[0]["rgb"].shape == views[2]["rgb"].shape
