"""The demo finds pairs, refuses wrong ones, and writes pictures."""

import json

import cv2
import numpy as np
import pytest
from deploy_size import SIZE
from PIL import Image

from deploy.__main__ import main
from deploy.demo.sources import Options, open_source
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.image_folders import find_views
from deploy.runtime.image_kind import METRES, PICTURE

PAIR = {"rgb": PICTURE, "depth": METRES}


def pair(rgb, depth, size=(36, 48), metres=2.0):
    rng = np.random.default_rng(0)
    for path in (rgb, depth):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(rgb)
    cv2.imwrite(str(depth), np.full(size, metres * 1000, np.uint16))


def test_both_ways_to_name_pairs(tmp_path):
    pair(tmp_path / "a/rgb/1.5.jpg", tmp_path / "a/depth/1.5.png")
    pair(tmp_path / "a/rgb/1.6.png", tmp_path / "a/depth/1.6.png")
    assert [name for name, _ in find_views(tmp_path / "a", PAIR)] == ["1.5", "1.6"]
    pair(tmp_path / "b/x_rgb.png", tmp_path / "b/x_depth.png")
    pair(tmp_path / "b/y_rgb.jpg", tmp_path / "b/y_depth.png")
    found = find_views(tmp_path / "b", PAIR)
    assert [(n, files["rgb"].name, files["depth"].name) for n, files in found] == [
        ("x", "x_rgb.png", "x_depth.png"),
        ("y", "y_rgb.jpg", "y_depth.png"),
    ]


def test_folders_without_pairs(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_views(tmp_path / "none", PAIR)
    with pytest.raises(InputError, match="no views; wanted"):
        find_views(tmp_path, PAIR)
    pair(tmp_path / "x_rgb.png", tmp_path / "other.png")
    with pytest.raises(InputError, match="no depth .*other.png, x_rgb.png"):
        find_views(tmp_path, PAIR)
    pair(tmp_path / "y_rgb.png", tmp_path / "y_depth.png")
    with pytest.raises(InputError, match="x has no depth"):
        find_views(tmp_path, PAIR)


def test_frames_are_in_metres(tmp_path, artifacts):
    manifest = manifests.load(artifacts["fp32"])
    pair(tmp_path / "x_rgb.png", tmp_path / "x_depth.png", metres=3.0)
    (frame,) = open_source(f"frames:{tmp_path}", manifest, Options())
    np.testing.assert_allclose(frame.images["depth"], 3.0, rtol=1e-6)
    with pytest.raises(InputError, match=r"median depth is 0.03 m.*try --depth-scale 0.001"):
        list(open_source(f"frames:{tmp_path}", manifest, Options(metres_per_count=1e-5)))
    with pytest.raises(InputError, match="wanted metres per count"):
        list(open_source(f"frames:{tmp_path}", manifest, Options(metres_per_count=0)))


@pytest.mark.parametrize("text", ["video", "frames", "rooms:x", "frames:", "tum", "webcam"])
def test_unknown_sources(text, artifacts):
    with pytest.raises(InputError, match="source|wanted frames:FOLDER"):
        list(open_source(text, manifests.load(artifacts["fp32"]), Options()))


def test_rooms_and_pairs_become_pictures(tmp_path, artifacts, capsys):
    pair(tmp_path / "in/x_rgb.png", tmp_path / "in/x_depth.png")
    for source, names in (
        ("rooms", ["room_000", "room_001"]),
        (f"frames:{tmp_path / 'in'}", ["x"]),
    ):
        arguments = ["demo", "--artifact", str(artifacts["int8"]), "--source", source]
        arguments += ["--out", str(tmp_path / "out"), "--count", "2"]
        assert main([*arguments, "--json", str(tmp_path / "r.json")]) == 0
        assert "frames per second" in capsys.readouterr().out
        result = json.loads((tmp_path / "r.json").read_text())
        assert result["pictures"] == [str(tmp_path / "out" / f"{n}.png") for n in names]
        assert result["fps"] > 0
        with Image.open(result["pictures"][0]) as picture:
            # Four pictures at the least height of 240, in the frame's proportions, with margins.
            assert picture.width > 4 * 240 * SIZE[1] / SIZE[0]
            assert picture.height > 240


def test_an_output_that_is_not_there(tmp_path, artifacts, capsys):
    arguments = ["demo", "--artifact", str(artifacts["int8"]), "--source", "rooms", "--out"]
    assert main([*arguments, str(tmp_path), "--output", "infrared"]) == 2
    assert "static_w8a8.tflite has rgb, depth, ensemble" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path), "--count", "0"]) == 2
