"""A first recipe: it loads, opens the folder it was made for, and overwrites nothing."""

import json

import numpy as np
import pytest
from own_folders import CLASSES, write_views
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.training.settings import apply_settings
from recipes import new
from recipes.listing import recipe_of


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_recipe_of_rgb_and_depth_starts_from_a_preset(there, capsys):
    write_views(there / "mine", 5)
    assert new.main(["mine", "--classes", ",".join(CLASSES)]) == 0
    out = capsys.readouterr().out
    assert "assumed: 0.001 m a count" in out and "train 4, val 1" in out
    assert out.splitlines()[-1] == "next: cen train ./my_recipe.py"
    recipe = recipe_of("my_recipe.py")
    assert recipe.pretrained == "preset:cen_edge_m_rooms" and recipe.batch == 4
    assert len(open_dataset(recipe.data, "val", recipe.model["modalities"])) == 1
    finetune = recipe_of("finetune")
    assert recipe.normalization == finetune.normalization
    # The pictures are as small as a window: from all of one to half its height.
    assert recipe.augmentation["size"] == (64, 96) and recipe.augmentation["scale"] == (1.0, 2.0)
    # Three pictures for each of four views, two views in a row, with two white lines between.
    height = round(64 * new.WIDTH / 96)
    sheet = np.array(Image.open("my_recipe.png"))
    assert sheet.shape == (2 * height + 2, 6 * new.WIDTH + 10, 3)


def test_the_recipe_of_other_modalities_is_of_a_small_net(there):
    for split in ("train", "val"):
        write_views(there / "mine" / split, 2, split, kinds=("rgb", "thermal"))
    assert new.main(["mine", "--out", "warm.py", "--json", "found.json"]) == 0
    recipe = recipe_of("warm.py")
    assert recipe.name == "warm" and recipe.pretrained is None
    rgb, thermal = recipe.model["modalities"]
    assert rgb == "rgb" and thermal["name"] == "thermal"
    found = json.loads((there / "found.json").read_text())
    assert found["splits"] == {"train": 2, "val": 2} and found["modalities"] == ["rgb", "thermal"]
    # What it says can be changed from the command line as any recipe's.
    assert apply_settings(recipe, ["batch=1", "data.root=other"]).data["root"] == "other"


def test_labels_in_colours_become_the_classes_that_have_them(there, capsys):
    colours = np.array([(200, 0, 0), (0, 255, 0), (0, 0, 0)], np.uint8)
    written = write_views(there / "mine", 5)
    for number, view in enumerate(written):
        kinds = np.array([0, 1, 1, 1, 1, *[2] * 251])[view["label"]]
        Image.fromarray(colours[kinds]).save(there / "mine" / "label" / f"{number:03d}.png")
    table = "floor=#c80000,rest=#00ff00,ignore=#000000"
    assert new.main(["mine", "--classes", table]) == 0
    assert "#c80000" in capsys.readouterr().out
    recipe = recipe_of("my_recipe.py")
    views = open_dataset(recipe.data, "train", recipe.model["modalities"])
    assert views.classes == ("floor", "rest") and views.palette.tolist() == colours[:2].tolist()
    number = int(views.names[0])
    wanted = np.array([0, 1, 1, 1, 1, *[255] * 251])[written[number]["label"]]
    np.testing.assert_array_equal(views[0]["label"], wanted)
    # The same from a file.
    (there / "table.txt").write_text(table.replace(",", "\n"))
    assert new.main(["mine", "--classes", "table.txt", "--out", "again.py"]) == 0
    assert recipe_of("again.py").data == recipe.data
    assert new.main(["mine", "--classes", "a,b", "--out", "third.py"]) == 2
    assert "labels hold colours of no class" in capsys.readouterr().err


def test_windows_show_all_to_half_of_a_picture_that_is_larger(there):
    write_views(there / "mine", 5, size=(240, 320))
    assert new.main(["mine"]) == 0
    augmentation = recipe_of("my_recipe.py").augmentation
    # 224 of 320 columns are 0.7.
    assert augmentation["size"] == (160, 224) and augmentation["scale"] == (0.7, 1.4)


def test_nothing_is_overwritten_and_nothing_half_written_stays(there, capsys, monkeypatch):
    write_views(there / "mine", 3)
    (there / "my_recipe.png").write_bytes(b"mine")
    assert new.main(["mine"]) == 2
    assert "my_recipe.png: is there already" in capsys.readouterr().err
    assert sorted(path.name for path in there.iterdir()) == ["mine", "my_recipe.png"]
    monkeypatch.setattr(new, "samples", lambda views: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        new.main(["mine", "--force"])
    assert sorted(path.name for path in there.iterdir()) == ["mine", "my_recipe.png"]
    monkeypatch.undo()
    monkeypatch.chdir(there)
    assert new.main(["mine", "--force"]) == 0
    assert recipe_of("my_recipe.py").name == "my_recipe"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["absent"], "is not a folder"),
        (["."], "holds no images of any modality"),
        ([".", "--out", "recipe.txt"], "is no name of a Python file"),
    ],
)
def test_errors_are_one_line(arguments, text, there, capsys):
    assert new.main(arguments) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert not list(there.iterdir())
