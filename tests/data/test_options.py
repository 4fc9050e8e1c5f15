"""Specs whose options are of other types: one line, whatever the data set."""

import numpy as np
import pytest
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.data.folder import FolderViews
from cen_keras.data.image_domains import open_domains
from cen_keras.errors import InputError

ODD = (None, True, -1, 0, 1, 2.5, float("nan"), "", "x", "rgb", [], [1], ["a"], [[1]], {})
ODD += ({"a": 1}, {"rgb": 1}, 1e30, "a\0b")
FOLDER = ("modalities", "depth_scale", "depth_limits", "classes", "palette", "folders", "label_map")
FOLDER += ("colours", "ignore", "size", "lists", "fractions", "seed", "cameras", "root")
LISTED = ("root", "train_list", "depth_scale", "depth_limits", "labels", "depth")
OPTIONS = {
    "frames": FOLDER,
    "nyudv2": (*LISTED, "classes", "mask_classes", "crop", "mat"),
    "sunrgbd": (*LISTED, "raw", "split_file"),
    "taskonomy": ("root", "domains", "train_list"),
    "rooms": (
        *("seed", "size", "train", "sensor", "views_per_room", "domains", "workers"),
        *("cache", "classes", "label_map"),
    ),
}


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """A spec of each data set, of folders that hold two views where there is a folder."""
    root = tmp_path_factory.mktemp("views")
    rng = np.random.default_rng(0)
    for index in range(2):
        made = {
            "rgb": rng.integers(0, 256, (12, 16, 3), np.uint8),
            "depth": rng.integers(1500, 3000, (12, 16), np.uint16),
            "label": rng.integers(0, 3, (12, 16), np.uint8),
        }
        for name, picture in made.items():
            (root / name).mkdir(exist_ok=True)
            Image.fromarray(picture).save(root / name / f"{index}.png")
    lines = [f"rgb/{n}.png\tlabel/{n}.png\tdepth/{n}.png" for n in range(2)]
    (root / "train.txt").write_text("\n".join(lines), encoding="utf-8")
    (root / "train_domain.txt").write_text("{domain}/0.png\n", encoding="utf-8")
    listed = {"root": str(root), "depth_scale": 0.001}
    return {
        "frames": {"name": "frames", "root": str(root), "classes": ["a", "b", "c"]},
        "nyudv2": {"name": "nyudv2", **listed},
        "sunrgbd": {"name": "sunrgbd", **listed},
        "taskonomy": {"name": "taskonomy", "root": str(root), "domains": ["rgb"]},
        "rooms": {"name": "rooms", "train": 1, "size": [16, 24]},
    }


@pytest.mark.parametrize("name", ["nyudv2", "sunrgbd", "frames"])
def test_the_limits_that_a_message_advises_are_an_option(specs, name):
    """2.25 m at 0.001 m a count are 22.5 m at 0.01, which a hall may be."""
    spec = {**specs[name], "depth_scale": 0.01}
    with pytest.raises(InputError, match=r"set depth_limits \[least, largest\]"):
        open_dataset(spec, "train")
    view = open_dataset({**spec, "depth_limits": [10, 50]}, "train")[0]
    assert 15 <= view["depth"].min() and view["depth"].max() <= 30
    with pytest.raises(InputError, match=r"the median depth is 22.* m .*wanted 1 to 5 m"):
        open_dataset({**spec, "depth_limits": [1, 5]}, "train")


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_other_types_are_one_line(specs, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # "x" is a folder for a cache
    assert len(open_dataset(specs[name], "train")[0]) > 0
    for option in OPTIONS[name]:
        for value in ODD:
            try:
                open_dataset({**specs[name], option: value}, "train")[0]
            except (InputError, FileNotFoundError) as error:
                assert str(error) and "\n" not in str(error)


def test_what_is_wanted_is_said(specs):
    for spec, message in (
        ({**specs["rooms"], "size": 96}, r"rooms: size is 96; wanted \[height, width\], pixels"),
        ({**specs["rooms"], "workers": -1}, "workers is -1; wanted a whole number from 0"),
        ({**specs["frames"], "folders": ["rgb"]}, "folders is .*wanted {.rgb.: .color.}"),
        ({**specs["frames"], "modalities": "rgb"}, "modalities is 'rgb'; wanted a list of names"),
        ({**specs["nyudv2"], "root": None}, "nyudv2: root is None; wanted a path"),
        ({**specs["nyudv2"], 5: 1}, "unknown option '5'"),
    ):
        with pytest.raises(InputError, match=message):
            open_dataset(spec, "train")
    with pytest.raises(InputError, match="modalities is 5; wanted a list"):
        FolderViews(specs["frames"]["root"], 5)
    with pytest.raises(InputError, match="data set 5 has no domains"):
        open_domains(5, "train", ("rgb", "depth"))
