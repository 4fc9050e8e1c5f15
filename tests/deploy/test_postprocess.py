"""From logits to classes, scores and pictures, against other libraries and counting by hand."""

import types

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from deploy.runtime import pictures
from deploy.runtime.postprocess import class_map, dequantize, interpolation_matrix
from deploy.runtime.tensors import Quantization, TensorSpec


@settings(max_examples=25, deadline=None)
@given(*[st.integers(1, 30)] * 4, st.integers(0, 1000))
def test_class_maps_are_those_of_opencvs_interpolation(h, w, height, width, seed):
    logits = np.random.default_rng(seed).normal(size=(h, w, 5)).astype(np.float32)
    large = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    classes = class_map(logits, height, width)
    best = large.reshape(height, width, 5).max(-1)
    chosen = np.take_along_axis(large.reshape(height, width, 5), classes[..., None].astype(int), -1)
    # Two classes within float32 rounding of each other may change places.
    assert (best - chosen[..., 0]).max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(2, 8), st.integers(0, 1000))
def test_whole_factors_go_cell_by_cell_to_the_same_classes(h, w, factor, seed):
    rng = np.random.default_rng(seed)
    # Large areas of one class and borders between them, as trained logits have.
    logits = cv2.resize(
        rng.normal(size=(3, 3, 5)).astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR
    )
    height, width = h * factor, w * factor
    rows, columns = interpolation_matrix(h, height), interpolation_matrix(w, width)
    large = np.einsum("Hh,hwc,Ww->HWc", rows, logits.reshape(h, w, 5), columns)
    classes = class_map(logits.reshape(h, w, 5), height, width)
    assert classes.shape == (height, width)
    chosen = np.take_along_axis(large, classes[..., None].astype(int), -1)[..., 0]
    # Two classes within float32 rounding of each other may change places.
    assert (large.max(-1) - chosen).max() < 1e-5


@pytest.mark.parametrize("size", [5, 6])
def test_the_first_of_equal_classes_wins(size):
    assert class_map(np.zeros((2, 2, 4), np.float32), size, size).max() == 0


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_logits_of_the_map_s_size_are_only_compared(dtype):
    logits = np.random.default_rng(0).integers(-9, 9, (12, 16, 5)).astype(dtype)
    found = class_map(logits, 12, 16)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.argmax(logits, axis=-1))


def test_weights_of_a_pixel_sum_to_one():
    # float32 rounding of two weights.
    np.testing.assert_allclose(interpolation_matrix(7, 19).sum(1), 1, atol=1e-7)


def test_codes_of_one_class_are_no_classes():
    codes = np.arange(-6, 6, dtype=np.int8).reshape(3, 4, 1)
    assert not class_map(codes, 6, 8).any()
    classes = class_map(codes.astype(np.int32) + 6, 6, 8)
    np.testing.assert_array_equal(classes, np.arange(12).reshape(3, 4).repeat(2, 0).repeat(2, 1))


def test_dequantise():
    spec = TensorSpec("a", (1, 1, 1, 3), "NHWC", "int8", "logits", Quantization(0.5, -2))
    values = dequantize(np.array([-128, -2, 127], np.int8), spec)
    assert values.tolist() == [-63.0, 0.0, 64.5]
    assert values.dtype == np.float32


def test_pictures_have_the_colours_of_the_palette():
    palette = [(10, 20, 30), (40, 50, 60)]
    painted = pictures.colorize(np.array([[0, 1, 255]], np.uint8), palette)
    assert painted.tolist() == [[[10, 20, 30], [40, 50, 60], [0, 0, 0]]]
    strip = pictures.legend(["wall", "floor"], palette, 120)
    assert all((strip == colour).all(-1).any() for colour in palette)
    only = pictures.legend(["wall", "floor"], palette, 120, present=[1])
    assert not (only == palette[0]).all(-1).any()


def test_near_is_brighter_than_far_and_missing_is_black():
    painted = pictures.depth_picture(np.array([[0, 1, 2, 3, 4]], np.float32)).sum(-1)[0].astype(int)
    assert painted[0] == 0
    assert (np.diff(painted[1:]) < 0).all()
    assert pictures.depth_picture(np.zeros((3, 4), np.float32)).max() == 0


def test_differences_are_marked_where_they_are():
    first, second = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    second[1, 2] = 3
    marked = pictures.difference_map(first, second)
    assert (marked != marked[0, 0]).any(-1).nonzero()[0].tolist() == [1]
    mixed = pictures.overlay(
        np.full((1, 1, 3), 100, np.uint8), np.full((1, 1, 3), 200, np.uint8), 0.5
    )
    assert mixed.tolist() == [[[150, 150, 150]]]
    values = np.arange(256, dtype=np.uint8)
    levels = [np.repeat(v[..., None], 3, -1) for v in np.meshgrid(values, values)]
    wanted = levels[0] * 0.45 + levels[1] * 0.55
    # 0.55 is taken as 141/256, 0.0008 off; and half a level of rounding.
    assert np.abs(pictures.overlay(*levels) - wanted).max() <= 0.5 + 255 * 0.0008


def test_pages_hold_their_pictures():
    row = pictures.side_by_side([("a", np.full((10, 20, 3), 9, np.uint8))] * 3, 30)
    assert (row == 9).all(-1).sum() == 3 * 30 * 60
    page = pictures.stack([row, row[:5, :7]])
    assert page.shape == (row.shape[0] + 5, row.shape[1], 3)


def test_codes_have_the_order_of_their_logits():
    generator = np.random.default_rng(0)
    codes = generator.integers(-128, 128, (6, 8, 5)).astype(np.int8)
    # A power of two as scale: dequantising is exact, so ties are ties on both sides.
    spec = TensorSpec("a", (1, 6, 8, 5), "NHWC", "int8", "logits", Quantization(0.25, -3))
    for size in ((24, 32), (13, 29)):
        wanted = class_map(dequantize(codes, spec), *size)
        found = class_map(codes, *size)
        # Interpolation at whole factors of two is exact; elsewhere near-ties may go either way.
        assert (found != wanted).mean() <= (0 if size == (24, 32) else 0.02)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(2, 11),
    st.sampled_from([2, 13, 255]),
    st.sampled_from([1, 40, 128]),
    st.integers(0, 1000),
)
def test_enlarged_codes_are_those_of_whole_numbers(h, w, factor, classes, largest, seed):
    """Small codes make many ties, large ones sums near the end of what float32 holds exactly."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(-largest, largest, (h, w, classes)).astype(np.int8)
    # Weights are multiples of half a pixel of the large map.
    weights = [
        np.rint(2 * factor * interpolation_matrix(n, n * factor)).astype(np.int64) for n in (h, w)
    ]
    rows = np.tensordot(weights[0], codes.astype(np.int64), axes=(1, 0))
    sums = np.tensordot(weights[1], rows, axes=(1, 1)).transpose(1, 0, 2)
    np.testing.assert_array_equal(class_map(codes, h * factor, w * factor), sums.argmax(-1))


def test_a_font_of_an_old_pillow_says_how_wide_a_text_is():
    """Pillow 7 and 9.0, as JetPack 5 and 6 have them, know the bitmap font's size by another name."""
    old = types.SimpleNamespace(getsize=lambda text: (6 * len(text), 11))
    assert pictures._text_width("sofa", old) == 24
    new = pictures._font(14)
    left, _, right, _ = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((0, 0), "sofa", font=new)
    assert pictures._text_width("sofa", new) == right - left


def test_an_old_pillow_draws_names_of_any_script(monkeypatch):
    monkeypatch.setattr(pictures, "_font", lambda size: ImageFont.load_default_imagefont())
    small = np.zeros((4, 4, 3), np.uint8)
    for name, like in (("沙发", "??"), ("canapé ł", "canapé ?")):
        for draw in (
            lambda text: pictures.legend([text], [(1, 2, 3)], 200),
            lambda text: pictures.side_by_side([(text, small)], 40),
        ):
            np.testing.assert_array_equal(draw(name), draw(like))
