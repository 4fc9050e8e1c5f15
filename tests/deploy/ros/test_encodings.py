"""Messages become the images that they were made from, whatever their encoding."""

import io
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from deploy.ros.encodings import colour_image, depth_image, fill_image, grey_image
from deploy.runtime.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 10, 3), dtype=np.uint8)
COUNTS = RNG.integers(1, 65535, (6, 10), dtype=np.uint16)


def message(array, encoding, *, filling=0, big=False):
    """As a driver would fill it: rows one after the other, each with some bytes behind it."""
    array = array.astype(array.dtype.newbyteorder(">" if big else "<"))
    rows = array.reshape(array.shape[0], -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((len(rows), filling), 77, np.uint8)], axis=1)
    return SimpleNamespace(
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=rows.shape[1],
        data=rows.tobytes(),
    )


def compressed(content, kind):
    return SimpleNamespace(format=kind, data=content)


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


@pytest.mark.parametrize("filling", [0, 2])
@pytest.mark.parametrize(
    ("encoding", "conversion"),
    [
        ("rgb8", None),
        ("bgr8", cv2.COLOR_RGB2BGR),
        ("8UC3", cv2.COLOR_RGB2BGR),
        ("rgba8", cv2.COLOR_RGB2RGBA),
        ("bgra8", cv2.COLOR_RGB2BGRA),
    ],
)
def test_colours(encoding, conversion, filling):
    pixels = RGB if conversion is None else cv2.cvtColor(RGB, conversion)
    found = colour_image(message(pixels, encoding, filling=filling))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RGB)


def test_greys_become_three_equal_channels():
    found = colour_image(message(RGB[..., 0], "mono8"))
    np.testing.assert_array_equal(found, np.stack([RGB[..., 0]] * 3, axis=-1))


@pytest.mark.parametrize(
    "given",
    [
        *(message(COUNTS, name, big=big) for name in ("16UC1", "mono16") for big in (False, True)),
        compressed(png(COUNTS), "mono16; png compressed"),
        *(message(RGB[..., 0], name, filling=2) for name in ("mono8", "8UC1")),
        compressed(png(RGB[..., 0]), "mono8; png compressed"),
    ],
)
def test_one_channel_stays_one_with_its_type(given):
    found = grey_image(given)
    wanted = COUNTS if found.dtype == np.uint16 else RGB[..., 0]
    assert found.dtype.isnative and found.dtype in (np.uint8, np.uint16)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_depth_in_counts(encoding, big):
    counts = COUNTS.copy()
    counts[0, :2] = 0, 65535
    found = depth_image(message(counts, encoding, filling=4, big=big), 0.001)
    wanted = counts / 1000.0
    wanted[0, :2] = 0
    assert found.dtype == np.float32
    # The scale and the product are each rounded to float32, by 2**-24 of themselves.
    np.testing.assert_allclose(found, wanted, rtol=2**-23)


@pytest.mark.parametrize("big", [False, True])
def test_depth_in_metres(big):
    metres = (COUNTS / 1000).astype(np.float32)
    metres[0, :5] = 0, np.nan, np.inf, -np.inf, -1
    found = depth_image(message(metres, "32FC1", big=big))
    np.testing.assert_array_equal(found[0, :5], 0)
    np.testing.assert_array_equal(found[1:], metres[1:])


def test_compressed_colours():
    bgr = RGB[..., ::-1]
    np.testing.assert_array_equal(colour_image(compressed(png(bgr), "rgb8; png")), RGB)
    flat = np.full((32, 48, 3), (200, 30, 60), np.uint8)
    content = cv2.imencode(".jpg", flat[..., ::-1])[1].tobytes()
    # A flat colour survives JPEG but for the rounding of its three transforms.
    found = colour_image(compressed(content, "bgr8; jpeg compressed bgr8")).astype(int)
    assert np.abs(found - flat).max() <= 3


def test_compressed_depth_in_counts():
    content = struct.pack("<iff", 0, 0.0, 0.0) + png(COUNTS)
    found = depth_image(compressed(content, "16UC1; compressedDepth png"), 0.001)
    np.testing.assert_allclose(found, COUNTS / 1000, rtol=2**-23)


def test_compressed_depth_in_metres():
    # As compressed_depth_image_transport writes it: round(a / depth + b), 0 where it is not known.
    metres = np.linspace(0.3, 9.5, 60).reshape(6, 10)
    quantization, most = 100.0, 10.0
    a = quantization * (quantization + 1)
    b = 1 - a / most
    codes = (a / metres + b).astype(np.uint16)
    codes[0, 0] = 0
    content = struct.pack("<iff", 0, a, b) + png(codes)
    found = depth_image(compressed(content, "32FC1; compressedDepth png"))
    assert found[0, 0] == 0
    # A code stands for depths between a / (code - b) and a / (code + 1 - b): depth**2 / a.
    error = np.abs(found - metres).ravel()[1:]
    assert (error <= metres.ravel()[1:] ** 2 / a * 1.1 + 1e-5).all()


@pytest.mark.parametrize(
    ("read", "given", "words"),
    [
        (colour_image, message(COUNTS, "bayer_rggb8"), "'bayer_rggb8' is none of a colour image"),
        (depth_image, message(RGB, "rgb8"), "'rgb8' is none of a depth image"),
        (grey_image, message(RGB, "rgb8"), "'rgb8' is none of one channel"),
        (colour_image, compressed(b"nothing", "jpeg"), "not whole"),
        (colour_image, compressed(png(COUNTS), "mono16; png compressed"), "more than 8 bits"),
        (depth_image, compressed(b"RVL" * 20, "16UC1; compressedDepth rvl"), "holds no PNG"),
        (depth_image, compressed(png(RGB), "16UC1; png"), "has lost the metres"),
        (depth_image, compressed(png(COUNTS), "32FC1; png"), "lacks the numbers before"),
        (depth_image, compressed(png(COUNTS)[:60], "16UC1; png"), "not whole"),
    ],
)
def test_what_cannot_be_read_is_named(read, given, words):
    with pytest.raises(InputError, match=words):
        read(given)


@pytest.mark.parametrize("change", [{"data": b"12"}, {"step": 3}, {"height": 0}, {"width": 99}])
def test_too_few_bytes(change):
    broken = message(RGB, "rgb8")
    vars(broken).update(change)
    with pytest.raises(InputError, match="a rgb8 image of .* bytes a row"):
        colour_image(broken)


@pytest.mark.parametrize(
    ("image", "encoding"), [(RGB[..., 0], "mono8"), (COUNTS, "mono16"), (RGB, "rgb8")]
)
def test_messages_are_filled(image, encoding):
    found = fill_image(SimpleNamespace(), image, encoding)
    assert (found.height, found.width, found.encoding) == (6, 10, encoding)
    assert found.data.tobytes() == image.tobytes()
    assert found.step == len(found.data) // 6


def test_a_label_image_survives_png():
    buffer = io.BytesIO()
    Image.fromarray(COUNTS).save(buffer, "PNG")
    found = depth_image(compressed(buffer.getvalue(), "16UC1; compressedDepth"), 1.0)
    np.testing.assert_array_equal(found, np.where(COUNTS == 65535, 0, COUNTS))
