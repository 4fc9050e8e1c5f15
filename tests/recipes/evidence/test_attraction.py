"""The theorem's single channels against NumPy: the gradients, the local minimum, the intervals."""

import keras
import numpy as np
import pytest
from scipy import stats

if keras.backend.backend() != "tensorflow":
    pytest.skip("the gradients are TensorFlow's", allow_module_level=True)

from recipes.evidence.theorem.attraction import (
    BATCH_CASES,
    PATCH,
    POSITIONS,
    RATIOS,
    binomial_interval,
    draw,
    gradients_at_zero,
    many_positions,
    probability,
    single_positions,
)


def normalised(x, batch_statistics):
    """Oracle: BatchNorm over the positions, epsilon 1e-5, or with mean 0 and variance 1."""
    mean, variance = (x.mean(0), x.var(0)) if batch_statistics else (0.0, 1.0)
    return (x - mean) / np.sqrt(variance + 1e-5)


def loss(gamma, x, slopes, batch_statistics):
    """Oracle: the loss of each channel at a scale, in float64."""
    return 0.5 * ((gamma * normalised(x, batch_statistics) + slopes) ** 2).sum(0)


@pytest.mark.parametrize("batch_statistics", [False, True])
@pytest.mark.parametrize("slope", ["independent", "one", "patches"])
def test_gradients_are_those_of_the_loss(batch_statistics, slope):
    x, slopes = draw(np.random.default_rng(0), 8, 50, slope=slope)
    found = gradients_at_zero(x, slopes, batch_statistics)
    # The loss is a parabola of gamma, whose central difference is exact but for rounding.
    wanted = loss(0.5, x, slopes, batch_statistics) - loss(-0.5, x, slopes, batch_statistics)
    # Each of the sum's terms is off by some units of float32, the more the nearer the activations are
    # to each other: their mean is taken off, and the rest divided by their deviation.
    deviation = x.std(0) if batch_statistics else 1.0
    terms = np.abs(slopes * normalised(x, batch_statistics)).sum(0) + np.abs(slopes).sum(0)
    error = 8 * np.finfo("float32").eps * terms * (1 + np.abs(x).max(0) / deviation)
    assert (np.abs(found - wanted) < error).all()


def test_a_gradient_below_lambda_is_a_local_minimum():
    x, slopes = draw(np.random.default_rng(1), 4, 2000)
    found = np.abs(gradients_at_zero(x, slopes, True))
    step, strength = 1e-6, 1.0
    here = loss(0.0, x, slopes, True)
    rises = [loss(s * step, x, slopes, True) + strength * step > here for s in (1, -1)]
    # The parabola lifts both neighbours by step / 2 * 4 positions: 2e-6 of a gradient.
    clear = np.abs(found - strength) > 1e-4
    assert clear.sum() > 1900 and 0 < (found < strength).mean() < 1
    np.testing.assert_array_equal((found < strength)[clear], (rises[0] & rises[1])[clear])


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10), (150, 200)])
def test_intervals_are_the_exact_ones(hits, count):
    wanted = stats.binomtest(hits, count).proportion_ci(0.95, "exact")
    # Two routines for the same beta quantile, each good to about 1e-12.
    np.testing.assert_allclose(binomial_interval(hits, count), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0, 2.5])
def test_the_probability_is_that_of_a_normal_variable(ratio):
    wanted = stats.norm.cdf(ratio) - stats.norm.cdf(-ratio)
    assert probability(ratio) == pytest.approx(wanted, abs=1e-12)  # two sums of float64


@pytest.mark.parametrize("activation", ["normal", "laplace"])
@pytest.mark.parametrize("slope", ["independent", "one", "patches"])
def test_draws_have_the_stated_moments(activation, slope):
    x, slopes = draw(np.random.default_rng(2), 8, 40_000, activation, slope)
    # Five standard errors of 80,000 independent ones of kurtosis up to 6: 5 sqrt(5 / 80,000).
    assert abs(x.mean()) < 0.02 and abs((x**2).mean() - 1) < 0.04
    assert abs((slopes**2).mean() - 1) < 0.04
    if slope == "patches":
        assert (x[:PATCH] == x[0]).all() and (slopes[:PATCH] == slopes[0]).all()
        assert (x[PATCH] != x[0]).all()


def test_one_position_follows_the_theorem_if_normal_and_laplaces_law_if_laplace():
    found = single_positions(draws=20_000, seed=3)
    assert [s.x for s in found] == [*RATIOS, *RATIOS]
    for s in found:
        # |Laplace| of variance 1 is exponential with the rate sqrt(2).
        wanted = s.theorem if s.case == "normal" else 1 - np.exp(-np.sqrt(2) * s.x)
        # Five standard deviations of a binomial share.
        assert abs(s.measured - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / s.count), s


def test_a_batch_follows_the_sum_where_its_positions_are_independent():
    found = {(s.case, s.x): s for s in many_positions(draws=5_000, seed=4)}
    last = POSITIONS[-1]
    for case in ("frozen statistics", "batch statistics", "one gradient, frozen"):
        s = found[case, last]
        # Five standard deviations, and 0.005 for 256 positions not being infinitely many.
        error = 5 * np.sqrt(s.sum_form * (1 - s.sum_form) / s.count) + 0.005
        assert abs(s.measured - s.sum_form) < error
        assert s.measured < s.theorem / 5
    # Patches of 4 make the sum's variance four times as large.
    patches = found["patches of 4", last]
    wanted = probability(1 / np.sqrt(PATCH * last))
    assert abs(patches.measured - wanted) < 5 * np.sqrt(wanted / patches.count) + 0.005
    assert all(found["one gradient, batch", n].measured == 1 for n in POSITIONS[1:])
    assert {case for case, _ in found} == set(BATCH_CASES)
