"""Channels in front of depthwise convolutions are divided by their ranges: nothing changes but what 8 bits lose."""

import keras
import numpy as np
import pytest
from tflite_files import quantised

import cen_keras
from deploy import freeze as freezing
from deploy.freeze import freeze
from deploy.tflite.writer import write

SIZE = (32, 32)


@pytest.fixture(scope="module")
def model():
    """One block: scales from 0.005 to 2 in front of a depthwise convolution, and a norm behind it that makes up."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = image
    for layer in (
        keras.layers.Conv2D(32, 1, use_bias=False, name="expand"),
        keras.layers.BatchNormalization(name="expand_norm"),
        keras.layers.ReLU(name="expand_relu"),
        keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise"),
        keras.layers.BatchNormalization(name="depthwise_norm"),
        keras.layers.ReLU(name="depthwise_relu"),
        keras.layers.Conv2D(4, 1, name="head"),
    ):
        x = layer(x)
    network = keras.Model(image, x)
    gamma = 10 ** np.random.default_rng(0).uniform(-2.3, 0.3, 32)
    network.get_layer("expand_norm").gamma.assign(gamma)
    network.get_layer("depthwise_norm").moving_variance.assign(0.1 * gamma**2)
    return cen_keras.lift(network, ("rgb", "depth"), cen_keras.Exchange(where="^depthwise_norm$"))


def images(count, seed):
    """Of the only stream that is asked for."""
    return {"rgb": np.random.default_rng(seed).normal(size=(count, *SIZE, 3)).astype("float32")}


def without(monkeypatch):
    monkeypatch.setattr(freezing, "equalise", lambda graph, outputs: None)


def test_the_network_computes_the_very_same(model, monkeypatch):
    x = images(1, 1)
    equal = freeze(model, "rgb", SIZE)
    without(monkeypatch)
    plain = freeze(model, "rgb", SIZE)
    kernels = [[w for w in m.get_weights() if w.ndim == 4] for m in (equal, plain)]
    assert any((a != b).any() for a, b in zip(*kernels, strict=True))
    # Factors are powers of 2.
    np.testing.assert_array_equal(equal(x)["rgb"], plain(x)["rgb"])


def test_8_bits_lose_less(model, monkeypatch):
    from ai_edge_litert.interpreter import Interpreter

    samples, x = images(16, 2), images(1, 3)
    wanted = np.asarray(freeze(model, "rgb", SIZE)(x)["rgb"])

    def error():
        content = quantised(write(freeze(model, "rgb", SIZE), SIZE), samples, integer_io=False)
        found = Interpreter(model_content=content).get_signature_runner()(**x)["rgb"]
        return np.sqrt(np.mean((found - wanted) ** 2))

    equal = error()
    without(monkeypatch)
    # 0.22 of it was seen: all channels have their codes, instead of the largest few.
    assert equal < 0.5 * error()
