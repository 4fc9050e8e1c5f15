"""The scales of training windows, held against windows that are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cen_keras.data.transforms import Augmentation
from cen_keras.data.windows import window_scale

sides = st.integers(32, 700)
SHAPES = st.tuples(sides, sides)


@pytest.mark.parametrize(
    ("picture", "window", "scale"),
    [
        ((480, 640), (160, 224), (0.35, 1.0)),
        ((240, 320), (128, 160), (0.54, 1.08)),
        ((96, 128), (64, 96), (0.75, 1.5)),
        ((64, 96), (64, 96), (1.0, 2.0)),
    ],
)
def test_scales_of_usual_sizes(picture, window, scale):
    assert window_scale(picture, window) == scale


@given(SHAPES, st.data())
def test_windows_are_full_and_the_smallest_scale_shows_as_much_as_fits(picture, data):
    window = tuple(data.draw(st.integers(16, side)) for side in picture)
    low, high = window_scale(picture, window)
    assert low <= high and high >= 1
    for scale in (low, high):
        cut = Augmentation(size=window, scale=(scale, scale), mirror=False)
        view = cut({"label": np.zeros(picture, np.uint8)}, np.random.default_rng(0))
        assert (view["label"] == 0).all()  # nothing is padded
    # At the smallest scale one side of the picture just fits: a hundredth is the rounding of the scale, a
    # pixel that of the size.
    spare = [low * side - wanted for side, wanted in zip(picture, window, strict=True)]
    assert min(spare) <= 0.01 * max(picture) + 1
