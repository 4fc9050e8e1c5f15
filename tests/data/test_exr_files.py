"""EXR files written by the OpenEXR library, read as what went into them: see tests/vectors/README.md."""

from pathlib import Path

import numpy as np
import pytest

from cen_keras.data.exr_files import Unsupported, decode_exr
from cen_keras.data.image_files import read_array, read_image
from cen_keras.data.label_files import read_label
from cen_keras.errors import InputError
from cen_keras.modalities import modality_of

EXR = Path(__file__).parent.parent / "vectors" / "exr"
HEIGHT, WIDTH = 21, 19
V, U = np.mgrid[:HEIGHT, :WIDTH]
DEPTH = (1 + (V * WIDTH + U) / 256).astype(np.float32)
DEPTH[0, :3], DEPTH[1, 1], DEPTH[2, 2] = 0, np.inf, np.nan
COLOURS = np.stack([V / HEIGHT, U / WIDTH, (V + U) / (HEIGHT + WIDTH)], -1)


@pytest.mark.parametrize("name", ["depth_none", "depth_rle", "depth_zips", "depth_zip"])
def test_every_compression_keeps_every_bit(name):
    np.testing.assert_array_equal(read_array(EXR / f"{name}.exr"), DEPTH)


def test_halves_whole_numbers_and_colours():
    half = read_array(EXR / "half_zip.exr")
    np.testing.assert_array_equal(half, DEPTH.astype(np.float16).astype(np.float32))
    whole = (1000 + V * WIDTH + U).astype(np.int64)
    np.testing.assert_array_equal(read_array(EXR / "uint_rle.exr"), whole)
    np.testing.assert_array_equal(read_label(EXR / "uint_rle.exr"), whole)
    colours = read_array(EXR / "rgba_zips.exr")
    np.testing.assert_array_equal(colours, COLOURS.astype(np.float16).astype(np.float32))


def test_depth_is_metres_and_missing_where_it_is_not_finite():
    found = read_image(EXR / "depth_zip.exr", modality_of("depth"), "depth")
    np.testing.assert_array_equal(found, np.where(np.isfinite(DEPTH), DEPTH, 0))


def test_the_display_window_is_the_picture():
    shown = np.zeros((25, 30), np.float32)
    shown[2 : 2 + HEIGHT, 3 : 3 + WIDTH] = DEPTH
    np.testing.assert_array_equal(read_array(EXR / "window_zip.exr"), shown)


@pytest.mark.parametrize(
    ("name", "kind"), [("depth_piz", "PIZ compression"), ("tiled_zip", "tiles")]
)
def test_what_is_not_read_says_what_to_do(name, kind):
    path = EXR / f"{name}.exr"
    with pytest.raises(Unsupported, match=kind):
        decode_exr(path.read_bytes())
    try:
        np.testing.assert_array_equal(read_array(path), DEPTH)  # an OpenCV with OpenEXR
    except InputError as error:
        assert f"is EXR with {kind}, which is not read; write it again" in str(error)


@pytest.mark.parametrize("name", ["depth_none", "depth_rle", "depth_zip", "window_zip"])
def test_damaged_files_are_one_line(name, tmp_path):
    whole = (EXR / f"{name}.exr").read_bytes()
    rng, path, refused = np.random.default_rng(0), tmp_path / "a.exr", 0
    for trial in range(200):
        data = bytearray(whole)
        if trial % 2:
            data = data[: int(rng.integers(1, len(data)))]
        else:
            for place in rng.integers(0, 400, 3):
                data[place] = int(rng.integers(256))
        path.write_bytes(bytes(data))
        try:
            read_array(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and str(path) in str(error)
    assert refused >= 100  # every file that was cut off
