"""What is registered, or offered by an installed package, is found by its name, and nothing is replaced."""

import os
import sys

import keras
import pytest

import cen_keras
from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, resnet
from cen_keras.data.datasets import DATASETS, open_dataset
from cen_keras.data.views import Views
from cen_keras.decoders import DECODERS, decoder_of, light_fpn
from cen_keras.errors import InputError
from cen_keras.models import Segmenter
from cen_keras.plugins import FILES, load_file
from cen_keras.training.plugins import CALLBACKS, find_callback


class Point:
    """An entry point of an installed package."""

    def __init__(self, name, thing, value="theirs:thing"):
        self.name, self.thing, self.value = name, thing, value

    def load(self):
        return self.thing


@pytest.fixture(autouse=True)
def restored():
    """Tables are as before afterwards."""
    tables = [(table, dict(table)) for table in (BACKBONES, DATASETS, DECODERS, CALLBACKS)]
    yield
    for table, kept in tables:
        table.clear()
        table.update(kept)


def least(image):
    return resnet(image, block=basic_block, blocks=(1,) * 4, widths=(4,) * 4, stem_size=3)


def nothing(spec, split):
    return Views()


class Stop(keras.callbacks.Callback):
    pass


def test_what_is_registered_is_found_by_its_name():
    assert cen_keras.register("backbone", "least", least) is least
    cen_keras.register("decoder", "mine", light_fpn)
    cen_keras.register("dataset", "mine", nothing)
    cen_keras.register("callback", "Mine", Stop)
    model = Segmenter(("rgb",), 3, "least", "mine", decoder_options={"filters": 4})
    assert model.backbone == "least" and model.decoder == "mine"
    assert isinstance(open_dataset({"name": "mine"}, "val"), Views)
    assert find_callback("Mine") is Stop
    assert decoder_of("mine", {}).func is light_fpn


def test_an_installed_package_offers_by_entry_points(monkeypatch):
    groups = {
        "cen_keras.backbones": [Point("theirs", least)],
        "cen_keras.datasets": [Point("theirs", nothing)],
        "cen_keras.decoders": [Point("theirs", light_fpn), Point("refinenet", light_fpn)],
    }
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: groups.get(group, []))
    model = Segmenter(("rgb",), 3, "theirs", "theirs", decoder_options={"filters": 4})
    assert model.num_classes == 3
    assert isinstance(open_dataset({"name": "theirs"}, "train"), Views)
    with pytest.raises(InputError, match="decoder 'refinenet' is twice: here, and as theirs:thing"):
        decoder_of("refinenet", {})
    groups["cen_keras.backbones"].append(Point("theirs", least, "others:thing"))
    with pytest.raises(InputError, match="offered twice: theirs:thing and others:thing"):
        Segmenter(("rgb",), 3, "theirs")


def test_an_unknown_name_lists_what_there_is(monkeypatch):
    cen_keras.register("backbone", "wide_of_mine", least)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point("theirs", least)])
    with pytest.raises(InputError, match=r"did you mean 'wide_of_mine'") as error:
        Segmenter(("rgb",), 3, "wide_of_min")
    assert all(name in str(error.value) for name in (*BACKBONES, "theirs"))


@pytest.mark.parametrize(
    ("kind", "name", "thing", "message"),
    [
        ("backbones", "x", least, "did you mean 'backbone'"),
        ("backbone", "resnet18", least, "'resnet18' is there already"),
        ("decoder", "pspnet", least, "is there already, from cen_keras.decoders"),
        ("dataset", "rooms", nothing, "is there already"),
        ("callback", "EarlyStopping", Stop, "is there already"),
        ("backbone", "x", 3, "wanted a word and a backbone's function"),
        ("backbone", "", least, "wanted a word"),
    ],
)
def test_names_that_are_taken_are_refused(kind, name, thing, message):
    with pytest.raises(InputError, match=message):
        cen_keras.register(kind, name, thing)


FILE = """
import cen_keras
from cen_keras.data.views import Views

def opened(spec, split):
    return Views()

cen_keras.register("dataset", "of_a_file", opened)
"""


def test_a_file_may_run_twice_and_another_may_not_take_its_name(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(FILE)
    load_file(tmp_path / "one.py")
    first = DATASETS["of_a_file"]
    load_file(tmp_path / "one.py")
    assert DATASETS["of_a_file"] is not first
    with pytest.raises(
        InputError, match=f"from {tmp_path / 'one.py'}; give that of {tmp_path / 'two.py'} another"
    ):
        load_file(tmp_path / "two.py")


def test_the_environment_names_files_for_other_commands(tmp_path, monkeypatch):
    path = tmp_path / "named_by_environment.py"
    path.write_text(FILE)
    with pytest.raises(InputError, match=FILES):
        open_dataset({"name": "of_a_file"}, "val")
    monkeypatch.setenv(FILES, str(path))
    assert isinstance(open_dataset({"name": "of_a_file"}, "val"), Views)
    # It runs once only.
    (name,) = (n for n in sys.modules if n.startswith("cen_keras_file_named_by_environment_"))
    module = sys.modules[name]
    with pytest.raises(InputError, match="unknown"):
        open_dataset({"name": "absent"}, "val")
    assert sys.modules[name] is module


def test_files_of_one_name_in_two_folders_both_run(tmp_path, monkeypatch):
    paths = [tmp_path / folder / "plugin.py" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(FILE.replace("of_a_file", f"of_folder_{path.parent.name}"))
    # A path from where the command stands is that of the file itself.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FILES, os.pathsep.join([str(paths[0]), "two/plugin.py", str(paths[1])]))
    for name in ("of_folder_two", "of_folder_one"):
        assert isinstance(open_dataset({"name": name}, "val"), Views)


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1 +", "SyntaxError"), ("y", "NameError"), ("import nothing_of_that_name", "No module")],
)
def test_a_file_that_does_not_run_is_named(text, message, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(InputError, match=f"own.py does not run: .*{message}"):
        load_file(path)
