"""The demo on a translation: views of every domain, fed as in training, shown beside what is made."""

import dataclasses
import json
import re
import types

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_translation import SIZE

from cen_keras.data.image_domains import parts_of as training_parts
from cen_keras.data.image_domains import to_image
from cen_keras.data.rooms.views import walk_through
from deploy import bench
from deploy.__main__ import main
from deploy.demo import domains
from deploy.demo.network import AUTO, Choice, Network
from deploy.demo.pipeline import Pipeline
from deploy.demo.source_domains import LISTED
from deploy.demo.sources import Options, open_source
from deploy.demo.view import picture
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.image_files import ORIENTATION
from deploy.runtime.pictures import depth_picture
from deploy.runtime.preprocess import Frame, Preprocessor, resize_image

DOMAINS = ("rgb", "reshading")


@pytest.fixture(scope="module", params=["tflite", "onnx"])
def artifact(request, translation_run):
    assert main(["export", str(translation_run), "--target", request.param]) == 0
    return translation_run / request.param / f"fp32.{request.param}"


@pytest.fixture(scope="module")
def manifest(translation_run):
    assert main(["export", str(translation_run)]) == 0
    return manifests.load(translation_run / "tflite" / "fp32.tflite")


def asks_for(manifest, *names):
    """The manifest of an artifact with other inputs."""
    (spec, *_) = manifest.inputs.values()
    inputs = {name: dataclasses.replace(spec, name=name) for name in names}
    return dataclasses.replace(manifest, inputs=inputs)


def view(folder, name, sizes=None, only=DOMAINS):
    rng = np.random.default_rng(len(name))
    for domain in only:
        (folder / domain).mkdir(parents=True, exist_ok=True)
        shape = (*(sizes or {}).get(domain, (36, 48)), 3)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / domain / f"{name}.png")


def test_rooms_are_fed_as_verify_feeds_them(artifact, translation_run):
    """The same rooms through training's own way to images, into the same engine."""
    network = Network(Choice(artifact))
    assert network.manifest.domain == "normal"
    options = Options(count=2)
    frames = list(open_source("rooms:3", network.manifest, options))
    seed = json.loads((translation_run / "data.json").read_text())["dataset"]["seed"]
    walk = walk_through(seed, 2, SIZE, number=3, sensed=False, wanted=DOMAINS)
    for frame, pictures in zip(frames, walk, strict=True):
        images = {name: to_image(name, pictures[name])[None] for name in DOMAINS}
        for stream in (*DOMAINS, "ensemble"):
            result = network.see(frame, stream, (), 1)
            wanted = (network.runner.run(images)[stream][0] + 1) * 127.5
            assert wanted.std() > 1  # of 255
            # To 0..255 and back costs 1e-7 of the input, and the untrained net's gain is some tens.
            np.testing.assert_allclose(result.image, wanted, rtol=0, atol=0.01)


def test_pictures_of_rooms_and_folders(artifact, tmp_path, capsys):
    view(tmp_path / "in", "x"), view(tmp_path / "in", "y.1")
    for source, names in (
        ("rooms", ["room_000", "room_001"]),
        (f"frames:{tmp_path / 'in'}", ["x", "y.1"]),
    ):
        arguments = ["demo", "--artifact", str(artifact), "--source", source, "--count", "2"]
        arguments += ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "r.json")]
        assert main([*arguments, "--stream", "rgb"]) == 0
        assert "frames per second" in capsys.readouterr().out
        result = json.loads((tmp_path / "r.json").read_text())
        assert result["output"] == "rgb" and result["missing"] == []
        assert result["pictures"] == [str(tmp_path / "out" / f"{n}.png") for n in names]
    with Image.open(tmp_path / "out" / "room_000.png") as image:
        assert image.size == (3 * 240 + 4 * 6, 240 + 22 + 6)


def test_inputs_left_and_output_right(artifact):
    network = Network(Choice(artifact))
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (*SIZE, 3), np.uint8) for name in DOMAINS}
    result = network.see(Frame("x", images), AUTO, (), 1)
    assert result.stream == "ensemble"
    drawn = picture(result)
    shown = [*(images[name] for name in DOMAINS), np.rint(result.image).astype(np.uint8)]
    for index, panel in enumerate(shown):
        left = 6 + index * (240 + 6)
        # 32 pixels on 240: the middle of a square that shows each of them.
        rows = 22 + (2 * np.arange(32) + 1) * 240 // 64
        columns = left + (2 * np.arange(32) + 1) * 240 // 64
        np.testing.assert_array_equal(drawn[np.ix_(rows, columns)], panel)


def test_depth_s_scale_is_the_training_s():
    metres = np.array([[0, 0.01, 0.5, 2.5, 40, 200]], np.float32)
    image = domains.depth_image(metres)
    # float32, of values up to 255.
    np.testing.assert_allclose(image / 127.5 - 1, to_image("depth", metres), rtol=0, atol=1e-5)
    # Beyond exp(11.1) / 512 = 129 m there is no scale. The logarithm's error, 1e-7, times 11.1.
    np.testing.assert_allclose(domains.metres_of(image)[0, :-1], metres[0, :-1], rtol=1e-5, atol=0)
    for name in ("rgb", "rgb-reshading"):
        inputs = types.SimpleNamespace(inputs={name: None})
        assert domains.parts_of(inputs) == training_parts(name)


def test_depth_and_single_channels_are_coloured(manifest):
    metres = np.linspace(0.5, 8.5, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    metres[0, 0] = 0
    image = domains.depth_image(metres)
    of_depth = dataclasses.replace(asks_for(manifest, "depth"), domain="depth_euclidean")
    given, made = domains.panels(Frame("x", {"depth": image}), image, of_depth, "ensemble")
    assert given[0] == "depth, median 4.5 m"
    assert made[0] == "depth_euclidean, median 4.5 m (ensemble)"
    # Where rounding falls on the other side of a step of the ramp: one level in 255.
    wanted = depth_picture(metres).astype(int)
    for _, shown in (given, made):
        assert np.abs(shown - wanted).max() <= 2 and (shown[0, 0] == 0).all()
    grey = np.linspace(0, 255, 64, dtype=np.float32).reshape(8, 8, 1)
    black = Frame("x", {"depth": np.zeros((8, 8, 3), np.float32)})
    given, made = domains.panels(black, grey, dataclasses.replace(of_depth, domain=""), "depth")
    assert given[0] == "depth (missing)" and made[0] == "output (depth)"
    light = made[1].sum(-1).ravel().astype(int)
    assert light[0] < light[-1] and len(np.unique(made[1].reshape(-1, 3), axis=0)) > 50


def test_16_bit_depth_among_the_domains(tmp_path, manifest):
    view(tmp_path, "x", only=("rgb",))
    (tmp_path / "depth").mkdir()
    counts = np.full((36, 48), 2500, np.uint16)
    counts[0, :2] = 0, 65535
    cv2.imwrite(str(tmp_path / "depth" / "x.png"), counts)
    wanted = asks_for(manifest, "rgb", "depth")
    (frame,) = open_source(f"frames:{tmp_path}", wanted, Options())
    metres = np.where(np.isin(counts, (0, 65535)), 0, 2.5).astype(np.float32)
    np.testing.assert_array_equal(frame.images["depth"], domains.depth_image(metres))
    with pytest.raises(InputError, match="median depth is 0.0025 m.*try --depth-scale"):
        list(open_source(f"frames:{tmp_path}", wanted, Options(metres_per_count=1e-6)))
    Image.fromarray(np.zeros((36, 48, 3), np.uint8)).save(tmp_path / "depth" / "x.png")
    with pytest.raises(InputError, match="has 8 bits|has 3 channels"):
        list(open_source(f"frames:{tmp_path}", wanted, Options()))


def test_sizes_are_those_of_upright_pictures(tmp_path, manifest):
    view(tmp_path, "x")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (48, 36)).save(tmp_path / "rgb" / "x.jpg", exif=exif)
    (tmp_path / "rgb" / "x.png").unlink()
    with pytest.raises(InputError, match="x has rgb 36x48, reshading 48x36"):
        open_source(f"frames:{tmp_path}", manifest, Options())
    Image.new("RGB", (36, 48)).save(tmp_path / "reshading" / "x.png")
    (frame,) = open_source(f"frames:{tmp_path}", manifest, Options())
    assert {image.shape for image in frame.images.values()} == {(48, 36, 3)}


@pytest.mark.parametrize("suffix", ["npy", "pfm"])
def test_depth_in_floats_among_the_domains(tmp_path, manifest, suffix):
    view(tmp_path, "x", only=("rgb",))
    (tmp_path / "depth").mkdir()
    metres = np.full((36, 48), 2.5, np.float32)
    if suffix == "npy":
        np.save(tmp_path / "depth" / "x.npy", metres)
    else:
        (tmp_path / "depth" / "x.pfm").write_bytes(b"Pf\n48 36\n-1\n" + metres.tobytes())
    wanted = asks_for(manifest, "rgb", "depth")
    (frame,) = open_source(f"frames:{tmp_path}", wanted, Options())
    np.testing.assert_array_equal(frame.images["depth"], domains.depth_image(metres))


def test_joined_domains_are_fed_along_the_channels(manifest):
    (spec, *_) = manifest.inputs.values()
    six = dataclasses.replace(spec.normalization, mean=(1.0,) * 6, std=(1.0,) * 6)
    spec = dataclasses.replace(spec, name="rgb-depth", shape=(1, *SIZE, 6), normalization=six)
    both = dataclasses.replace(manifest, inputs={"rgb-depth": spec})
    (frame,) = open_source("rooms", both, Options(count=1, size=(40, 48)))
    assert frame.images["rgb"].dtype == np.uint8 and frame.images["depth"].dtype == np.float32
    fed = Preprocessor(both.inputs)(domains.joined(frame, both.inputs))["rgb-depth"][0]
    # Either half is the domain by itself, resized: float32, 1e-7 of 255 through the scale.
    for part, half in (("rgb", fed[..., :3]), ("depth", fed[..., 3:])):
        alone = resize_image(frame.images[part].astype(np.float32), *SIZE)
        np.testing.assert_allclose(half, alone / 127.5 - 1, rtol=0, atol=1e-5)


def test_everything_that_does_not_fit_is_reported_at_once(tmp_path, manifest):
    def error_of(folder):
        with pytest.raises(InputError) as error:
            open_source(f"frames:{folder}", manifest, Options())
        return str(error.value)

    assert "no such folder" in error_of(tmp_path / "none")
    (tmp_path / "a").mkdir()
    assert "no folder rgb and no reshading in it; wanted rgb/NAME.png, " in error_of(tmp_path / "a")
    for domain in DOMAINS:
        (tmp_path / "a" / domain).mkdir()
    assert "no images; wanted" in error_of(tmp_path / "a")
    view(tmp_path / "a", "good")
    view(tmp_path / "a", "half", only=("reshading",))
    view(tmp_path / "a", "lone", only=("rgb",))
    view(tmp_path / "a", "uneven", sizes={"reshading": (36, 50)})
    view(tmp_path / "a", "zero")
    (tmp_path / "a" / "reshading" / "zero.png").write_bytes(b"no image")
    message = error_of(tmp_path / "a")
    assert "4 of 5 views do not fit: half has no rgb; lone has no reshading; " in message
    assert "uneven has rgb 48x36, reshading 50x36; " in message
    assert "zero has a reshading that is no image (zero.png)" in message
    assert "good" not in message
    for index in range(LISTED + 3):
        view(tmp_path / "b", f"v{index:02d}", only=("rgb",))
    (tmp_path / "b" / "reshading").mkdir()
    message = error_of(tmp_path / "b")
    assert len(re.findall("has no", message)) == LISTED and "; and 3 more; " in message


def test_sources_without_the_domains(manifest):
    with pytest.raises(InputError, match="takes rooms or rooms:NUMBER or frames:FOLDER"):
        open_source("tum:folder", manifest, Options())
    with pytest.raises(InputError, match="has no keypoints, no label"):
        open_source("rooms", asks_for(manifest, "rgb", "keypoints", "label"), Options())


def test_the_live_page_and_recordings_refuse(artifact, artifacts, tmp_path, capsys):
    arguments = ["demo", "--artifact", str(artifact), "--source", "rooms"]
    for option in (["--serve", "0"], ["--record", str(tmp_path / "new")]):
        assert main([*arguments, *option, "--count", "1"]) == 2
        assert "--serve and --record are for segmentations; give --out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    network, messages = Network(Choice(artifacts["fp32"])), []
    source = open_source("rooms", network.manifest, Options(count=1))
    pipeline = Pipeline(source, network, [], messages.append, stream=AUTO, live=True)
    pipeline._open(Choice(artifact))
    assert messages == [f"{artifact.name}: is a translation; the live page shows segmentations"]
    assert pipeline._next is None


def test_images_that_are_not_finite(artifact):
    network = Network(Choice(artifact))
    nan = np.full((*SIZE, 3), np.nan, np.float32)
    with pytest.raises(InputError, match="NaN or infinite"):
        network.see(Frame("x", dict.fromkeys(DOMAINS, nan)), AUTO, (), 1)


def test_the_domain_is_kept_and_may_be_absent(manifest):
    value = manifest.to_json()
    assert value["domain"] == "normal"
    assert manifests.parse(value, "m.json").domain == "normal"
    del value["domain"]  # as manifests before it
    assert manifests.parse(value, "m.json").domain == ""


def test_bench_makes_no_class_map_of_an_image(artifact, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("a class map of an image")

    seen = []
    monkeypatch.setattr(bench, "class_map", never)
    monkeypatch.setattr(bench, "image_values", lambda image: seen.append(image.shape))
    arguments = ["--rounds", "2", "--warm-up", "0", "--frame", "40x48", "--threads", "1"]
    assert main(["bench", str(artifact), *arguments, "--csv", str(tmp_path / "b.csv")]) == 0
    assert seen == [(*SIZE, 3)] * 2
