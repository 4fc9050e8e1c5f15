"""Filters of its own for each modality, and one norm for all."""

import keras
import numpy as np
import pytest
from seeded import batch_norm

from cen_keras.baselines import Average, PrivateFilters, SharedNorms, fusion_of
from cen_keras.baselines.sharing import SharedNorm
from cen_keras.errors import InputError
from cen_keras.fusion import Exchange, Fusion
from cen_keras.lifting import lift
from cen_keras.models import Segmenter

SMALL = {"num_classes": 5, "backbone": "narrow", "decoder_options": {"filters": 16}}


def network():
    image = keras.Input((8, 8, 3))
    x = image
    for index in (1, 2, 3):
        x = keras.layers.Conv2D(8, 3, padding="same", name=f"conv{index}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    return keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x))


def pictures(seed=0, batch=2):
    rng = np.random.default_rng(seed)
    return {m: rng.normal(size=(batch, 8, 8, 3)).astype("float32") for m in ("rgb", "normal")}


def test_separate_nets_never_meet():
    model = Segmenter(fusion={"name": "none", "private_filters": True}, **SMALL)
    rng = np.random.default_rng(0)
    x = {"rgb": rng.normal(size=(1, 32, 32, 3)), "depth": rng.normal(size=(1, 32, 32, 1))}
    one = model(x)["rgb"]
    other = model({**x, "depth": 2 * x["depth"]})["rgb"]
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_every_modality_owns_a_copy_of_the_networks_filters():
    plain = network()
    model = lift(plain, ("rgb", "normal"), PrivateFilters(Exchange(threshold=1e-3)))
    x = pictures()
    for name, out in model(x).items():
        # Nothing is below the threshold yet: each stream is the plain network.
        # Three layers of at most 72 float32 products, maybe in another order.
        np.testing.assert_allclose(out, plain(x[name]), rtol=0, atol=1e-5)
    before = model(x)
    kernel = model.get_layer("conv1_rgb").kernel
    kernel.assign(2 * kernel)
    after = model(x)
    np.testing.assert_array_equal(after["normal"], before["normal"])
    assert np.abs(np.asarray(after["rgb"]) - np.asarray(before["rgb"])).max() > 1e-3
    kernels = [w for w in model.trainable_weights if w.path.endswith("kernel")]
    assert len(kernels) == 2 * 4
    assert sum(type(layer) is keras.layers.ReLU for layer in model.layers) == 3


def test_a_shared_norm_is_one_norm_for_all_streams():
    layer, plain = SharedNorm(("rgb", "normal"), batch_norm()), batch_norm()
    x = pictures()
    found = layer(x, training=True)
    for name in ("rgb", "normal"):
        np.testing.assert_array_equal(found[name], plain(x[name], training=True))
    # Both batches went into one set of statistics, one after the other.
    for ours, theirs in zip(layer.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again = SharedNorm.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_a_shared_norm_keeps_its_statistics_where_they_are_frozen():
    layer, x = SharedNorm(("rgb", "normal"), batch_norm(), freeze_statistics=True), pictures()
    layer(x, training=True)
    assert (np.asarray(layer.norms[0].moving_mean) == 0).all()


@pytest.mark.parametrize("inner", [Fusion(), Exchange(threshold=None), Average("late")])
def test_shared_norms_take_the_networks_weights_and_are_saved(inner, tmp_path):
    plain = network()
    plain.get_layer("norm2").gamma.assign(np.linspace(0.5, 2, 8))
    model = lift(plain, ("rgb", "normal"), SharedNorms(inner))
    norms = [layer for layer in model.layers if isinstance(layer, SharedNorm)]
    assert [norm.name for norm in norms] == ["norm1", "norm2", "norm3"]
    np.testing.assert_array_equal(norms[1].norms[0].gamma, plain.get_layer("norm2").gamma)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = pictures()
    for name, out in model(x).items():
        np.testing.assert_array_equal(out, again(x)[name])


@pytest.mark.parametrize(
    "fusion",
    [
        {"name": "concat", "stage": "late", "private_filters": True},
        {"name": "exchange", "threshold": None, "shared_norms": True},
        {"name": "none", "private_filters": True, "shared_norms": True},
    ],
)
def test_a_saved_model_is_the_same_model(fusion, tmp_path):
    model = Segmenter(fusion=fusion, **SMALL)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    x = {"rgb": np.ones((1, 32, 32, 3), "float32"), "depth": np.ones((1, 32, 32, 1), "float32")}
    for name, value in model(x).items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(loaded(x)[name]))
    config = loaded.fusion.get_config()
    assert config == model.fusion.get_config()
    assert fusion.items() <= config.items()
    assert fusion_of(config).get_config() == config


@pytest.mark.parametrize("options", [{}, {"threshold": None, "sparsity": 1e-3}])
def test_shared_norms_have_no_scales_to_compare_or_to_spare(options):
    with pytest.raises(InputError, match="private scales"):
        SharedNorms(Exchange(**options))
    with pytest.raises(InputError, match="private scales"):
        SharedNorms(PrivateFilters(Exchange(**options)))
