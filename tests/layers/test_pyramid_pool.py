"""PyramidPool against torch's AdaptiveAvgPool2d and against plain slices in NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cen_keras.errors import InputError
from cen_keras.layers.pyramid_pool import PyramidPool, bin_edges, bin_matrix

# A mean of at most 13 * 17 float32 numbers of size ~1, each rounded to 6e-8.
TOLERANCE = 2e-6


def images(height, width, seed=0):
    return np.random.default_rng(seed).normal(size=(2, height, width, 3)).astype("float32")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 13), st.integers(1, 17), st.sampled_from([1, 2, 3, 6]))
def test_equals_the_mean_of_each_bin(height, width, bins):
    x = images(height, width)
    pooled = PyramidPool(bins)(x)
    for i, (top, bottom) in enumerate(bin_edges(height, bins)):
        for j, (left, right) in enumerate(bin_edges(width, bins)):
            mean = x[:, top:bottom, left:right].mean((1, 2))
            np.testing.assert_allclose(pooled[:, i, j], mean, atol=TOLERANCE)


@pytest.mark.parametrize("size", [(12, 18), (13, 17), (4, 5), (6, 6)])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_equals_torch(size, bins):
    torch = pytest.importorskip("torch")
    x = images(*size)
    image = torch.from_numpy(x.transpose(0, 3, 1, 2))
    wanted = torch.nn.AdaptiveAvgPool2d(bins)(image).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(PyramidPool(bins)(x), wanted, atol=TOLERANCE)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 8))
def test_a_size_known_only_at_the_call_gives_the_same_bins(size, bins):
    dynamic = bin_matrix(keras.ops.convert_to_tensor(size), bins)
    # One float32 division on either side.
    np.testing.assert_allclose(dynamic, bin_matrix(size, bins), rtol=3e-7)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others trace with sizes known")
def test_a_model_without_a_fixed_size_pools_any_image():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, PyramidPool(3)(image))
    for size in ((9, 12), (10, 11)):
        x = images(*size)
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, PyramidPool(3)(x), atol=TOLERANCE)


def test_config_and_a_bad_number():
    layer = PyramidPool(3)
    assert PyramidPool.from_config(layer.get_config()).bins == 3
    with pytest.raises(InputError, match="found 0"):
        PyramidPool(0)
