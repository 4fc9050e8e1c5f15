"""Gradients of a net's channels against NumPy, on a norm and a ReLU."""

import dataclasses

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the gradients are TensorFlow's", allow_module_level=True)

from cen_keras.baselines.criteria import CriterionNorm
from cen_keras.errors import InputError
from cen_keras.layers import ModalityNorm
from recipes.evidence.theorem.attraction import probability
from recipes.evidence.theorem.calibration import CLOSED, by_fate, by_layer, calibration, sharing
from recipes.evidence.theorem.channel_gradients import (
    Channel,
    measure,
    penalised_channels,
    task_loss,
)

NAMES = ("rgb", "depth")  # their order is not the alphabet's
CHANNELS = 5


def build(kind=ModalityNorm, **changes):
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((4, 3, CHANNELS), name=name) for name in NAMES}
    norm = {"exchange_threshold": 0.02, "sparsity": 1e-3, **changes}
    plain = keras.layers.BatchNormalization(epsilon=1e-5)
    x = kind(NAMES, plain, name="norm", gamma_initializer="random_normal", **norm)(inputs)
    model = keras.Model(inputs, {n: keras.layers.ReLU(name=f"{n}_out")(x[n]) for n in NAMES})
    rng = np.random.default_rng(0)
    for name in NAMES:
        model.get_layer("norm").norm(name).beta.assign(rng.normal(size=CHANNELS))
    return model


def make_batches(count=2):
    rng = np.random.default_rng(1)
    shape = (6, 4, 3, CHANNELS)
    return [
        ({n: rng.normal(size=shape).astype("float32") for n in NAMES}, rng.normal(size=shape))
        for _ in range(count)
    ]


def loss(labels, output):
    labels = keras.ops.cast(labels, output.dtype)
    return keras.ops.mean((output - labels) ** 2)


def oracle(x, labels, beta):
    """dL/dgamma at gamma = 0, and dL/dx', of one channel of one stream: its map is beta."""
    axes = (0, 1, 2)
    normal = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5)
    slopes = (beta > 0) * 2 * (np.maximum(beta, 0) - labels) / labels.size
    return (slopes * normal).sum(axes), slopes


def test_every_channel_alone_has_its_own_gradient():
    model, batches = build(), make_batches()
    norm = model.get_layer("norm")
    scales = {n: keras.ops.convert_to_numpy(norm.norm(n).gamma).copy() for n in NAMES}
    betas = {n: keras.ops.convert_to_numpy(norm.norm(n).beta).copy() for n in NAMES}
    calls = []
    found = measure(model, batches, loss, progress=lambda *state: calls.append(state))
    # rgb owns channels 0 and 1, depth 2 to 4.
    assert [(c.modality, c.index) for c in found] == [
        *(("rgb", i) for i in (0, 1)),
        *(("depth", i) for i in (2, 3, 4)),
    ]
    assert calls == [(i, 5) for i in range(1, 6)]
    for c in found:
        assert c.scale == scales[c.modality][c.index] and c.beta == betas[c.modality][c.index]
        assert c.theta == 0.02 and c.strength == 1e-3 and c.positions == 72
        assert c.exchanged == (abs(c.scale) < 0.02)
        for batch, (inputs, labels) in enumerate(batches):
            wanted, slopes = oracle(inputs[c.modality], labels, betas[c.modality])
            slope = slopes[..., c.index]
            # 72 float32 products of some 1e-2, each off by 1e-7 of itself, and their cancellation.
            assert c.gradients[batch] == pytest.approx(wanted[c.index], abs=1e-6)
            assert c.rms[batch] == pytest.approx(np.sqrt((slope**2).mean()), rel=1e-4)
            assert c.spread[batch] == pytest.approx(slope.std(), rel=1e-4, abs=1e-9)
        assert (c.closed == (c.beta < 0)).all()
    assert len({bool(c.closed.all()) for c in found}) == 2  # both kinds were drawn
    for name in NAMES:
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(norm.norm(name).gamma), scales[name]
        )


def test_the_task_loss_is_that_of_the_exchange_until_it_is_measured_without():
    model, batches = build(exchange_threshold=1e3), make_batches(1)
    exchanging = task_loss(model, batches, loss)
    measure(model, batches, loss)
    plain = task_loss(model, batches, loss)
    norm, (inputs, labels), wanted = model.get_layer("norm"), batches[0], 0.0
    for name in NAMES:
        x = inputs[name]
        normal = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
        gamma, beta = (
            keras.ops.convert_to_numpy(v) for v in (norm.norm(name).gamma, norm.norm(name).beta)
        )
        wanted += ((np.maximum(gamma * normal + beta, 0) - labels) ** 2).mean()
    assert plain == pytest.approx(wanted, rel=1e-5)  # float32 means of 360 numbers
    assert abs(exchanging - plain) > 1e-3


def test_the_penalty_on_all_has_every_channel():
    norm = build(sparsity_scope="all").get_layer("norm")
    assert list(penalised_channels(norm, "depth")) == list(range(CHANNELS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sparsity": 0.0}, "penalised"),
        ({"exchange_threshold": None}, "--theta"),
        ({"kind": CriterionNorm, "criterion": "variance"}, "variance"),
    ],
)
def test_nets_that_the_theorem_is_not_about_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        measure(build(**changes), make_batches(1), loss)


def test_a_net_that_only_has_the_penalty_is_compared_with_a_given_theta():
    found = measure(build(exchange_threshold=None), make_batches(1), loss, theta=0.03)
    assert {c.theta for c in found} == {0.03}


def test_a_net_that_exchanges_keeps_its_own_threshold():
    with pytest.raises(InputError, match="leave out --theta"):
        measure(build(), make_batches(1), loss, theta=0.03)


def channel(gradients, spread, scale=0.1, layer="one", rms=None):
    spread = np.asarray(spread, float)
    gradients = np.asarray(gradients, float)
    rms = spread if rms is None else np.asarray(rms, float)
    return Channel(layer, "rgb", 0, scale, 0.0, 0.02, 1.0, gradients, rms, spread, 4)


def test_predictions_and_bins():
    # Two batches: sqrt(4) positions times spread 1 and 0.5, so lambda / deviation = 0.5 and 1.
    some = channel([0.5, -2.0], [1.0, 0.5])
    np.testing.assert_allclose(some.theorem, [probability(1.0), probability(2.0)])
    np.testing.assert_allclose(some.sum_form, [probability(0.5), probability(1.0)])
    # Frozen statistics leave the mean of dL/dx' in the sum.
    moving = dataclasses.replace(channel([0.5, -2.0], [1.0, 0.5], rms=[2.0, 1.0]), frozen=True)
    np.testing.assert_allclose(moving.sum_form, [probability(0.25), probability(0.5)])
    assert some.attracted.tolist() == [True, False] and some.attracted_on_average
    shut = channel([0.0, 0.0], [0.0, 0.0], scale=0.001, layer="two")
    found = calibration([some, shut])
    assert [(s.case, s.count, s.hits) for s in found] == [
        ("predicted 0.2 to 0.4", 1, 1),
        ("predicted 0.6 to 0.8", 1, 0),
        (CLOSED, 2, 2),
    ]
    assert found[0].theorem == probability(1.0) and found[0].sum_form == probability(0.5)
    assert [(s.case, s.x, s.count, s.hits) for s in by_layer([some, shut])] == [
        ("one", 0.0, 2, 1),
        ("two", 1.0, 2, 2),
    ]
    far = channel([3.0, -1.5], [1.0, 1.0])
    assert not channel([3.0, -0.5], [1.0, 1.0]).attracted_on_average
    assert [(s.case, s.count, s.hits) for s in by_fate([some, shut, far])] == [
        ("below theta", 1, 1),
        ("not below theta", 2, 2),
    ]


def test_sharing_is_one_for_independent_positions():
    rng = np.random.default_rng(5)
    gradients = rng.standard_normal(20_000) * 2 * 0.3
    found = sharing([channel(gradients, np.full(20_000, 0.3))])
    # The median of 20,000 |normal| has a relative standard error of 0.9 %.
    assert found == pytest.approx(1, abs=0.045)
    assert sharing([channel([0.0], [0.0])]) is None
