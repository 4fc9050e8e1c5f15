"""A folder of raw images becomes class maps and overlays: those that the model itself gives."""

import json

import numpy as np
import pytest
from PIL import Image
from seeded import trained_looking

from cen_keras.data.survey import names
from cen_keras.errors import InputError
from cen_keras.models import Segmenter
from cen_keras.training.sources import open_source
from recipes import predict

SIZE = (36, 50)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "alone.keras"
    names = ("floor", "ball", "box")
    model = Segmenter(backbone="narrow", classes=names, decoder_options={"filters": 4})
    trained_looking(model).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for kind, high, dtype, shape in (
        ("rgb", 256, np.uint8, (*SIZE, 3)),
        ("depth", 5000, np.uint16, SIZE),
        ("label", 200, np.uint8, SIZE),  # of other classes; not read
    ):
        (tmp_path / "in" / kind).mkdir(parents=True)
        for name in ("a", "b"):
            image = rng.integers(high // 2, high, shape).astype(dtype)
            Image.fromarray(image).save(tmp_path / "in" / kind / f"{name}.png")
    return tmp_path / "in"


def test_class_maps_and_overlays_are_the_models(model, folder, tmp_path):
    out = tmp_path / "out"
    command = [str(model), str(folder), "--out", str(out), "--json", str(tmp_path / "files.json")]
    assert predict.main(command) == 0
    paths = [str(out / "classes" / f"{name}.png") for name in "ab"]
    assert json.loads((tmp_path / "files.json").read_text()) == paths
    net = open_source(model)[1]()
    for name, path in zip("ab", paths, strict=True):
        rgb = np.array(Image.open(folder / "rgb" / f"{name}.png"))
        depth = np.array(Image.open(folder / "depth" / f"{name}.png")) * np.float32(0.001)
        wanted = net.segment({"rgb": rgb, "depth": depth})
        found = Image.open(path)
        np.testing.assert_array_equal(np.array(found), wanted)
        colours = np.array(net.classes.colours)[wanted]
        np.testing.assert_array_equal(np.array(found.convert("RGB")), colours)
        overlay = np.array(Image.open(out / "overlays" / f"{name}.png"))
        # Half of each, rounded to a count.
        assert np.abs(overlay - (rgb / 2 + colours / 2)).max() <= 0.5
    # Read as --classes reads a file, they are the model's.
    listed = names.parsed(names.given_names(str(out / "classes.txt")))
    assert listed.names == net.classes.names
    assert list(listed.colours) == ["#{:02x}{:02x}{:02x}".format(*c) for c in net.classes.colours]


def test_what_cannot_be_segmented_is_named(model, folder, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    for arguments, text in (
        (["missing.keras", str(folder)], "missing.keras is missing"),
        ([str(tmp_path), str(folder)], "is no run folder"),
        (["preset:no_such", str(folder)], "no_such"),
        ([str(model), str(tmp_path / "nothing")], "nothing"),
        ([str(model), str(folder), "--output", "smell"], "smell"),
        ([str(model), str(folder), "--files", "rgb"], "no '='"),
    ):
        assert predict.main([*arguments, *out]) == 2
        error = capsys.readouterr().err
        assert text in error.splitlines()[-1] and "Traceback" not in error


def test_depth_is_registered_as_in_the_training():
    """By the training's cameras; where each split has its own, somebody has to say which."""
    rig = {"rgb": {"fx": 9, "fy": 9, "cx": 4, "cy": 4}}
    assert predict._cameras_of({"name": "frames", "cameras": rig}) == rig
    assert predict._cameras_of({"name": "frames"}) is None
    assert predict._cameras_of({"name": "rooms", "cameras": rig}) is None
    with pytest.raises(InputError, match="one for each split; name yours with --cameras"):
        predict._cameras_of({"name": "frames", "cameras": "{split}/cameras.json"})


def test_a_rig_is_read(model, folder, tmp_path, capsys):
    (tmp_path / "rig.json").write_text('{"rgb": {"fx": 9}}')
    command = [str(model), str(folder), "--out", str(tmp_path / "out")]
    assert predict.main([*command, "--cameras", str(tmp_path / "rig.json")]) == 2
    assert "rig.json" in capsys.readouterr().err
    centre = {"fx": 40.0, "fy": 40.0, "cx": 25.0, "cy": 18.0, "width": 50, "height": 36}
    (tmp_path / "rig.json").write_text(json.dumps({"rgb": centre, "depth": centre}))
    assert predict.main([*command, "--cameras", str(tmp_path / "rig.json")]) == 0
