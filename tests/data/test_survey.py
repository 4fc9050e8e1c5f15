"""What a survey finds is what the folder was made of."""

import numpy as np
import pytest
from own_folders import CLASSES, write_views
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.data.survey import survey_folder
from cen_keras.data.survey.classes import survey_labels
from cen_keras.errors import InputError


@pytest.mark.parametrize("scale", [0.001, 0.0002, 0.000125])
def test_depth_is_in_metres_whatever_the_usual_unit(tmp_path, scale):
    written = write_views(tmp_path, 6, scale=scale)
    found = survey_folder(tmp_path, classes=CLASSES)
    assert found.units["depth"].scale == scale
    assert found.spec.get("depth_scale", 0.001) == scale
    metres = np.concatenate([v["depth"][v["depth"] > 0] * scale for v in written])
    # Five of six views, every fourth pixel: another sample of the same rooms.
    assert found.ranges["depth"][1] == pytest.approx(np.median(metres), rel=0.2)


def float_depth(root, factor):
    """Depth as TIFF of floats, metres times `factor`."""
    for path in sorted((root / "depth").glob("*.png")):
        metres = np.array(Image.open(path)) * np.float32(0.001)
        Image.fromarray(metres * np.float32(factor)).save(path.with_suffix(".tiff"))
        path.unlink()


def test_floats_are_metres_and_plain_millimetres_are_refused(tmp_path):
    for name in ("metres", "street", "millimetres"):
        write_views(tmp_path / name, 3)
    float_depth(tmp_path / "metres", 1)
    found = survey_folder(tmp_path / "metres", classes=CLASSES)
    assert found.units["depth"].scale is None and "depth_limits" not in found.spec
    assert "depth_scale" not in found.spec
    float_depth(tmp_path / "street", 10)
    low, high = survey_folder(tmp_path / "street", classes=CLASSES).spec["depth_limits"]
    assert low < 10 * found.ranges["depth"][1] < high
    float_depth(tmp_path / "millimetres", 1000)
    with pytest.raises(
        InputError, match=r"as floats are metres; .* divide them by 1000.*--depth-scale 1"
    ):
        survey_folder(tmp_path / "millimetres")
    with pytest.raises(InputError, match=r"--depth-scale 0.001 is for whole numbers.*by 0.001"):
        survey_folder(tmp_path / "millimetres", depth_scale=0.001)
    assert survey_folder(tmp_path / "millimetres", depth_scale=1.0).spec["depth_limits"][0] > 100


def test_classes_are_counted_over_all_views(tmp_path):
    written = write_views(tmp_path, 5)
    found = survey_folder(tmp_path, classes=CLASSES)
    labels = np.concatenate([view["label"].ravel() for view in written])
    assert found.pixels.tolist() == np.bincount(labels[labels != 255], minlength=5).tolist()
    assert found.ignored == (labels == 255).sum()
    assert found.splits == {"train": 4, "val": 1} and found.image_shape == (64, 96)
    assert [modality.name for modality in found.modalities] == ["rgb", "depth"]


def test_other_modalities_have_the_numbers_of_their_files(tmp_path):
    written = write_views(tmp_path / "train", 4, kinds=("thermal", "rgb"))
    write_views(tmp_path / "val", 2, "val", kinds=("thermal", "rgb"))
    (tmp_path / "train" / "notes").mkdir()
    Image.fromarray(written[0]["rgb"]).save(tmp_path / "train" / "notes" / "plan.png")
    found = survey_folder(tmp_path)
    rgb, thermal = found.modalities
    values = np.stack([view["thermal"] for view in written]).astype(float)
    # Told to four digits.
    assert thermal.mean == pytest.approx([values.mean()], rel=1e-3)
    assert thermal.std == pytest.approx([values.std()], rel=1e-3)
    assert (thermal.scale, thermal.jitter, rgb.scale) == (1.0, None, 1 / 255)
    assert found.left == ["notes"] and found.splits == {"train": 4, "val": 2}
    assert found.spec["root"].endswith("/{split}") and "fractions" not in found.spec
    assert found.spec["classes"] == tuple(f"class{number}" for number in range(5))


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_every_split_with_a_folder_is_used(tmp_path, name):
    write_views(tmp_path / "train", 3)
    write_views(tmp_path / name, 2, "val")
    written = write_views(tmp_path / "test", 4, "test")
    found = survey_folder(tmp_path)
    assert found.splits == {"train": 3, "val": 2, "test": 4} and found.how == "a folder each"
    counted = [len(open_dataset(found.spec, split)) for split in ("train", "val", "test")]
    assert counted == [3, 2, 4]
    view = open_dataset(found.spec, "test")[3]
    np.testing.assert_array_equal(view["rgb"], written[3]["rgb"])


def test_a_test_folder_without_validation_is_told_of(tmp_path):
    write_views(tmp_path / "train", 5)
    write_views(tmp_path / "test", 1, "test")
    found = survey_folder(tmp_path)
    assert found.splits == {"train": 4, "val": 1}
    assert "there is train/ but no val/, without which test/ is left out" in found.how
    for name in ("valid", "validation"):
        write_views(tmp_path / name, 1, "val")
    with pytest.raises(InputError, match="valid and .*validation: may both be val; rename"):
        survey_folder(tmp_path)
    write_views(tmp_path / "val", 2, "val")  # by its own name there is no question
    assert survey_folder(tmp_path).splits == {"train": 5, "val": 2, "test": 1}


def label_folder(root, *labels):
    for number, label in enumerate(labels):
        for kind, picture in (
            ("rgb", np.full((32, 64, 3), 40 * number, np.uint8)),
            ("mask", label),
        ):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(root / kind / f"{number}.png")
    return root


def of(*values):
    return np.resize(np.array(values, np.uint8), (32, 64))


@pytest.mark.parametrize(
    ("values", "options", "wanted"),
    [
        ((0, 255), {"label_map": {"255": 1}}, (0, 1)),
        ((7, 90, 255), {"label_map": {"7": 0, "90": 1}}, (0, 1, 255)),
        ((0, 2), {}, (0, 2)),
    ],
)
def test_labels_become_class_numbers(tmp_path, values, options, wanted):
    found = survey_folder(label_folder(tmp_path, of(*values), of(*values)))
    assert {key: found.spec[key] for key in ("label_map",) if key in found.spec} == options
    assert np.unique(found.views[0]["label"]).tolist() == list(wanted)


def test_colours_become_class_numbers(tmp_path):
    label = np.zeros((32, 64, 3), np.uint8)
    label[:, :16] = (0, 128, 255)
    label_folder(tmp_path, label, label)
    with pytest.raises(
        InputError, match=r"of no class: #000000 \(75 %.*#0080ff \(25 %.*NAME=#000000"
    ):
        survey_folder(tmp_path, classes=("none", "door"))
    assert survey_folder(tmp_path).spec["classes"] == ("class0", "class1")
    found = survey_folder(tmp_path, classes=("none=#000000", "door=#0080FF"))
    assert found.spec["colours"] == {"#000000": 0, "#0080ff": 1}
    assert found.spec["classes"] == ("none", "door")
    assert found.spec["palette"] == [[0, 0, 0], [0, 128, 255]]
    assert found.pixels.tolist() == [2 * 32 * 48, 2 * 32 * 16]
    view = open_dataset(found.spec, "train", found.modalities)[0]
    np.testing.assert_array_equal(view["label"], (label[..., 2] > 0))


def test_several_colours_are_one_class_and_others_do_not_count(tmp_path):
    colours = np.array([(0, 0, 0), (200, 0, 0), (0, 255, 0), (0, 250, 0)], np.uint8)
    numbers = of(0, 1, 2, 3)
    names = ("floor=#c80000", "chair,0,255,0", "chair=#00fa00", "ignore=#000000")
    shown = Image.fromarray(numbers, "P")
    shown.putpalette(colours.tobytes())
    # Numbers with a palette, in another order than the classes, go by their colours too.
    for kind, picture in (("colours", Image.fromarray(colours[numbers])), ("palette", shown)):
        for path in sorted(
            (label_folder(tmp_path / kind, numbers, numbers) / "mask").glob("*.png")
        ):
            picture.save(path)
        found = survey_folder(tmp_path / kind, classes=names)
        assert found.spec["classes"] == ("floor", "chair")
        assert found.spec["palette"] == [[200, 0, 0], [0, 255, 0]]
        assert found.pixels.tolist() == [2 * 512, 2 * 1024] and found.ignored == 2 * 512
        wanted = np.array([255, 0, 1, 1])[numbers]
        np.testing.assert_array_equal(found.views[0]["label"], wanted)


def test_masks_in_colours_of_which_some_were_saved_as_grey(tmp_path):
    """Three of black and white alone, as optimisers write them, before the first with a colour."""
    names = ("wall=#ffffff", "floor=#000000", "door=#c80000")
    label = of(255, 0)
    coloured = np.repeat(label[..., None], 3, -1)
    coloured[:8] = (200, 0, 0)
    label_folder(tmp_path / "a", label, label > 0, label, coloured)
    found = survey_folder(tmp_path / "a", classes=names)
    assert found.spec["colours"] == {"#ffffff": 0, "#000000": 1, "#c80000": 2}
    assert found.pixels.tolist() == [3 * 1024 + 768, 3 * 1024 + 768, 512]
    np.testing.assert_array_equal(found.views[0]["label"], label == 0)
    label_folder(tmp_path / "b", label, label > 0)
    found = survey_folder(tmp_path / "b", classes=names)
    assert found.pixels.tolist() == [2 * 1024, 2 * 1024, 0]
    np.testing.assert_array_equal(found.views[0]["label"], label == 0)
    # Numbers stay numbers where their greys have no names; so does a mask that is 0 everywhere.
    label_folder(tmp_path / "c", of(0), of(0, 1, 2))
    for count in (1, 2):
        files = sorted((tmp_path / "c" / "mask").iterdir())[:count]
        assert "colours" not in survey_labels(files, names, 255).options


def test_colours_of_classes_whose_labels_are_numbers_are_their_palette(tmp_path):
    label_folder(tmp_path, of(0, 1), of(0, 1))
    (tmp_path / "classes.txt").write_text("name,r,g,b\nthe floor,200,0,0\nchair,0,255,0\n")
    found = survey_folder(tmp_path)
    assert found.spec["classes"] == ("the floor", "chair") and "colours" not in found.spec
    np.testing.assert_array_equal(found.views.palette, [[200, 0, 0], [0, 255, 0]])
    np.testing.assert_array_equal(found.views[0]["label"], of(0, 1))


def test_the_number_that_is_ignored_never_becomes_a_class(tmp_path):
    values = of(0, 1, 2)
    found = survey_folder(
        label_folder(tmp_path / "a", values, values), classes=("x", "y"), ignore=0
    )
    assert found.spec["label_map"] == {"0": 255, "1": 0, "2": 1} and found.ignore == 255
    np.testing.assert_array_equal(found.views[0]["label"], of(255, 0, 1))
    # Where names leave it room it stays what it is.
    found = survey_folder(tmp_path / "a", classes=("none", "x", "y"), ignore=0)
    assert "label_map" not in found.spec and found.ignore == 0
    colours = values[..., None] * np.array([1, 2, 3], np.uint8)
    found = survey_folder(label_folder(tmp_path / "b", colours, colours), ignore=0)
    assert found.ignore == 255 and found.ignored == 0
    np.testing.assert_array_equal(found.views[0]["label"], values)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("floor=#c80000", "chair"), "'chair': has no colour, as others have"),
        (("floor=#c80000", "chair=#C80000"), "another class has the colour #c80000"),
        (("floor=red", "chair=green"), "'floor=red': has no colour behind '='"),
        (("floor,300,0,0",), "300,0,0 is no colour"),
        (("ignore=#c80000",), "there is only 'ignore'"),
        (("floor", "wall", "chair"), "3 names .*floor, wall, chair.*, but the labels hold 1, 7"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        survey_folder(label_folder(tmp_path, of(1, 7), of(1, 7)), classes=names)


def test_large_pictures_are_trained_smaller(tmp_path):
    for name in ("rgb", "label"):
        (tmp_path / name).mkdir()
        for number in range(2):
            shape = (900, 1200, 3) if name == "rgb" else (900, 1200)
            picture = np.resize(np.array([0, 1], np.uint8), shape)
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    found = survey_folder(tmp_path)
    assert found.sizes == {(900, 1200): 1} and found.spec["size"] == found.image_shape == (480, 640)
    assert found.views[0]["rgb"].shape == (480, 640, 3)


def test_floats_in_millimetres_and_nan_are_named(tmp_path):
    """Nothing is found that could be trained on: 2600 m, and a mean of NaN."""
    write_views(tmp_path, 3, kinds=("rgb", "depth", "thermal"))
    for index in range(3):
        (tmp_path / f"thermal/{index:03d}.png").unlink()
        np.save(tmp_path / f"thermal/{index:03d}.npy", np.full((64, 96), np.nan, np.float32))
    with pytest.raises(InputError, match="values of 'thermal' are NaN"):
        survey_folder(tmp_path)
    for path in sorted((tmp_path / "depth").glob("*.png")):
        np.save(path.with_suffix(".npy"), np.array(Image.open(path)).astype(np.float32))
        path.unlink()
    with pytest.raises(InputError, match="as floats are metres; they are millimetres"):
        survey_folder(tmp_path, ["rgb", "depth"])


def test_each_split_needs_labels(tmp_path):
    write_views(tmp_path / "train", 2)
    write_views(tmp_path / "val", 2)
    (tmp_path / "val/label").rename(tmp_path / "val/truth")
    with pytest.raises(InputError, match="val: has no labels.*it holds depth/, rgb/, truth/"):
        survey_folder(tmp_path)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ("nothing", {"modalities": ["lidar"]}, "holds no images of lidar"),
        ("label", {}, "has no labels"),
        ("nothing", {"classes": ["a", "b"]}, "2 names of classes"),
        ("depth", {}, "no usual unit"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, options, message):
    write_views(tmp_path, 3)
    for path in sorted((tmp_path / change).glob("*.png")) if change != "nothing" else ():
        if change == "label":
            path.unlink()
        else:
            Image.fromarray(np.full((64, 96), 15, np.uint16)).save(path)
    with pytest.raises(InputError, match=message):
        survey_folder(tmp_path, **options)
    with pytest.raises(InputError, match="is not a folder"):
        survey_folder(tmp_path / "absent")
