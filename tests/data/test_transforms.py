"""Transforms and labels: what must hold whatever the picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cen_keras.data import labels, transforms
from cen_keras.data.transforms import Augmentation, Normalization
from cen_keras.errors import InputError

sizes = st.tuples(st.integers(3, 20), st.integers(3, 20))
seeds = st.integers(0, 10**6)


def view_of(size, seed=0):
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(*size, 3)).astype(np.float32)
    return {
        "rgb": rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        "depth": np.where(rng.random(size) < 0.2, 0, rng.uniform(0.5, 6, size)).astype(np.float32),
        "label": rng.choice(np.array([0, 5, 12, 255], np.uint8), size),
        "normal": normal / np.linalg.norm(normal, axis=-1, keepdims=True),
    }


@given(sizes, seeds)
def test_mirroring_twice_changes_nothing(size, seed):
    view = view_of(size, seed)
    once = transforms.mirror(view)
    twice = transforms.mirror(once)
    for name in view:
        assert_array_equal(twice[name], view[name])
    assert_array_equal(once["depth"][:, 0], view["depth"][:, -1])
    assert_array_equal(once["normal"][:, 0, 0], -view["normal"][:, -1, 0])


@given(sizes, sizes, seeds)
def test_resizing_makes_no_new_depth_or_label(size, new, seed):
    view = view_of(size, seed)
    resized = transforms.resize(view, new)
    assert {picture.shape[:2] for picture in resized.values()} == {new}
    assert {name: picture.dtype for name, picture in resized.items()} == {
        name: picture.dtype for name, picture in view.items()
    }
    assert np.isin(resized["depth"], view["depth"]).all()
    assert np.isin(resized["label"], view["label"]).all()
    # Depth and label come from the same pixel.
    pairs = set(zip(view["depth"].ravel(), view["label"].ravel(), strict=True))
    assert set(zip(resized["depth"].ravel(), resized["label"].ravel(), strict=True)) <= pairs


@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 4))
def test_nearest_agrees_with_opencv_at_whole_factors(height, width, factor):
    """Pixel centres are at halves in both; at odd factors no centre falls between two pixels."""
    factor = 2 * factor - 1
    label = view_of((height * factor, width * factor))["label"]
    mine = transforms.resize({"label": label}, (height, width))["label"]
    theirs = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    assert_array_equal(mine, theirs)


@settings(deadline=None)
@given(sizes, st.integers(-8, 8), st.integers(-8, 8), sizes)
def test_a_window_is_a_shift_and_is_filled_outside(size, top, left, window):
    view = view_of(size)
    cut = transforms.crop(view, top, left, window)
    for row in range(window[0]):
        for column in range(window[1]):
            y, x = row + top, column + left
            if 0 <= y < size[0] and 0 <= x < size[1]:
                for name in view:
                    assert_array_equal(cut[name][row, column], view[name][y, x])
            else:
                assert cut["label"][row, column] == 255 and cut["depth"][row, column] == 0


@settings(deadline=None)
@given(sizes, seeds, st.floats(0.3, 1), st.floats(1, 2.5), st.one_of(st.none(), sizes))
def test_augmenting_is_repeatable_and_keeps_what_a_view_is(size, seed, low, high, out):
    view = view_of(size, seed)
    before = {name: picture.copy() for name, picture in view.items()}
    augment = Augmentation(size=out, scale=(low, high))
    one = augment(view, np.random.default_rng(seed))
    two = augment(view, np.random.default_rng(seed))
    for name, picture in one.items():
        assert_array_equal(picture, two[name])
        assert_array_equal(view[name], before[name])
        assert picture.dtype == view[name].dtype
        assert picture.shape[:2] == (out or size)
    assert (one["depth"] >= 0).all()
    assert np.isin(one["label"], [0, 5, 12, 255]).all()


@settings(deadline=None)
@given(sizes, seeds, sizes)
def test_at_scale_1_a_window_shows_the_pictures_own_pixels(size, seed, window):
    view = view_of(size, seed)
    view["place"] = np.arange(1, size[0] * size[1] + 1, dtype=np.float32).reshape(size)
    plain = Augmentation(size=window, scale=(1, 1), mirror=False, colour=0, depth=0)
    place = plain(view, np.random.default_rng(seed))["place"].astype(int)
    rows, columns = np.nonzero(place)
    # As much of the picture as fits, in its own order, and one shift for all of it.
    assert len(rows) == min(size[0], window[0]) * min(size[1], window[1])
    y, x = np.divmod(place[rows, columns] - 1, size[1])
    assert len(set(y - rows)) == len(set(x - columns)) == 1


@given(sizes, seeds, sizes)
def test_without_a_scale_the_whole_picture_is_resized(size, seed, out):
    view = view_of(size, seed)
    whole = Augmentation(size=out, scale=None, mirror=False, colour=0, depth=0)
    found = whole(view, np.random.default_rng(seed))
    for name, picture in transforms.resize(view, out).items():
        assert_array_equal(found[name], picture)


def test_a_scale_is_of_the_picture_and_not_of_the_window():
    view = {"label": np.zeros((100, 200), np.uint8)}
    for window in ((20, 20), (100, 200), (150, 250)):
        half = Augmentation(size=window, scale=(0.5, 0.5), mirror=False)
        label = half(view, np.random.default_rng(0))["label"]
        assert (label == 0).sum() == min(50, window[0]) * min(100, window[1])


@given(seeds)
def test_depth_jitter_keeps_holes_and_scale(seed):
    view = view_of((10, 12), seed)
    depth = transforms.jitter_depth(view, np.random.default_rng(seed), 0.05)["depth"]
    assert_array_equal(depth == 0, view["depth"] == 0)
    measured = view["depth"] > 0
    ratio = depth[measured] / view["depth"][measured]
    # 5 % of scale, and noise of 0.002 z: six sigma at 6 m is 7 %.
    assert (np.abs(ratio - 1) < 0.05 * 1.03 + 0.075).all()


def test_modality_dropout_zeroes_one_modality_as_often_as_it_says():
    view = {name: view_of((6, 6))[name] for name in ("rgb", "depth", "label")}
    plain = {"scale": (1, 1), "mirror": False, "colour": 0, "depth": 0}
    drops = Augmentation(**plain, modality_dropout=0.4)
    lost = {"rgb": 0, "depth": 0}
    for seed in range(1000):
        seen = drops(view, np.random.default_rng(seed))
        again = drops(view, np.random.default_rng(seed))
        gone = [name for name in lost if not seen[name].any()]
        assert len(gone) <= 1
        for name in seen:
            assert_array_equal(seen[name], again[name])
            if name not in gone:
                assert_array_equal(seen[name], view[name])
        for name in gone:
            lost[name] += 1
    # 200 of 1000 each; four standard deviations of a binomial are 51.
    assert all(abs(count - 200) < 51 for count in lost.values())
    assert view["rgb"].any() and view["depth"].any()


def test_modality_dropout_leaves_a_lone_modality_and_other_draws_alone():
    view = view_of((6, 6))
    lone = {name: view[name] for name in ("depth", "label")}
    always = Augmentation(modality_dropout=1.0)
    assert always(lone, np.random.default_rng(0))["depth"].any()
    # It is drawn last: what else happens to a view does not depend on it.
    with_it = Augmentation(modality_dropout=0.5)(view, np.random.default_rng(3))
    without = Augmentation()(view, np.random.default_rng(3))
    for name in view:
        assert not with_it[name].any() or (with_it[name] == without[name]).all()
    with pytest.raises(InputError, match="modality_dropout is 1.5"):
        Augmentation(modality_dropout=1.5)


def test_colour_jitter_of_no_strength_changes_nothing():
    view = view_of((9, 9))
    same = transforms.jitter_colour(view, np.random.default_rng(0), 0.0)
    # Grey is taken off and put back in float32; rounding gives the number back.
    assert_array_equal(same["rgb"], view["rgb"])


def test_normalization_is_the_formula_and_survives_json():
    default = Normalization(["rgb", {"name": "depth", "mean": 2.5, "std": 1.5}])
    again = Normalization.from_json(default.to_json())
    assert again == default
    view = view_of((4, 5))
    rgb = default("rgb", view["rgb"])
    wanted = (view["rgb"] / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    # float32 against float64: values up to 3, seven digits.
    np.testing.assert_allclose(rgb, wanted, atol=1e-6)
    depth = default("depth", view["depth"])
    assert depth.shape == (4, 5, 1) and depth.dtype == np.float32
    np.testing.assert_allclose(depth[..., 0], (view["depth"] - 2.5) / 1.5, atol=1e-6)
    batch = default("depth", view["depth"][None])
    assert batch.shape == (1, 4, 5, 1)
    plain = Normalization(["rgb", "depth"])("depth", view["depth"])
    assert_array_equal(plain[..., 0] == 0, view["depth"] == 0)


def test_normalization_that_cannot_be():
    with pytest.raises(InputError, match="'thermal'"):
        Normalization(["rgb", "depth"])("thermal", np.zeros((2, 2)))
    values = Normalization(["rgb", "depth"]).to_json()
    values["depth"]["std"] = [0.0]
    with pytest.raises(InputError, match="above 0"):
        Normalization.from_json(values)
    del values["depth"]["std"]
    with pytest.raises(InputError, match="'std'"):
        Normalization.from_json(values)


@given(st.integers(1, 255))
def test_palettes_have_distinct_colours_and_no_black(count):
    colours = labels.palette(count)
    assert colours.shape == (count, 3) and colours.dtype == np.uint8
    assert len({tuple(row) for row in colours} | {(0, 0, 0)}) == count + 1


def test_labels_are_checked_and_coloured():
    labels.check_labels(np.array([[0, 12, 255]], np.uint8), 13, "x.png")
    with pytest.raises(InputError, match=r"x\.png: found label 13, 40.*at least 41"):
        labels.check_labels(np.array([13, 40, 2]), 13, "x.png")
    with pytest.raises(InputError, match="float32"):
        labels.check_labels(np.zeros(3, np.float32), 13, "x.png")
    picture = labels.colorize(np.array([[1, 255]], np.uint8), labels.palette(13))
    assert picture[0, 0].tolist() == labels.palette(13)[1].tolist() and not picture[0, 1].any()
