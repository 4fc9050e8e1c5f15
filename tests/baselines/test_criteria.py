"""Other criteria of the exchange: which channels are replaced, against NumPy."""

import keras
import numpy as np
import pytest
from seeded import batch_norm

from cen_keras.baselines import CriterionExchange, fusion_of
from cen_keras.baselines.criteria import CriterionNorm
from cen_keras.errors import InputError
from cen_keras.layers import InstanceNorm
from cen_keras.lifting import lift


def streams(channels):
    rng = np.random.default_rng(0)
    return {
        m: rng.normal(i, 1 + i, (3, 4, 5, channels)).astype("float32")
        for i, m in enumerate(("rgb", "depth"))
    }


def built(x, **options):
    layer = CriterionNorm(tuple(x), batch_norm(), **options)
    layer.build({m: v.shape for m, v in x.items()})
    return layer


def replaced(layer, x):
    """Which channels of each modality's output are the other's, (C,) booleans by modality."""
    out = layer(x, training=False)
    own = {m: layer.norm(m)(x[m], training=False) for m in x}
    return {m: ~np.isclose(np.asarray(out[m]), np.asarray(own[m])).all((0, 1, 2)) for m in x}


def test_random_exchange_replaces_the_drawn_channels_whatever_gamma():
    x = streams(64)
    layer = built(x, exchange_threshold=0.5, criterion="random")
    found = replaced(layer, x)
    for index, m in enumerate(("rgb", "depth")):
        own = np.zeros(64, bool)
        own[layer.own_part(m)] = True
        np.testing.assert_array_equal(found[m], own & (np.asarray(layer.draws[index]) < 0.5))
        # 32 draws with p = 1/2: fewer than 4 or more than 28 have a chance of 1e-5.
        assert 4 <= found[m].sum() <= 28
    assert not layer.draws[0].trainable


def test_exchange_by_variance_replaces_the_quietest_share():
    x = streams(10)
    layer = built(x, exchange_threshold=0.4, criterion="variance")
    variance = np.random.default_rng(3).uniform(0.5, 2, (2, 10)).astype("float32")
    for norm, values in zip(layer.norms, variance, strict=True):
        norm.moving_variance.assign(values)
    found = replaced(layer, x)
    # Two of the five channels of the own part have a rank below 0.4 of the part.
    assert set(np.flatnonzero(found["rgb"])) == set(np.argsort(variance[0, :5])[:2])
    assert set(np.flatnonzero(found["depth"])) == set(5 + np.argsort(variance[1, 5:])[:2])


def test_a_lifted_network_exchanges_by_the_criterion_and_is_saved_with_its_draws(tmp_path):
    image = keras.Input((6, 6, 3))
    x = image
    for index in (1, 2, 3):
        x = keras.layers.Conv2D(8, 3, padding="same", name=f"conv{index}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    network = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x))
    fusion = CriterionExchange("random", threshold=0.5, where=["norm3"])
    assert fusion_of(fusion.get_config()).get_config() == fusion.get_config()
    model = lift(network, ("rgb", "normal"), fusion)
    norms = [layer for layer in model.layers if isinstance(layer, CriterionNorm)]
    assert [norm.name for norm in norms] == ["norm3"]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for draw, saved in zip(again.get_layer("norm3").draws, norms[0].draws, strict=True):
        np.testing.assert_array_equal(draw, saved)


@pytest.mark.parametrize(
    ("norm", "criterion", "named"),
    [
        (batch_norm(), "weight", "criterion 'weight'"),
        (InstanceNorm(), "variance", "moving variance"),
    ],
)
def test_unknown_criteria_are_refused(norm, criterion, named):
    with pytest.raises(InputError, match=named):
        CriterionNorm(("rgb", "depth"), norm, criterion, exchange_threshold=0.5)


def test_the_strategy_refuses_them_too():
    with pytest.raises(InputError, match="criterion 'weight'"):
        CriterionExchange("weight")
