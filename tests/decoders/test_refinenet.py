"""RefineNet on ResNets against the official code's outputs."""

import keras
import numpy as np
import pytest
import reference
from seeded import outputs_of

from cen_keras.backbones import BACKBONES
from cen_keras.converters import torch_cen
from cen_keras.fusion import Exchange
from cen_keras.layers import ModalityNorm
from cen_keras.models import Segmenter

# Float32 over 50 to 152 layers: every sum of n products errs by about sqrt(n) * 6e-8 of its size,
# n up to 18432, and the layers' errors add like sqrt(layers): 1e-5 to 1e-4. Measured: 4e-6.
TOLERANCE = 1e-4
# The official constructor, counted by its authors' framework.
TRAINABLE = {50: 99_157_226, 101: 118_201_578, 152: 133_891_306}


def official(depth):
    model = Segmenter(
        modalities=("rgb", "depth"),
        num_classes=40,
        backbone=f"resnet{depth}",
        decoder="refinenet",
        fusion=Exchange(threshold=2e-2, scope="all"),
    )
    torch_cen.load(reference.state_dict(f"refinenet{depth}"), model)
    return model


@pytest.fixture(scope="module")
def refinenet50():
    return official(50)


def with_stages(model, depth):
    """Returns a model of the logits and of every stage's output after its last ReLU."""
    stages = {
        f"layer{stage}_{m}": output
        for stage, count in enumerate(BACKBONES[f"resnet{depth}"].keywords["blocks"], start=1)
        for m, output in outputs_of(model, f"stack{stage}_block{count}_relu3").items()
    }
    logits = dict(zip(model.output_names, model.outputs, strict=True))
    return keras.Model(model.input, {**logits, **stages})


def check(model, depth):
    vectors = reference.read(f"refinenet{depth}")
    x, _ = reference.inputs()
    out = {k: np.asarray(v) for k, v in with_stages(model, depth)(x).items()}
    for stage in (1, 2, 3, 4):
        for m in model.modalities:
            found = out[f"layer{stage}_{m}"]
            mean, std = (vectors[f"layer{stage}_{m}_{kind}"] for kind in ("mean", "std"))
            assert reference.relative(found.mean((0, 1, 2)), mean) < TOLERANCE, (stage, m)
            assert reference.relative(found.std((0, 1, 2)), std) < TOLERANCE, (stage, m)
    wanted = reference.logits(f"refinenet{depth}")
    called = model(x)
    assert set(called) == set(wanted)
    for name, logits in wanted.items():
        assert called[name].shape == logits.shape
        assert reference.relative(called[name], logits) < TOLERANCE, name


def test_resnet50_equals_the_official_code(refinenet50):
    check(refinenet50, 50)


@pytest.mark.gate
@pytest.mark.parametrize("depth", [101, 152])
def test_deeper_ones_equal_the_official_code(depth):
    model = official(depth)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == TRAINABLE[depth]
    check(model, depth)


def test_trainable_parameters(refinenet50):
    count = sum(int(np.prod(v.shape)) for v in refinenet50.trainable_variables)
    assert count == TRAINABLE[50]


@pytest.mark.parametrize("change", [{"exchange_threshold": None}, {"exchange_scope": "subpart"}])
def test_the_vectors_notice_another_exchange(refinenet50, change):
    norms = [
        layer
        for layer in refinenet50.layers
        if isinstance(layer, ModalityNorm) and layer.exchange_threshold is not None
    ]
    assert len(norms) == 16
    ((name, value),) = change.items()
    before = getattr(norms[0], name)
    try:
        for norm in norms:
            setattr(norm, name, value)
        found = refinenet50(reference.inputs()[0])
    finally:
        for norm in norms:
            setattr(norm, name, before)
    wanted = reference.logits("refinenet50")
    assert min(reference.relative(found[m], wanted[m]) for m in wanted) > 100 * TOLERANCE


def test_any_image_size_and_dropout_only_in_training():
    small = {"filters": 8, "deep_filters": 8, "pooling_stages": 2}
    model = Segmenter(num_classes=3, backbone="narrow", decoder="refinenet", decoder_options=small)
    x = {m: np.ones((1, 50, 70, c), "float32") for m, c in (("rgb", 3), ("depth", 1))}
    out = model(x)
    assert tuple(out["rgb"].shape) == (1, 13, 18, 3)
    np.testing.assert_array_equal(model(x)["rgb"], out["rgb"])
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    # On P5, on P4 and before the classifier, each with its own draws.
    assert len(dropouts) == 3 and {layer.rate for layer in dropouts} == {0.5}
    assert len({layer.seed for layer in dropouts}) == 3
    # And in either stream: one image through both, nothing exchanged, is dropped differently.
    twin = Segmenter(("a", "b"), 3, "narrow", "refinenet", fusion=None, decoder_options=small)
    same = dict.fromkeys("ab", x["rgb"])
    still, drawn = twin(same), twin(same, training=True)
    np.testing.assert_array_equal(still["a"], still["b"])
    assert np.abs(np.asarray(drawn["a"]) - np.asarray(drawn["b"])).max() > 1e-4
