"""The convolutions that backbones are built of, against hand-padded ones and Keras' own."""

import keras
import numpy as np
import pytest

from cen_keras.layers import blocks


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(2, 8, 6, 3)).astype("float32")


def built(make, images):
    """Returns a model of one block and the layer with the weights."""
    image = keras.Input(images.shape[1:])
    model = keras.Model(image, make(image))
    return model, next(layer for layer in model.layers if layer.weights)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_is_padded_by_the_same_on_both_sides(kernel, strides, dilation, images):
    model, layer = built(
        lambda x: blocks.conv(
            x, 4, kernel, strides=strides, dilation_rate=dilation, use_bias=True, name="conv"
        ),
        images,
    )
    layer.bias.assign([1, 2, 3, 4])
    padding = (kernel - 1) // 2 * dilation
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    expected = (
        keras.ops.conv(padded, layer.kernel, strides, "valid", dilation_rate=dilation) + layer.bias
    )
    # Two orders of summing at most 7 * 7 * 3 products of size ~1 in float32.
    np.testing.assert_allclose(np.asarray(model(images)), np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_depthwise_convolution_is_padded_likewise(strides, images):
    model, layer = built(lambda x: blocks.depthwise(x, 5, strides=strides, name="conv"), images)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    expected = keras.ops.depthwise_conv(padded, layer.kernel, strides, "valid")
    # 25 products of size ~1 in float32, in two orders.
    np.testing.assert_allclose(np.asarray(model(images)), np.asarray(expected), atol=1e-5)
    assert len(layer.weights) == 1


def test_the_norm_has_pytorchs_settings():
    norm = blocks.batch_norm(keras.Input((4, 4, 2)), name="norm")._keras_history.operation
    # PyTorch's default momentum of 0.1 is the weight of the new value.
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)


def test_a_pool_sees_nothing_outside_the_map(images):
    model = keras.Model(x := keras.Input((8, 6, 3)), blocks.max_pool(x, 5, name="pool"))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (1, 2))
    np.testing.assert_array_equal(model(images), windows.max((-2, -1)))


def test_dropout_of_rate_zero_is_no_layer():
    x = keras.Input((4, 4, 2))
    assert blocks.dropped(x, 0.0, 0, "dropout") is x
    assert blocks.dropped(x, 0.5, 3, "dropout")._keras_history.operation.seed == 3
