"""Mean, spread and the paired test, against SciPy, a closed form and invariants."""

import math
import statistics as standard

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from recipes.evidence.statistics.paired import compare, summarize

scores = st.lists(st.floats(0, 1), min_size=2, max_size=8)
pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8)


def by_seed(values):
    return dict(enumerate(values, start=1))


@given(scores)
def test_mean_and_spread_are_the_standard_library_s(values):
    found = summarize(values)
    # Both round exact sums; values are at most 1, so a few units of 2^-52 are left.
    assert found.mean == pytest.approx(standard.fmean(values), abs=1e-15)
    # A deviation is the root of a variance that is right to 1e-16: right to 1e-8 near zero.
    assert found.spread == pytest.approx(standard.stdev(values), abs=1e-8)
    assert found.count == len(values)


def test_one_seed_has_no_spread():
    assert summarize([0.5]).spread is None


@pytest.mark.parametrize("seeds", [2, 3, 5, 30])
def test_the_paired_test_is_scipy_s(seeds):
    generator = np.random.default_rng(seeds)
    first, second = generator.normal(0.5, 0.1, (2, seeds))
    found = compare(by_seed(first), by_seed(second))
    expected = scipy.stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    # Same formula in float64 on both sides; t's quantile is inverted to about 1e-12.
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert [found.low, found.high] == pytest.approx([interval.low, interval.high], rel=1e-9)


def test_three_seeds_by_hand():
    # Differences 1, 2, 3: mean 2, deviation 1, t = 2 sqrt(3). With two degrees of freedom the
    # distribution is F(t) = 1/2 + t / (2 sqrt(2 + t^2)), whose 97.5 % point is 4.302653 (tables).
    found = compare({1: 1.0, 2: 3.0, 3: 5.0}, {1: 0.0, 2: 1.0, 3: 2.0})
    t = 2 * math.sqrt(3)
    assert (found.mean, found.spread, found.seeds) == (2, 1, (1, 2, 3))
    # float64 against the closed form, and a table of seven digits.
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-12)
    assert found.high - found.mean == pytest.approx(4.302653 / math.sqrt(3), rel=2e-7)


def test_only_common_seeds_count():
    found = compare({1: 0.5, 2: 0.6, 9: 0.0}, {2: 0.5, 1: 0.3, 7: 1.0})
    assert found == compare({1: 0.5, 2: 0.6}, {1: 0.3, 2: 0.5})
    assert found.seeds == (1, 2)


def test_fewer_than_two_common_seeds_are_not_tested():
    one, none = compare({1: 0.5}, {1: 0.25, 2: 0.1}), compare({1: 0.5}, {2: 0.1})
    assert (one.tested, one.mean, one.p, one.seeds) == (False, 0.25, None, (1,))
    assert (none.tested, none.mean, none.seeds) == (False, None, ())


@pytest.mark.parametrize("gap, p", [(0.25, 0.0), (0.0, 1.0)])
def test_equal_differences_give_a_point(gap, p):
    found = compare({1: 0.5 + gap, 2: 0.75 + gap}, {1: 0.5, 2: 0.75})
    assert (found.low, found.high, found.spread, found.p) == (gap, gap, 0.0, p)


@given(pairs)
def test_swapping_the_rows_mirrors_the_interval(values):
    first, second = (by_seed(side) for side in zip(*values, strict=True))
    found, mirrored = compare(first, second), compare(second, first)
    assert (found.mean, found.low, found.high) == (-mirrored.mean, -mirrored.high, -mirrored.low)
    assert found.p == mirrored.p and found.spread == mirrored.spread


@given(pairs)
def test_p_below_five_percent_is_an_interval_without_zero(values):
    first, second = (by_seed(side) for side in zip(*values, strict=True))
    found = compare(first, second)
    assert found.low <= found.mean <= found.high and 0 <= found.p <= 1
    if abs(found.p - 0.05) > 1e-9:  # at the edge itself rounding decides
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
