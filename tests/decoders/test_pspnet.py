"""PSPNet: sizes, the published head's parameters, dilation, pooling over the whole map."""

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

from cen_keras.backbones import BACKBONES
from cen_keras.decoders import DECODERS
from cen_keras.fusion import Exchange
from cen_keras.models import Segmenter

SMALL = {"decoder": "pspnet", "decoder_options": {"filters": 16}}


@pytest.mark.parametrize("modalities", [("rgb",), ("rgb", "depth", "normal")])
def test_any_number_of_modalities(modalities):
    model = trained_looking(Segmenter(modalities, 5, "narrow", **SMALL))
    out = model(images(model, (64, 64)))
    assert set(out) == {*modalities, "ensemble"}


def test_logits_have_an_eighth_of_any_image_size():
    model = trained_looking(Segmenter(num_classes=5, backbone="resnet50_dilated", **SMALL))
    out = model(images(model, (50, 70)))
    # 50 -> 25 -> 13 -> 7 and 70 -> 35 -> 18 -> 9, each step rounded up.
    assert all(tuple(logits.shape) == (1, 7, 9, 5) for logits in out.values())


def test_saves_and_loads(tmp_path):
    model = trained_looking(Segmenter(num_classes=5, backbone="narrow", **SMALL))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = images(model, (64, 96))
    for name, logits in again(x).items():
        np.testing.assert_array_equal(logits, model(x)[name])


def test_every_pixel_sees_the_whole_image():
    model = trained_looking(Segmenter(("rgb",), 3, "narrow", **SMALL))
    x = images(model, (192, 192))
    before = np.asarray(model(x)["rgb"])
    x["rgb"][:, -8:, -8:] += 10
    assert np.abs(np.asarray(model(x)["rgb"]) - before)[:, 0, 0].max() > 0


@pytest.mark.parametrize(
    "depth",
    [50, pytest.param(101, marks=pytest.mark.slow), pytest.param(152, marks=pytest.mark.slow)],
)
def test_a_dilated_encoder_has_the_plain_ones_weights(depth):
    def shapes(name):
        image = keras.Input((64, 96, 3))
        features = BACKBONES[name](image)
        model = keras.Model(image, features)
        sizes = [tuple(level.shape[1:3]) for level in features.values()]
        return [(w.path, w.shape) for w in model.weights], sizes, model

    plain, _, _ = shapes(f"resnet{depth}")
    dilated, sizes, model = shapes(f"resnet{depth}_dilated")
    assert dilated == plain
    assert sizes == [(16, 24), (8, 12), (8, 12), (8, 12)]
    rates = {
        stage: {
            layer.dilation_rate
            for layer in model.layers
            if layer.name.startswith(f"stack{stage}") and layer.name.endswith("conv2")
        }
        for stage in (1, 2, 3, 4)
    }
    assert rates == {1: {(1, 1)}, 2: {(1, 1)}, 3: {(2, 2)}, 4: {(4, 4)}}


def test_the_head_has_the_published_size():
    features = {"P5": keras.Input((8, 12, 2048))}
    head = keras.Model(features["P5"], DECODERS["pspnet"](features, 150))
    # Four 1x1 convolutions 2048 -> 512 and one 3x3 convolution 4096 -> 512, each with scale and
    # bias of its norm, and the classifier with its bias.
    wanted = 4 * (2048 * 512 + 2 * 512) + 9 * 4096 * 512 + 2 * 512 + 512 * 150 + 150
    assert sum(int(np.prod(v.shape)) for v in head.trainable_variables) == wanted


def test_the_head_learns_its_statistics_while_the_encoders_are_frozen():
    model = Segmenter(
        ("rgb", "depth"), 3, "narrow", fusion=Exchange(freeze_statistics=True), **SMALL
    )
    assert model.get_layer("stem_norm").freeze_statistics
    assert not model.get_layer("decoder_norm").freeze_statistics
