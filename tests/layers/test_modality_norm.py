"""ModalityNorm against NumPy: statistics, penalty, exchange, serialisation, mixed precision."""

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.layers import ModalityNorm


def streams(modalities, channels=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        m: rng.normal(i, 1 + i, (3, 4, 5, channels)).astype("float32")
        for i, m in enumerate(modalities)
    }


def built(modalities, x, **options):
    layer = ModalityNorm(modalities, **options)
    layer.build({m: v.shape for m, v in x.items()})
    return layer


@pytest.mark.parametrize("modalities", [("rgb", "depth"), ("zeta", "alpha")])
def test_training_normalises_each_modality_by_its_own_batch(modalities):
    x = streams(modalities)
    layer = built(modalities, x)
    out = layer(x, training=True)
    for index, m in enumerate(modalities):
        mean, variance = x[m].mean((0, 1, 2)), x[m].var((0, 1, 2))
        expected = (x[m] - mean) / np.sqrt(variance + 1e-5)
        # float32 sums of 60 values of size ~3: relative error about sqrt(60) * 6e-8, values below 10.
        np.testing.assert_allclose(np.asarray(out[m]), expected, atol=1e-5)
        # Momentum 0.9: a tenth of the batch's mean enters the moving mean, which starts at 0.
        np.testing.assert_allclose(
            np.asarray(layer.norms[index].moving_mean), 0.1 * mean, atol=1e-6
        )


def test_frozen_statistics_stay_while_scales_learn():
    x = streams(("rgb", "depth"))
    layer = built(("rgb", "depth"), x, freeze_statistics=True)
    out = layer(x, training=True)
    # Moving mean 0 and variance 1: only epsilon changes the input, by 5e-6 relative.
    np.testing.assert_allclose(np.asarray(out["rgb"]), x["rgb"] / np.sqrt(1 + 1e-5), rtol=1e-6)
    assert (np.asarray(layer.norm("rgb").moving_mean) == 0).all()
    assert {v.path.split("/")[-1] for v in layer.trainable_variables} == {"gamma", "beta"}


def test_instance_norm_uses_the_statistics_of_each_image():
    x = streams(("rgb", "depth"))
    out = built(("rgb", "depth"), x, kind="instance")(x, training=False)
    mean, variance = (f(x["depth"], (1, 2), keepdims=True) for f in (np.mean, np.var))
    # float32 over 20 values of size ~3.
    np.testing.assert_allclose(
        np.asarray(out["depth"]), (x["depth"] - mean) / np.sqrt(variance + 1e-5), atol=1e-5
    )


def test_penalty_counts_each_modality_s_own_part_once():
    x = streams(("a", "b", "c"), channels=7)
    layer = built(("a", "b", "c"), x, exchange_threshold=0.02, sparsity=0.5)
    gammas = np.random.default_rng(1).normal(size=(3, 7)).astype("float32")
    for norm, gamma in zip(layer.norms, gammas, strict=True):
        norm.gamma.assign(gamma)
    layer(x)
    # The parts of 7 channels for 3 modalities: 0-1, 2-3, 4-6.
    expected = 0.5 * np.abs(np.concatenate([gammas[0, :2], gammas[1, 2:4], gammas[2, 4:]])).sum()
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-6)  # seven float32 terms


def test_one_modality_has_no_exchange_and_no_penalty():
    x = streams(("rgb",))
    layer = built(("rgb",), x, exchange_threshold=0.02, sparsity=0.5, gamma_initializer="zeros")
    assert layer.exchange_threshold is None
    assert layer.losses == []
    assert (np.asarray(layer(x)["rgb"]) == 0).all()


def test_exchange_follows_the_order_of_the_modalities_and_not_of_the_alphabet():
    modalities = ("zeta", "alpha")
    x = streams(modalities, channels=4)
    layer = built(
        modalities, x, exchange_threshold=0.02, gamma_initializer=keras.initializers.Constant(0.01)
    )
    plain = built(modalities, x, gamma_initializer=keras.initializers.Constant(0.01))(x)
    out = layer(x)
    # Each modality's own half is replaced: zeta's is the first.
    np.testing.assert_array_equal(out["zeta"][..., :2], plain["alpha"][..., :2])
    np.testing.assert_array_equal(out["zeta"][..., 2:], plain["zeta"][..., 2:])
    np.testing.assert_array_equal(out["alpha"][..., 2:], plain["zeta"][..., 2:])
    np.testing.assert_array_equal(out["alpha"][..., :2], plain["alpha"][..., :2])


def test_mixed_precision_compares_float32_scales():
    # In float16 the scale rounds up to the threshold, a power of two, and nothing would be exchanged.
    x = streams(("rgb", "depth"), channels=2)
    theta = 2.0**-6
    layer = ModalityNorm(("rgb", "depth"), exchange_threshold=theta, dtype="mixed_float16")
    layer.build({m: v.shape for m, v in x.items()})
    layer.norm("rgb").gamma.assign([theta - 1e-6, 1])
    layer.norm("depth").gamma.assign([2, 2])
    out = layer(x)
    assert out["rgb"].dtype == "float16"
    np.testing.assert_array_equal(out["rgb"][..., 0], out["depth"][..., 0])


def test_config_round_trip():
    layer = ModalityNorm(
        ("zeta", "alpha"),
        exchange_threshold=0.01,
        exchange_scope="all",
        sparsity=0.1,
        freeze_statistics=True,
        gamma_initializer=keras.initializers.RandomUniform(0, 1, seed=3),
        gamma_constraint="non_neg",
    )
    again = ModalityNorm.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.modalities == ("zeta", "alpha")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "group"}, "'group'"),
        ({"exchange_scope": "half"}, "'half'"),
        ({"sparsity": -1}, "at least 0"),
        ({"shared": True, "exchange_threshold": 0.1}, "private scales"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        ModalityNorm(("rgb", "depth"), **options)


def test_streams_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="one shape"):
        ModalityNorm(("rgb", "depth")).build({"rgb": (1, 4, 4, 3), "depth": (1, 4, 4, 2)})


def replaced(layer, x):
    """Which channels of each modality's output are the other's, (C,) booleans by modality."""
    out = layer(x, training=False)
    own = {m: layer.norm(m)(x[m], training=False) for m in x}
    return {m: ~np.isclose(np.asarray(out[m]), np.asarray(own[m])).all((0, 1, 2)) for m in x}


def test_random_exchange_replaces_the_drawn_channels_whatever_gamma():
    x = streams(("rgb", "depth"), channels=64)
    layer = built(("rgb", "depth"), x, exchange_threshold=0.5, exchange_criterion="random")
    found = replaced(layer, x)
    for index, m in enumerate(("rgb", "depth")):
        own = np.zeros(64, bool)
        own[layer.own_part(m)] = True
        np.testing.assert_array_equal(found[m], own & (np.asarray(layer.draws[index]) < 0.5))
        # 32 draws with p = 1/2: fewer than 4 or more than 28 have a chance of 1e-5.
        assert 4 <= found[m].sum() <= 28
    assert not layer.draws[0].trainable


def test_exchange_by_variance_replaces_the_quietest_share():
    x = streams(("rgb", "depth"), channels=10)
    layer = built(("rgb", "depth"), x, exchange_threshold=0.4, exchange_criterion="variance")
    variance = np.random.default_rng(3).uniform(0.5, 2, (2, 10)).astype("float32")
    for norm, values in zip(layer.norms, variance, strict=True):
        norm.moving_variance.assign(values)
    found = replaced(layer, x)
    # Two of the five channels of the own part have a rank below 0.4 of the part.
    assert set(np.flatnonzero(found["rgb"])) == set(np.argsort(variance[0, :5])[:2])
    assert set(np.flatnonzero(found["depth"])) == set(5 + np.argsort(variance[1, 5:])[:2])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"exchange_criterion": "weight"}, "criterion 'weight'"),
        ({"exchange_criterion": "variance", "kind": "instance"}, "moving variance"),
    ],
)
def test_unknown_criteria_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        ModalityNorm(("rgb", "depth"), exchange_threshold=0.5, **options)
