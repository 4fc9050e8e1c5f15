"""The light feature pyramid: sizes, dropout, what it costs beside light_refinenet, and saving."""

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

from cen_keras.layers import ModalityNorm
from cen_keras.models import Segmenter
from deploy.freeze import freeze_with_report

SMALL = {"backbone": "narrow", "decoder": "light_fpn", "num_classes": 5}
LIGHT = {"filters": 16, "top_filters": 8}


@pytest.mark.parametrize("modalities", [("rgb",), ("rgb", "depth", "normal")])
def test_logits_have_a_quarter_of_any_image_size(modalities, tmp_path):
    model = trained_looking(Segmenter(modalities, decoder_options=LIGHT, **SMALL))
    x = images(model, (50, 70))
    out = model(x)
    # 50 -> 25 -> 13 and 70 -> 35 -> 18, each step rounded up.
    assert {name: tuple(logits.shape) for name, logits in out.items()} == {
        name: (1, 13, 18, 5) for name in (*modalities, "ensemble")
    }
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")(x)
    for name, logits in out.items():
        np.testing.assert_array_equal(again[name], logits)


def test_nothing_is_exchanged_in_it_and_dropout_is_for_training_only():
    model = Segmenter(decoder_options={**LIGHT, "dropout": 0.5}, **SMALL)
    norms = [n for n in model.layers if isinstance(n, ModalityNorm) and n.name.startswith("deco")]
    # Laterals of four levels, two of context, one adaption to the last width, one after the 3x3.
    assert len(norms) == 8 and not any(norm.exchange_threshold for norm in norms)
    (dropout,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    same = np.ones((1, 8, 8, 16), "float32")
    first, second = (np.asarray(dropout(same, training=True)) for _ in range(2))
    assert (first != second).any()
    x = images(model, (32, 32))
    np.testing.assert_array_equal(model(x)["rgb"], model(x)["rgb"])


def test_one_width_for_all_levels_needs_no_adaption():
    model = Segmenter(decoder_options={"filters": 16, "top_filters": 16}, **SMALL)
    assert not any("adapt" in layer.name for layer in model.layers)


def test_every_level_takes_part():
    model = trained_looking(Segmenter(("rgb",), decoder_options=LIGHT, **SMALL))
    x = images(model, (64, 64))
    before = np.asarray(model(x)["rgb"])
    for level in ("p2", "p3", "p4", "p5"):
        norm = model.get_layer(f"decoder_{level}_lateral_norm").norm("rgb")
        kept = np.asarray(norm.gamma).copy()
        norm.gamma.assign(np.zeros_like(kept))
        assert np.abs(np.asarray(model(x)["rgb"]) - before).max() > 1e-3 * np.abs(before).max()
        norm.gamma.assign(kept)


def test_it_costs_less_than_light_refinenet_of_its_width():
    # Wide, so that the decoder is most of the net.
    costs = {}
    for decoder, options in (
        ("light_fpn", {"filters": 128, "top_filters": 64}),
        ("light_refinenet", {"filters": 128}),
    ):
        model = Segmenter(**{**SMALL, "decoder": decoder}, decoder_options=options)
        _, report = freeze_with_report(model, "ensemble", (64, 64))
        costs[decoder] = report["macs"]["before"]
    assert costs["light_fpn"] < 0.5 * costs["light_refinenet"]
