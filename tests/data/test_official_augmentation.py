"""The official chain, against the same steps written with NumPy's padding and OpenCV's resizing."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cen_keras.data.official_augmentation import PADDING_DEPTH, OfficialAugmentation
from cen_keras.errors import InputError
from cen_keras.modalities import Modality


def view_of(height=46, width=62, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "rgb": rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        "depth": rng.uniform(0.5, 8, (height, width)).astype(np.float32),
        "label": rng.integers(0, 40, (height, width), dtype=np.uint8),
    }


class Draws:
    """A generator of given numbers."""

    def __init__(self, factor, integers):
        self.factor, self.given = factor, list(integers)

    def uniform(self, low, high):
        assert low <= self.factor <= high
        return self.factor

    def integers(self, above):
        value = self.given.pop(0)
        assert 0 <= value < above
        return value


def oracle(view, factor, size, short, turned, top, left):
    """The published steps on three-channel counts, as the official code has its pictures."""
    factor = max(factor, short / min(view["rgb"].shape[:2]))
    rgb = cv2.resize(view["rgb"], None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    counts = np.dstack([np.round(view["depth"] * 5000).astype(np.uint16)] * 3)
    counts = cv2.resize(counts, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    mask = cv2.resize(view["label"], None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    around = [(max(0, (size - side + 1) // 2),) * 2 for side in rgb.shape[:2]]
    mean = np.array([123.675, 116.28, 103.53])
    rgb, counts = (
        np.dstack(
            [np.pad(p[..., c], around, constant_values=mean[c].astype(p.dtype)) for c in (0, 1, 2)]
        )
        for p in (rgb, counts)
    )
    mask = np.pad(mask, around, constant_values=255)
    if turned:
        rgb, counts, mask = rgb[:, ::-1], counts[:, ::-1], mask[:, ::-1]
    window = (slice(top, top + size), slice(left, left + size))
    return rgb[window], counts[window] / 5000, mask[window]


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("factor", [0.5, 0.81, 1.0, 1.37, 2.0])
def test_the_chain_equals_the_official_steps(factor, turned):
    view = view_of()
    augment = OfficialAugmentation(size=50, short_side=35)
    top = 1 if factor > 1 else 0
    got = augment(view, Draws(factor, [turned, top, 0]))
    rgb, depth, mask = oracle(view, factor, 50, 35, turned, top, 0)
    np.testing.assert_array_equal(got["rgb"], rgb)
    np.testing.assert_array_equal(got["label"], mask)
    # One count is 1/5000 m and rounding half of it; padding is the mean of 103 to 123 counts, so
    # within 11 of each.
    inside = mask != 255
    np.testing.assert_allclose(got["depth"][inside], depth[inside][:, 1], atol=1.01e-4)
    np.testing.assert_allclose(
        np.broadcast_to(got["depth"][..., None], depth.shape), depth, atol=11.5 / 5000
    )
    if factor < 1:
        assert (~inside).any() and set(got["depth"][~inside]) == {np.float32(PADDING_DEPTH)}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 60),
    st.integers(8, 60),
    st.integers(2, 41),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 99),
)
def test_every_picture_comes_out_as_a_window_of_one_place(
    height, width, size, short, nearest, seed
):
    view = view_of(height, width)
    view["place"] = np.arange(height * width, dtype=np.float32).reshape(height, width)
    view["label"] = (view["place"] % 40).astype(np.uint8)
    augment = OfficialAugmentation(
        size=size, short_side=short, official_nearest=nearest, official_depth_padding=False
    ).for_data((Modality("place", channels=1, interpolation="nearest"),), 255)
    got = augment(view, np.random.default_rng(seed))
    again = augment(view, np.random.default_rng(seed))
    for name, picture in got.items():
        assert picture.shape[:2] == (size - size % 2,) * 2 and picture.dtype == view[name].dtype
        np.testing.assert_array_equal(picture, again[name])
    # Labels and depth are taken from the same pixel of the picture.
    inside = got["label"] != 255
    np.testing.assert_array_equal(got["label"][inside], got["place"][inside] % 40)
    np.testing.assert_array_equal(
        got["depth"][inside], view["depth"].ravel()[got["place"][inside].astype(int)]
    )
    assert (got["depth"][~inside] == 0).all() and (got["rgb"][~inside] == (123, 116, 103)).all()


def test_the_short_side_bounds_the_factor():
    augment = OfficialAugmentation()
    view = view_of(468, 625)
    factors = [augment.factor(view, np.random.default_rng(seed)) for seed in range(400)]
    assert min(factors) == 350 / 468 and 1.9 < max(factors) <= 2
    # P(U(0.5, 2) < 0.748) = 0.165; 400 draws stray by 3 deviations of 0.0186 at most.
    assert abs(np.mean(np.array(factors) == 350 / 468) - 0.165) < 0.056


@pytest.mark.parametrize(
    "wrong", [{"scale": (2, 1)}, {"scale": (0, 1)}, {"size": 1}, {"short_side": 0}]
)
def test_numbers_that_make_no_sense(wrong):
    with pytest.raises(InputError, match="augmentation: "):
        OfficialAugmentation(**wrong)
