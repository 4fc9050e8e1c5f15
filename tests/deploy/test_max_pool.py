"""max_pool: a large window in two, the same numbers to the last bit; others stay whole."""

import keras
import numpy as np
import pytest

from deploy.freeze.layers import max_pool

X = np.random.default_rng(0).normal(size=(2, 9, 12, 3)).astype(np.float32)


def pools(size, strides=1, padding="same"):
    image = keras.Input(X.shape[1:])
    model = keras.Model(image, max_pool(image, size, strides, padding, name="pool"))
    np.testing.assert_array_equal(model(X), keras.layers.MaxPooling2D(size, strides, padding)(X))
    return [layer.pool_size for layer in model.layers[1:]]


@pytest.mark.parametrize("size", [4, 5, (5, 7)])
def test_two_pools_give_what_one_gives(size):
    rows, columns = (size, size) if isinstance(size, int) else size
    assert pools(size) == [(1, columns), (rows, 1)]


@pytest.mark.parametrize("options", [(3,), (5, 2), (5, 1, "valid"), ((5, 2), 1)])
def test_small_striding_and_unpadded_pools_stay_whole(options):
    assert len(pools(*options)) == 1
