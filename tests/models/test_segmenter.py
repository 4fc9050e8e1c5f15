"""Segmenter: shapes, names, one label for all outputs, save and load, and where it exchanges."""

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

from cen_keras.backbones import BACKBONES
from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.layers import ModalityNorm
from cen_keras.lifting import lift
from cen_keras.losses import SegmentationLoss
from cen_keras.modalities import Modality
from cen_keras.models import Segmenter

SMALL = {"backbone": "narrow", "decoder_options": {"filters": 16, "pooling_stages": 2}}


@pytest.mark.parametrize(
    "modalities", [("rgb",), ("rgb", "depth"), ("zeta", "alpha"), ("rgb", "depth", "normal")]
)
def test_every_stream_and_the_ensemble_give_logits(modalities, tmp_path):
    model = trained_looking(Segmenter(modalities, 5, **SMALL))
    x = images(model, (64, 96), batch=2)
    out = model(x)
    assert set(out) == {*modalities, "ensemble"}
    assert all(tuple(logits.shape) == (2, 16, 24, 5) for logits in out.values())
    weights = np.exp(model.get_layer("ensemble").alpha)
    mean = sum(
        w * np.asarray(out[m]) for w, m in zip(weights / weights.sum(), modalities, strict=True)
    )
    # Weights and up to three products and sums, each rounded to float32 (6e-8 relative to the largest logit).
    np.testing.assert_allclose(np.asarray(out["ensemble"]), mean, atol=1e-6 * np.abs(mean).max())

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.modalities == modalities
    for name, logits in again(x).items():
        np.testing.assert_array_equal(logits, out[name])


def test_any_image_size_gives_a_quarter_rounded_up():
    out = Segmenter(num_classes=3, **SMALL)(
        {"rgb": np.zeros((1, 50, 70, 3)), "depth": np.zeros((1, 50, 70, 1))}
    )
    assert tuple(out["rgb"].shape) == (1, 13, 18, 3)


@pytest.mark.parametrize(
    ("backbone", "exchanging"),
    [
        ("resnet18", 8),
        ("resnet50", 16),
        pytest.param("resnet34", 16, marks=pytest.mark.slow),
        pytest.param("resnet101", 33, marks=pytest.mark.slow),
        pytest.param("resnet152", 50, marks=pytest.mark.slow),
    ],
)
def test_every_block_exchanges_once_and_before_a_convolution(backbone, exchanging):
    image = keras.Input((64, 64, 3))
    model = lift(keras.Model(image, BACKBONES[backbone](image)), ("rgb", "depth"), Exchange())
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, ModalityNorm) and layer.exchange_threshold is not None
    ]
    assert len(norms) == exchanging
    suffix = "_norm1" if backbone in ("resnet18", "resnet34") else "_norm2"
    assert all(norm.name.endswith(suffix) for norm in norms)


def test_without_a_threshold_nothing_exchanges():
    model = trained_looking(Segmenter(num_classes=3, fusion=Exchange(None), **SMALL), share=1.0)
    x = images(model, (64, 64))
    before = np.asarray(model(x)["rgb"])
    x["depth"] = x["depth"] + 1
    np.testing.assert_array_equal(model(x)["rgb"], before)


def test_fit_gives_one_label_to_every_output_and_counts_the_penalty_once():
    fusion = Exchange(sparsity=0.1, gamma_initializer=0.3)
    model = Segmenter(num_classes=3, fusion=fusion, **SMALL)
    x = images(model, (32, 32), batch=2)
    label = np.random.default_rng(0).integers(0, 3, (2, 32, 32))
    model.compile("sgd", loss=SegmentationLoss())
    logs = model.evaluate(x, label, verbose=0, return_dict=True)
    penalised = (
        sum(
            norm.gamma.shape[0]
            for layer in model.layers
            if isinstance(layer, ModalityNorm) and layer.sparsity
            for norm in layer.norms
        )
        // 2
    )
    streams = sum(logs[f"{name}_loss"] for name in ("rgb", "depth", "ensemble"))
    # Each penalised scale is still 0.3; float32 sum of a few hundred terms.
    assert logs["loss"] == pytest.approx(streams + 0.1 * 0.3 * penalised, rel=1e-5)


def test_tiling_a_one_channel_modality_equals_three_equal_channels():
    model = trained_looking(Segmenter(num_classes=3, **SMALL))
    wide = Segmenter(("rgb", Modality("depth", channels=3)), num_classes=3, **SMALL)
    wide.set_weights(model.get_weights())
    x = images(model, (32, 32))
    tiled = {**x, "depth": np.repeat(x["depth"], 3, -1)}
    np.testing.assert_array_equal(model(x)["depth"], wide(tiled)["depth"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "resnet19"}, "resnet18"),
        ({"decoder": "fcn"}, "light_refinenet"),
        ({"decoder_options": {"top_filters": 16}}, "no option top_filters; it has filters, "),
        ({"modalities": "rgb"}, "list of names"),
        ({"modalities": ("rgb", "rgb")}, "distinct"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Segmenter(**{**SMALL, **arguments})


def test_an_argument_that_is_none_is_not_swallowed():
    with pytest.raises(TypeError, match="sparsity"):
        Segmenter(sparsity=1e-3, **SMALL)
