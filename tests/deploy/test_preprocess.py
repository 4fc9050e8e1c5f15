"""Preprocessing against arithmetic done another way, and what it refuses."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cen_keras.modalities import modality_of
from deploy.runtime.errors import InputError
from deploy.runtime.image_kind import kind_of
from deploy.runtime.preprocess import (
    Frame,
    Preprocessor,
    quantize,
    read_depth,
    read_pair,
    read_rgb,
    resize_image,
    resize_nearest,
)
from deploy.runtime.tensors import Normalization, Quantization, TensorSpec

IMAGE = Normalization(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
METRES = Normalization(1.0, (2.5,), (1.5,))


def inputs(height=8, width=12, code=None):
    dtype = "int8" if code else "float32"
    return {
        "rgb": TensorSpec("rgb", (1, height, width, 3), "NHWC", dtype, "image", code, IMAGE),
        "depth": TensorSpec("depth", (1, height, width, 1), "NHWC", dtype, "depth", code, METRES),
    }


def frame(height=8, width=12, seed=0):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.3, 8, (height, width)).astype(np.float32)
    depth[0] = 0
    return Frame("f", {"rgb": rng.integers(0, 256, (height, width, 3), np.uint8), "depth": depth})


def test_floats_are_the_formula():
    given_frame = frame()
    fed = Preprocessor(inputs())(given_frame)
    rgb = (given_frame.images["rgb"] / 255.0 - IMAGE.mean) / IMAGE.std
    # float32 rounding of values up to 3.
    np.testing.assert_allclose(fed["rgb"][0], rgb, atol=5e-7)
    depth = (given_frame.images["depth"] - 2.5) / 1.5
    np.testing.assert_allclose(fed["depth"][0, ..., 0], depth, atol=1e-6)
    # Missing depth is 0 metres before normalising.
    np.testing.assert_allclose(fed["depth"][0, 0], -2.5 / 1.5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 0.1), st.integers(-128, 127), st.integers(0, 1000))
def test_codes_mean_what_the_floats_are(scale, zero_point, seed):
    code = Quantization(scale, zero_point)
    floats = Preprocessor(inputs())(frame(seed=seed))
    codes = Preprocessor(inputs(code=code))(frame(seed=seed))
    same_floats = Preprocessor(inputs(code=code), as_float=True)(frame(seed=seed))
    for name, array in codes.items():
        assert array.dtype == np.int8
        np.testing.assert_array_equal(same_floats[name], floats[name])
        low, high = scale * (-128 - zero_point), scale * (127 - zero_point)
        meant = scale * (array.astype(np.float64) - zero_point)
        # Half a code of rounding, and float32's own in the division.
        error = np.abs(meant - np.clip(floats[name], low, high))
        assert error.max() <= scale * 0.5001


@pytest.mark.parametrize(
    ("mean", "std", "code"),
    [
        # The codes of all channels alike, and moreover the pixels moved by 128: 255 steps of 1/255
        # from -0.45 / 0.25 on.
        ((0.45,) * 3, (0.25,) * 3, Quantization(4 / 255, -13)),
        ((0.45,) * 3, (0.25,) * 3, Quantization(0.03, 5)),
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), Quantization(0.02, -14)),
    ],
)
def test_look_ups_are_the_arithmetic(mean, std, code):
    spec = TensorSpec(
        "rgb", (1, 48, 64, 3), "NHWC", "int8", "image", code, Normalization(1 / 255, mean, std)
    )
    image = frame(48, 64).images["rgb"]
    image[0, :, 0] = np.arange(64)
    found = Preprocessor({"rgb": spec})(Frame("f", {"rgb": image}))["rgb"]
    real = ((image / 255 - mean) / std).astype(np.float32)
    np.testing.assert_array_equal(found[0], quantize(real, code, "int8"))
    assert found.shape == spec.shape and found.dtype == np.int8


def test_the_usual_edge_normalisation_leaves_the_pixels_as_they_are():
    code, normal = Quantization(4 / 255, -13), Normalization(1 / 255, (0.45,) * 3, (0.25,) * 3)
    spec = TensorSpec("rgb", (1, 48, 64, 3), "NHWC", "int8", "image", code, normal)
    image = frame(48, 64).images["rgb"]
    found = Preprocessor({"rgb": spec})(Frame("f", {"rgb": image}))["rgb"]
    np.testing.assert_array_equal(found[0].astype(int), image.astype(int) - 128)


def test_quantise_rounds_and_holds_the_range():
    values = np.array([-100, -0.26, -0.24, 0.24, 0.26, 100], np.float32)
    codes = quantize(values, Quantization(0.5, 3), "int8")
    assert codes.tolist() == [-128, 2, 3, 3, 4, 127]
    assert quantize(values, Quantization(0.5, 3), "uint8").tolist() == [0, 2, 3, 3, 4, 203]


def test_colour_is_averaged_over_areas_when_it_shrinks():
    image = frame(36, 48).images["rgb"]
    wanted = cv2.resize(image, (12, 9), interpolation=cv2.INTER_AREA)
    # One level: the two libraries round means at the half differently.
    assert np.abs(resize_image(image, 9, 12).astype(int) - wanted).max() <= 1


def test_depth_takes_whole_pixels():
    depth = frame(30, 40).images["depth"]
    small = resize_nearest(depth, 8, 11)
    assert set(small.ravel()) <= set(depth.ravel())
    # OpenCV's exact variant takes the pixel under the centre, too.
    wanted = cv2.resize(depth, (11, 8), interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(small, wanted)


def test_depth_files(tmp_path):
    counts = np.array([[0, 1, 1000, 65534, 65535, 2000, 3, 4]] * 8, np.uint16)
    path = tmp_path / "depth.png"
    cv2.imwrite(str(path), counts)
    metres = read_depth(path, 0.001)
    np.testing.assert_allclose(metres[0], [0, 0.001, 1, 65.534, 0, 2, 0.003, 0.004], rtol=1e-6)
    assert metres.dtype == np.float32


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_8_bit_depth_is_refused(tmp_path, mode):
    Image.new(mode, (16, 16)).save(tmp_path / "depth.png")
    with pytest.raises(
        InputError, match="depth.png: has (8 bits, must have 16|3 channels, must have one)"
    ):
        read_depth(tmp_path / "depth.png")


def test_files_that_are_no_images(tmp_path):
    whole = tmp_path / "rgb.png"
    Image.fromarray(frame(64, 64).images["rgb"]).save(whole)
    assert read_rgb(whole).shape == (64, 64, 3)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image at all")
    Image.new("RGB", (4, 100)).save(tmp_path / "small.png")
    for name, words in (
        ("cut", "is damaged|is cut off|is empty"),
        ("empty", "is damaged|is cut off|is empty"),
        ("text", "is damaged|is cut off|is empty"),
        ("missing", "no such image"),
        ("small", "4x100 pixels; wanted at least 8"),
    ):
        with pytest.raises(InputError, match=words):
            read_rgb(tmp_path / f"{name}.png")


def test_a_pair_must_be_registered(tmp_path):
    Image.new("RGB", (16, 12)).save(tmp_path / "rgb.png")
    cv2.imwrite(str(tmp_path / "depth.png"), np.ones((12, 20), np.uint16))
    with pytest.raises(InputError, match="20x12 pixels, but .*rgb.png has 16x12"):
        read_pair(tmp_path / "rgb.png", tmp_path / "depth.png")


def test_a_frame_must_hold_what_the_inputs_want():
    only_rgb = Frame("f", {"rgb": frame().images["rgb"]})
    with pytest.raises(InputError, match="no 'depth' image, only rgb"):
        Preprocessor(inputs())(only_rgb)
    for image in (np.zeros((8, 12, 4), np.uint8), np.zeros((8, 12, 3), bool), np.zeros(3)):
        with pytest.raises(InputError, match="'rgb' is .* wanted \\(h, w, 3\\)"):
            Preprocessor(inputs())(Frame("f", dict(frame().images, rgb=image)))
    nothing = Frame("f", dict(frame().images, rgb=np.full((8, 12, 3), np.nan, np.float32)))
    with pytest.raises(InputError, match="'rgb': 288 values are NaN"):
        Preprocessor(inputs())(nothing)
    holes = np.full((8, 12), np.nan, np.float32)
    fed = Preprocessor(inputs(), as_float=True)(Frame("f", dict(frame().images, depth=holes)))
    # 0 metres, normalised in float32.
    np.testing.assert_allclose(fed["depth"], -2.5 / 1.5, rtol=1e-6)


@pytest.mark.parametrize("name", ["thermal", "nir", "normals", "normal", "hha", "rgb", "disparity"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_board_feeds_every_modality_as_the_host_does(name, dtype):
    """At the network's own size, where nothing is resized, both are one formula."""
    modality = modality_of(name)
    spec = TensorSpec(
        name,
        (1, 8, 12, modality.channels),
        "NHWC",
        "float32",
        "image",
        normalization=Normalization(modality.scale, modality.mean, modality.std),
        kind=kind_of(modality),
    )
    top = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    image = (np.random.default_rng(0).random((8, 12, modality.channels)) * top).astype(dtype)
    for picture in (image, image[..., 0]) if modality.channels == 1 else (image,):
        fed = Preprocessor({name: spec})(Frame("f", {name: picture}))[name][0]
        # float32 against float64 tables, of values up to 65535 / 255 / 0.25.
        np.testing.assert_allclose(fed, modality.normalize(picture), rtol=2e-6, atol=2e-6)
