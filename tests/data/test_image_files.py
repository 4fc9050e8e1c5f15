"""Image files of every kind, written by other hands, read as what they mean."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from png_files import write_png

from cen_keras.data import (
    depth_registration,
    depth_units,
    exr_files,
    image_files,
    image_folders,
    pinhole_cameras,
    pnm_files,
)
from cen_keras.data.image_files import read_array, read_colour, read_image
from cen_keras.data.label_files import read_label
from cen_keras.errors import InputError
from cen_keras.modalities import Modality, modality_of

ROOT = Path(__file__).parent.parent.parent
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (9, 12, 3), np.uint8)
METRES = RNG.uniform(0.5, 5, (9, 12)).astype(np.float32)


@pytest.mark.parametrize(
    "module",
    [
        *(image_files, image_folders, depth_units, depth_registration, pinhole_cameras, exr_files),
        pnm_files,
    ],
)
def test_the_boards_files_are_the_same(module):
    """One file under two names: that of the board is a link."""
    host = Path(module.__file__)
    assert (ROOT / "deploy" / "runtime" / host.name).samefile(host)


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "webp"])
def test_colours_are_rgb_whatever_the_format(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(COLOURS).save(path, **options)
    np.testing.assert_array_equal(read_colour(path), COLOURS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_is_eight_bits_of_three_channels(tmp_path, mode):
    suffix = "jpg" if mode in ("CMYK", "YCbCr") else "png"
    picture = Image.fromarray(COLOURS)
    if mode == "I;16":
        picture = Image.fromarray(COLOURS[..., 0].astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / f"a.{suffix}")
    found = read_colour(tmp_path / f"a.{suffix}")
    assert found.dtype == np.uint8 and found.shape == (9, 12, 3)
    if mode == "I;16":
        np.testing.assert_array_equal(found[..., 2], COLOURS[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_heeded(tmp_path, orientation):
    """The eight ways as EXIF's standard says them, undone by hand."""
    undo = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, -1),
        7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        8: lambda x: np.rot90(x, 1),
    }[orientation]
    exif = Image.Exif()
    exif[image_files.ORIENTATION] = orientation
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_colour(tmp_path / "a.png"), undo(COLOURS))
    assert image_files.image_size(tmp_path / "a.png") == undo(COLOURS).shape[:2]
    assert ("EXIF" in image_files.orientation_note(tmp_path / "a.png")) == (orientation != 1)


def test_depth_of_every_format_is_metres(tmp_path):
    depth, counts = modality_of("depth"), np.round(METRES * 1000).astype(np.uint16)
    np.save(tmp_path / "float.npy", METRES)
    np.save(tmp_path / "half.npy", METRES.astype(np.float16))
    np.save(tmp_path / "counts.npy", counts)
    np.save(tmp_path / "int32.npy", counts.astype(np.int32))
    Image.fromarray(METRES).save(tmp_path / "float.tif")
    Image.fromarray(counts).save(tmp_path / "counts.tif")
    Image.fromarray(counts.astype(np.int32)).save(tmp_path / "int32.tif")
    cv2.imwrite(str(tmp_path / "counts.png"), counts)
    cv2.imwrite(str(tmp_path / "counts.pgm"), counts)
    for path in sorted(tmp_path.iterdir()):
        found = read_image(path, depth, "depth")
        assert found.dtype == np.float32, path
        # Half a millimetre of rounding, or float16's 2^-11 of 5 m.
        np.testing.assert_allclose(found, METRES, atol=2.5e-3, err_msg=path.name)


@pytest.mark.parametrize("kind", ["P5", "P2"])
@pytest.mark.parametrize("top", [10_000, 65_535])
def test_depth_of_pgm_is_metres_whatever_its_largest_value(tmp_path, kind, top):
    """1000 counts of at most 10000 are a metre: readers of pictures make 6.554 m of them."""
    counts = np.round(METRES * 1000).astype(int)
    body = counts.astype(">u2").tobytes()
    body = " ".join(map(str, counts.ravel())).encode() if kind == "P2" else body
    (tmp_path / "a.pgm").write_bytes(f"{kind} 12 9 {top}\n".encode() + body)
    found = read_image(tmp_path / "a.pgm", modality_of("depth"), "depth")
    np.testing.assert_allclose(found, counts / 1000, rtol=1e-6)
    np.testing.assert_array_equal(read_array(tmp_path / "a.pgm"), counts)


@pytest.mark.parametrize("top", [15, 255, 1023, 65_535])
def test_colours_of_ppm_are_of_eight_bits_whatever_their_largest_value(tmp_path, top):
    samples = np.round(COLOURS / 255 * top).astype(int)
    body = samples.astype(np.uint8 if top < 256 else ">u2").tobytes()
    (tmp_path / "a.ppm").write_bytes(f"P6 12 9 {top}\n".encode() + body)
    wanted = samples / top * 255
    np.testing.assert_allclose(read_colour(tmp_path / "a.ppm"), wanted, atol=0.5 + 1e-9)
    np.testing.assert_array_equal(read_array(tmp_path / "a.ppm"), samples)
    with pytest.raises(InputError, match="a sample lies outside 0 to its maxval 3"):
        (tmp_path / "b.ppm").write_bytes(b"P6 12 9 3\n" + COLOURS.tobytes())
        read_colour(tmp_path / "b.ppm")


def test_depth_with_transparency_is_depth(tmp_path):
    counts = np.round(METRES * 1000).astype(np.uint16)
    write_png(tmp_path / "a.png", np.stack([counts, np.full_like(counts, 65535)], -1), 16)
    found = read_image(tmp_path / "a.png", modality_of("depth"), "depth")
    np.testing.assert_allclose(found, counts / 1000, rtol=1e-6)


def test_what_is_missing_is_missing_in_every_way_to_say_it(tmp_path):
    depth = modality_of("depth")
    np.save(tmp_path / "a.npy", np.array([[np.nan, np.inf, -1.0, 2.0]]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy", depth), [[0, 0, 0, 2]])
    np.save(tmp_path / "b.npy", np.array([[0, 65535, -1, 2000]], np.int32))
    np.testing.assert_array_equal(read_image(tmp_path / "b.npy", depth), [[0, 0, 0, 2]])
    other = modality_of({"name": "depth", "missing": -1.0, "missing_counts": [7]})
    np.save(tmp_path / "c.npy", np.array([[7, 0, 2000]], np.uint16))
    np.testing.assert_array_equal(read_image(tmp_path / "c.npy", other), [[-1, 0, 2]])


def test_other_modalities_stay_as_they_are(tmp_path):
    thermal, normals = modality_of("thermal"), modality_of("normals")
    sixteen = RNG.integers(0, 65536, (9, 12), np.uint16)
    Image.fromarray(sixteen).save(tmp_path / "t.png")
    np.testing.assert_array_equal(read_image(tmp_path / "t.png", thermal), sixteen)
    Image.fromarray(np.repeat(COLOURS[..., :1], 3, -1)).save(tmp_path / "g.png")
    np.testing.assert_array_equal(read_image(tmp_path / "g.png", thermal), COLOURS[..., 0])
    Image.fromarray(COLOURS).save(tmp_path / "n.png")
    np.testing.assert_array_equal(read_image(tmp_path / "n.png", normals), COLOURS)
    with pytest.raises(InputError, match="3 channels, must have one"):
        read_image(tmp_path / "n.png", thermal, "thermal")
    wide = COLOURS.astype(np.uint16) * 200
    cv2.imwrite(str(tmp_path / "w.png"), wide[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "w.png", normals), wide)
    cv2.imwrite(str(tmp_path / "w.tif"), wide[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "w.tif", normals), wide)
    seven = RNG.random((9, 12, 7)).astype(np.float32)
    np.save(tmp_path / "s.npy", seven)
    found = read_image(tmp_path / "s.npy", Modality("spectral", channels=7), "spectral")
    np.testing.assert_array_equal(found, seven)


@pytest.mark.parametrize("name", ["png", "jpg", "tif", "npy", "pgm", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.97])
def test_a_file_that_was_cut_off_is_one_line(tmp_path, name, share):
    path = tmp_path / f"a.{name}"
    if name == "npy":
        np.save(path, COLOURS)
    else:
        cv2.imwrite(
            str(path), np.tile(COLOURS, (9, 9, 1))[..., 0 if name == "pgm" else slice(None)]
        )
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    for read in (read_colour, read_array, read_label):
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        if name == "jpg":
            break  # labels may be none for another reason


@pytest.mark.parametrize("name", ["jpg", "png"])
def test_what_lies_behind_the_end_of_a_picture_is_nobodys(tmp_path, name):
    """Phones keep a film behind a JPEG's end, and a preview in front, which has an end, too."""
    picture = cv2.imencode("." + name, np.tile(COLOURS, (20, 20, 1)))[1].tobytes()
    wanted = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    path = tmp_path / f"a.{name}"
    path.write_bytes(picture + b"\0" * 100_000)
    np.testing.assert_allclose(read_colour(path), wanted, atol=3)  # of two decoders of JPEG
    if name == "jpg":
        preview = b"\xff\xe5" + (2 + 500).to_bytes(2, "big") + picture[:498] + b"\xff\xd9"
        picture = picture[:2] + preview + picture[2:]
        path.write_bytes(picture)
        np.testing.assert_allclose(read_colour(path), wanted, atol=3)
    for share in (0.3, 0.6, 0.9, 0.99):
        path.write_bytes(picture[: int(len(picture) * share)])
        with pytest.raises(InputError, match="cut off"):
            read_colour(path)


@pytest.mark.parametrize(
    "counts, proposed",
    [
        (2700, "0.001 "),
        (4 * 2700, "0.00025 "),
        (5 * 2700, "0.0002 "),
        (8 * 2700, "0.000125 "),
        (512 * 2.7, "0.00195312 "),
        (270, "0.01 "),
        (2.7, "1 "),
    ],
)
def test_the_unit_that_fits_comes_first(counts, proposed):
    text = depth_units.propose(counts, "--depth-scale")
    assert text.startswith(f"try --depth-scale {proposed}")


def test_limits_are_checked_and_can_be_changed():
    with pytest.raises(InputError, match="10.8 m at 0.001 m a count.*0.00025.*allow it"):
        depth_units.check_limits([10.8], 0.001, (0.25, 7), "a.png", "--depth-scale", "allow it")
    depth_units.check_limits([10.8], 0.001, (1, 80), "a.png", "--depth-scale", "allow it")
    depth_units.check_limits([10.8], 0.001, None, "a.png", "--depth-scale", "allow it")
    with pytest.raises(
        InputError, match=r"2500 m as floats are metres.*\(2.5 m\): divide.*allow it"
    ):
        depth_units.check_limits([2500], None, (0.25, 7), "a.tif", "--depth-scale", "allow it")
    with pytest.raises(InputError, match="80 m as floats are metres.*again in metres"):
        depth_units.check_limits([80], None, (0.25, 7), "a.tif", "--depth-scale", "allow it")
    # One odd frame among five stops nothing.
    depth_units.check_limits([2, 2.5, 9, 3, 2], 0.001, (0.25, 7), "a.png", "", "")
