"""Pictures of views: colours as they are, near things bright, nothing measured black."""

import numpy as np

from cen_keras.visualization import RAMP, shown


def test_colours_stay_as_they_are():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(shown(rgb), rgb)


def test_values_run_over_the_ramp_and_missing_is_black():
    depth = np.linspace(1, 5, 101, dtype=np.float32)[None]
    depth[0, 50] = 0
    picture = shown(depth, missing=0.0)
    # Two of a hundred values at each end are beyond the ramp.
    np.testing.assert_array_equal(picture[0, 0], RAMP[0])
    np.testing.assert_array_equal(picture[0, -1], RAMP[-1])
    assert picture[0, 50].tolist() == [0, 0, 0]
    assert (np.diff(np.delete(picture[0], 50, 0).astype(int).sum(-1)) <= 0).all()
    depth[0, 50] = np.nan
    np.testing.assert_array_equal(shown(depth, missing=0.0), picture)


def test_what_has_one_value_or_none_is_painted_too():
    assert shown(np.full((2, 3, 1), 7, np.uint16)).shape == (2, 3, 3)
    assert not shown(np.zeros((2, 3)), missing=0.0).any()
