"""MMD against a double loop in NumPy, and what any MMD obeys."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cen_keras.losses.alignment import BANDWIDTHS, KERNELS, mean_discrepancy


def kernel_of(name, x, y):
    width = np.mean([[((a - b) ** 2).sum() for b in y] for a in x])
    return {
        "linear": lambda a, b: a @ b,
        "cubic": lambda a, b: (a @ b / len(a) + 1) ** 3,
        "rbf": lambda a, b: np.mean(
            [np.exp(-((a - b) ** 2).sum() / (s * width)) for s in BANDWIDTHS]
        ),
    }[name]


def loops(name, x, y):
    k = kernel_of(name, x, y)

    def mean(left, right):
        return np.mean([k(a, b) for a, b in itertools.product(left, right)])

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def samples(seed, n, k, c, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, c)).astype("float32"), rng.normal(shift, 1.5, (k, c)).astype(
        "float32"
    )


@pytest.mark.parametrize("name", KERNELS)
def test_equals_the_double_loop(name):
    x, y = samples(0, 7, 5, 3)
    expected = loops(name, x.astype(np.float64), y.astype(np.float64))
    largest = max(abs(kernel_of(name, x, y)(a, a)) for a in (*x, *y))
    # Means of float32 kernel values; their difference is off by 2^-24 of the largest value times a few.
    assert abs(float(mean_discrepancy(x, y, name)) - expected) < 1e-6 * max(1, largest)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(KERNELS)))
def test_is_symmetric_and_not_negative_and_zero_for_one_sample(seed, name):
    x, y = samples(seed, 6, 6, 4)
    there, back = (float(mean_discrepancy(a, b, name)) for a, b in ((x, y), (y, x)))
    # As above; cubic values of samples of deviation 1.5 stay below 1000.
    assert there == pytest.approx(back, abs=1e-4)
    assert there > -1e-4
    assert abs(float(mean_discrepancy(x, x, name))) < 1e-4


def test_a_shift_of_one_sample_grows_the_discrepancy():
    x, y = samples(3, 40, 40, 4, shift=0.0)
    for name in KERNELS:
        near, far = (float(mean_discrepancy(x, y + shift, name)) for shift in (0.0, 2.0))
        assert far > near
