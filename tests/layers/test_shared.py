"""Shared convolutions against Keras' own, and symmetric padding against a hand-padded one."""

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.layers import SharedConv2D, SharedConv2DTranspose, SharedDepthwiseConv2D


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return {m: rng.normal(size=(2, 8, 6, 3)).astype("float32") for m in ("rgb", "depth")}


@pytest.mark.parametrize(
    ("shared", "plain"),
    [
        (
            SharedConv2D(4, 3, strides=2, padding="same"),
            keras.layers.Conv2D(4, 3, strides=2, padding="same"),
        ),
        (SharedDepthwiseConv2D(3, padding="same"), keras.layers.DepthwiseConv2D(3, padding="same")),
        (
            SharedConv2DTranspose(4, 4, strides=2, padding="same"),
            keras.layers.Conv2DTranspose(4, 4, strides=2, padding="same"),
        ),
    ],
)
def test_every_stream_meets_the_same_weights(shared, plain, images):
    out = shared(images)
    plain.build((2, 8, 6, 3))
    plain.set_weights(shared.get_weights())
    for name, image in images.items():
        np.testing.assert_array_equal(out[name], plain(image))
    assert len(shared.weights) == 2


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_symmetric_padding_adds_the_same_on_both_sides(kernel, strides, dilation, images):
    layer = SharedConv2D(4, kernel, strides=strides, dilation_rate=dilation, padding="symmetric")
    out = layer(images)
    margin = (kernel - 1) // 2 * dilation
    padded = np.pad(images["rgb"], ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    expected = (
        keras.ops.conv(padded, layer.kernel, strides, "valid", dilation_rate=dilation) + layer.bias
    )
    # Two orders of summing at most 7 * 7 * 3 products of size ~1 in float32.
    np.testing.assert_allclose(np.asarray(out["rgb"]), np.asarray(expected), atol=1e-5)
    assert out["rgb"].shape == layer.compute_output_shape({"rgb": images["rgb"].shape})["rgb"]


def test_config_keeps_symmetric_padding():
    config = SharedConv2D(4, 3, strides=2, padding="symmetric", name="stem").get_config()
    assert SharedConv2D.from_config(config).margin == (1, 1)


def test_channels_first_is_refused():
    with pytest.raises(InputError, match="channels_last"):
        SharedConv2D(4, 3, data_format="channels_first")
