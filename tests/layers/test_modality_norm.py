"""ModalityNorm against NumPy: statistics, penalty, exchange, serialisation, mixed precision."""

import keras
import numpy as np
import pytest
from seeded import batch_norm

from cen_keras.errors import InputError
from cen_keras.layers import InstanceNorm, ModalityNorm
from cen_keras.layers.modality_norm import scale_initializer


def streams(modalities, channels=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        m: rng.normal(i, 1 + i, (3, 4, 5, channels)).astype("float32")
        for i, m in enumerate(modalities)
    }


def built(modalities, x, norm=None, **options):
    layer = ModalityNorm(modalities, norm or batch_norm(), **options)
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
    out = built(("rgb", "depth"), x, InstanceNorm())(x, training=False)
    mean, variance = (f(x["depth"], (1, 2), keepdims=True) for f in (np.mean, np.var))
    # float32 over 20 values of size ~3.
    np.testing.assert_allclose(
        np.asarray(out["depth"]), (x["depth"] - mean) / np.sqrt(variance + 1e-5), atol=1e-5
    )


@pytest.mark.parametrize(
    "norm",
    [
        keras.layers.GroupNormalization(3, epsilon=1e-3),
        keras.layers.LayerNormalization(epsilon=1e-2),
        keras.layers.RMSNormalization(),
    ],
)
def test_any_norm_over_the_last_axis_is_copied_with_its_settings(norm):
    x = streams(("rgb", "depth"))
    out = built(("rgb", "depth"), x, norm)(x)
    for m, image in x.items():
        np.testing.assert_array_equal(out[m], norm(image))


def test_the_scale_that_a_norm_goes_without_is_made_where_channels_are_exchanged():
    x = streams(("rgb", "depth"))
    bare = keras.layers.BatchNormalization(scale=False)
    assert built(("rgb", "depth"), x, bare).norm("rgb").gamma is None
    layer = built(("rgb", "depth"), x, bare, exchange_threshold=0.02)
    np.testing.assert_array_equal(layer.scales(), np.ones((2, 6)))


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


def test_the_norms_own_regularizer_stays_beside_the_penalty():
    x = streams(("a", "b"), channels=4)
    norm = keras.layers.BatchNormalization(gamma_regularizer=keras.regularizers.L2(0.1))
    layer = built(("a", "b"), x, norm, sparsity=0.5, gamma_initializer=2)
    layer(x)
    # L1 on two of four channels of each modality; L2 on all.
    assert float(sum(layer.losses)) == pytest.approx(0.5 * 2 * 4 + 0.1 * 4 * 8, rel=1e-6)


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


@pytest.mark.parametrize("in_a_model", [False, True])
def test_mixed_precision_compares_float32_scales(in_a_model):
    # In float16 the scale rounds up to the threshold, a power of two, and nothing would be exchanged.
    x = streams(("rgb", "depth"), channels=2)
    theta = 2.0**-6
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = built(("rgb", "depth"), x, exchange_threshold=theta)
        inputs = {m: keras.Input(v.shape[1:], name=m) for m, v in x.items()}
        model = keras.Model(inputs, layer(inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    layer.norm("rgb").gamma.assign([theta - 1e-6, 1])
    layer.norm("depth").gamma.assign([2, 2])
    out = (model if in_a_model else layer)(x)
    assert keras.backend.standardize_dtype(out["rgb"].dtype) == "float16"
    assert layer.norm("rgb").compute_dtype == "float16"
    np.testing.assert_array_equal(out["rgb"][..., 0], out["depth"][..., 0])


def test_config_round_trip():
    layer = ModalityNorm(
        ("zeta", "alpha"),
        batch_norm(),
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
    assert again.norms[0].momentum == 0.9 and again.norms[0].epsilon == 1e-5


@pytest.mark.parametrize(
    ("norm", "options", "message"),
    [
        (batch_norm(), {"exchange_scope": "half"}, "'half'"),
        (batch_norm(), {"sparsity_scope": "half"}, "'half'"),
        (batch_norm(), {"sparsity": -1}, "at least 0"),
        (keras.layers.Dropout(0.5), {"exchange_threshold": 0.1}, "Dropout has no scales"),
    ],
)
def test_bad_arguments_are_named(norm, options, message):
    with pytest.raises(InputError, match=message):
        ModalityNorm(("rgb", "depth"), norm, **options)


def test_streams_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="one shape"):
        ModalityNorm(("rgb", "depth"), batch_norm()).build(
            {"rgb": (1, 4, 4, 3), "depth": (1, 4, 4, 2)}
        )


def test_a_norm_over_another_axis_than_the_last_is_refused():
    layer = ModalityNorm(("rgb", "depth"), keras.layers.BatchNormalization(axis=1), name="first")
    with pytest.raises(InputError, match="first: normalises axis 1 .*channels_last"):
        layer.build(dict.fromkeys(("rgb", "depth"), (1, 4, 4, 3)))


def scales_of(initializer):
    """Returns the scales of two exchanging norms, rgb before depth, (2, 2, 6)."""
    shared = scale_initializer(initializer)
    norms = [
        built(("rgb", "depth"), streams(("rgb", "depth")), gamma_initializer=shared)
        for _ in range(2)
    ]
    return np.asarray([[keras.ops.convert_to_numpy(g) for g in n.scales()] for n in norms])


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (0.3, 0.3),
        (2, 2.0),
        ("zeros", 0.0),
        (keras.initializers.Constant(0.7), 0.7),
        (keras.initializers.serialize(keras.initializers.Constant(0.7)), 0.7),
    ],
)
def test_scales_start_at_what_the_argument_means(argument, value):
    np.testing.assert_array_equal(scales_of(argument), np.full((2, 2, 6), value, "float32"))


def test_norms_draw_for_themselves_unless_a_seed_says_otherwise():
    drawn = scales_of(keras.initializers.serialize(keras.initializers.RandomUniform(0, 1)))
    assert len(np.unique(drawn)) == drawn.size
    seeded = scales_of(keras.initializers.serialize(keras.initializers.RandomUniform(0, 1, seed=3)))
    np.testing.assert_array_equal(seeded, np.broadcast_to(seeded[0, 0], seeded.shape))
    assert len(np.unique(seeded[0, 0])) == 6


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="tens"):
        scale_initializer("tens")
