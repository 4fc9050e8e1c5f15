"""MobileNet over streams: the contract, where it exchanges, and what freezing and int8 make of it."""

from functools import partial

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.mobilenet import mobilenet
from cen_keras.fusion import Exchange
from cen_keras.layers import ModalityNorm
from cen_keras.lifting import lift
from cen_keras.models import Segmenter
from deploy.freeze import freeze_with_report

TINY = {"stem": 8, "widths": (8, 12, 16, 24), "blocks": (1, 2, 2, 1), "expansion": 3}
LIGHT = {"filters": 16, "top_filters": 8, "pooling_stages": 1}


@pytest.fixture
def tiny(monkeypatch):
    """Registers the smallest net that has every kind of block."""
    monkeypatch.setitem(BACKBONES, "tiny", partial(mobilenet, **TINY))
    return {"backbone": "tiny", "decoder": "light_fpn", "decoder_options": LIGHT}


def exchanging(model):
    return [
        layer
        for layer in model.layers
        if isinstance(layer, ModalityNorm) and layer.exchange_threshold is not None
    ]


@pytest.mark.parametrize(
    ("name", "blocks", "widths"),
    [
        ("mobilenet_s", 8, (16, 24, 48, 80)),
        ("mobilenet_m", 12, (32, 64, 112, 192)),
        ("mobilenet_l", 16, (40, 64, 128, 208)),
    ],
)
def test_the_registered_ones_keep_the_contract(name, blocks, widths):
    modalities = ("zeta", "alpha")
    image = keras.Input((96, 70, 3))
    model = lift(keras.Model(image, BACKBONES[name](image)), modalities, Exchange())
    features = model.output
    # Half rounded up, again and again: 96 48 24 12 6 3 and 70 35 18 9 5 3.
    sizes = {"P2": (24, 18), "P3": (12, 9), "P4": (6, 5), "P5": (3, 3)}
    for (level, size), width in zip(sizes.items(), widths, strict=True):
        assert {m: tuple(x.shape) for m, x in features[level].items()} == {
            m: (None, *size, width) for m in modalities
        }
    # One exchange a block, after the depthwise convolution's norm.
    norms = exchanging(model)
    assert len(norms) == blocks
    assert all(norm.name.endswith("_norm2") for norm in norms)


def test_a_replaced_channel_is_the_other_streams(tiny):
    model = trained_looking(Segmenter(num_classes=3, **tiny), share=0)
    norm = model.get_layer("stack2_block1_norm2")
    gamma = np.ones(norm.norms[0].gamma.shape[0], "float32")
    gamma[norm.own_part("rgb")] = 0
    norm.norm("rgb").gamma.assign(gamma)
    first, second = map(np.asarray, keras.Model(model.input, norm.output)(images(model, (32, 32))))
    own = norm.own_part("rgb")
    np.testing.assert_array_equal(first[..., own], second[..., own])
    assert np.abs(first[..., own.stop :] - second[..., own.stop :]).max() > 0.01


@pytest.mark.parametrize("modalities", [("rgb", "depth"), ("rgb", "depth", "normal")])
def test_frozen_equals_the_trained_model(tiny, modalities):
    model = trained_looking(Segmenter(modalities, num_classes=3, **tiny))
    x = images(model, (50, 70))
    plain, _ = freeze_with_report(model, "all", (50, 70))
    wanted, found = model(x), plain(x)
    for name, logits in wanted.items():
        logits = np.asarray(logits)
        # Folded in float64 and rounded once; about 40 layers of float32 sums in another order.
        assert np.abs(logits - np.asarray(found[name])).max() < 1e-5 * np.abs(logits).max()


def test_an_exchanged_channel_leaves_the_expansion_too(tiny):
    model = trained_looking(Segmenter(num_classes=3, **tiny), share=0)
    whole, before = freeze_with_report(model, "all", (64, 64))
    name = "stack3_block2"
    norm = model.get_layer(f"{name}_norm2")
    channels = norm.norms[0].gamma.shape[0]
    for modality in norm.modalities:
        gamma = np.ones(channels, "float32")
        gamma[norm.own_part(modality)] = 0
        norm.norm(modality).gamma.assign(gamma)
    plain, after = freeze_with_report(model, "all", (64, 64))
    # With all that is penalised exchanged, each modality computes the other's half of the channels:
    # 4x4 pixels, 16 inputs of the expansion and 9 of the depthwise convolution saved for `channels`.
    assert before["macs"]["after"] - after["macs"]["after"] == 4 * 4 * (16 + 9) * channels
    assert channels == 48

    def computed(model, kind, attribute):
        return sum(
            getattr(layer, attribute) if attribute else layer.kernel.shape[2]
            for layer in model.layers
            if type(layer) is kind and layer.name.startswith(f"{name}_conv")
            and layer.kernel.shape[0] == (1 if attribute else 3)
            and (not attribute or layer.kernel.shape[2] == 16)
        )  # fmt: skip

    for graph, count in ((whole, 2 * channels), (plain, channels)):
        assert computed(graph, keras.layers.Conv2D, "filters") == count
        assert computed(graph, keras.layers.DepthwiseConv2D, None) == count


def test_int8_runs_on_the_fast_kernels_alone(tiny):
    from tflite_files import quantised

    from deploy.tflite.writer import write
    from deploy.tflite.xnnpack import left_out

    model = trained_looking(Segmenter(num_classes=3, **tiny))
    plain, _ = freeze_with_report(model, "ensemble", (64, 96))
    content = write(plain, (64, 96))
    samples = images(model, (64, 96), batch=4)
    assert left_out(quantised(content, samples)) == []
