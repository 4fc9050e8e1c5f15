"""FitChannels against written-out matrices and a loop."""

import keras
import numpy as np
import pytest

from cen_keras.layers import FitChannels
from cen_keras.layers.fit_channels import fit_matrix


@pytest.mark.parametrize(
    ("found", "wanted", "matrix"),
    [
        (1, 3, [[1, 1, 1]]),
        (2, 3, [[1, 0, 1], [0, 1, 0]]),
        (3, 3, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (4, 2, [[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]]),
        (5, 3, [[0.5, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0.5, 0], [0, 0, 1]]),
    ],
)
def test_channels_are_repeated_in_turn_or_averaged_in_groups(found, wanted, matrix):
    np.testing.assert_array_equal(fit_matrix(found, wanted), np.float32(matrix))


@pytest.mark.parametrize(("found", "wanted"), [(1, 3), (2, 3), (3, 3), (2, 7), (7, 3), (13, 3)])
def test_the_layer_does_what_the_matrix_says(found, wanted):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, found)).astype("float32")
    layer = FitChannels(wanted)
    out = np.asarray(layer(x))
    assert out.shape == layer.compute_output_shape(x.shape) == (2, 4, 5, wanted)
    for c in range(wanted):
        if found <= wanted:
            np.testing.assert_array_equal(out[..., c], x[..., c % found])
        else:
            group = [i for i in range(found) if i * wanted // found == c]
            # A mean of at most five float32 numbers of size ~2.
            np.testing.assert_allclose(out[..., c], x[..., group].mean(-1), rtol=0, atol=1e-6)
    # Each channel weighs as much as it is wide: a constant image stays constant.
    np.testing.assert_allclose(layer(np.ones_like(x)), 1, rtol=0, atol=1e-6)


def test_repeated_channels_keep_their_numbers_in_half_precision():
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 1)).astype("float16")
    out = FitChannels(3, dtype="mixed_float16")(x)
    assert keras.backend.standardize_dtype(out.dtype) == "float16"
    np.testing.assert_array_equal(out, np.repeat(x, 3, -1))


def test_config_round_trip():
    layer = FitChannels(3, name="tile_depth")
    again = FitChannels.from_config(layer.get_config())
    assert (again.channels, again.name) == (3, "tile_depth")
