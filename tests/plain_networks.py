"""For tests of lifting: plain networks whose norms look trained, raw pictures for them, and how far two outputs are."""

import keras
import numpy as np

from cen_keras.layers import InstanceNorm


def perturbed(network, seed=0):
    """Gives a network's norms numbers that a training could have left, so that no norm is the identity."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if kind == "moving_variance":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif kind in ("moving_mean", "beta"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
        elif kind == "gamma":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return network


def strided():
    """A network with a convolution, a norm and a ReLU at every stride."""
    x = image = keras.Input((None, None, 3))
    for k in range(5):
        x = keras.layers.Conv2D(8, 3, 2, "same", use_bias=False, name=f"b{k}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"b{k}_norm")(x)
        x = keras.layers.ReLU(name=f"b{k}_relu")(x)
    return keras.Model(image, x, name="mine")


def pictures(model, seed=1):
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(0, 255, (2, *tensor.shape[1:])).astype("float32")
        for name, tensor in model.input.items()
    }


def three(image):
    return np.repeat(image, 3 // image.shape[-1], axis=-1)


def relative(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def norm_parameters(network):
    """Numbers in a network's norms, those of nested models among them."""
    norms = (
        keras.layers.BatchNormalization,
        keras.layers.LayerNormalization,
        InstanceNorm,
    )
    return sum(
        int(np.prod(weight.shape))
        for layer in network._flatten_layers(include_self=False)
        if isinstance(layer, norms)
        for weight in layer.weights
    )
