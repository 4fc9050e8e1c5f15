"""exchange_channels against a NumPy oracle, its boundary, and where gradients go."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from seeded import batch_norm

from cen_keras.errors import InputError
from cen_keras.layers import exchange_channels
from cen_keras.parts import own_part


def oracle(streams, scales, threshold, scope):
    """Eq. 6, channel by channel."""
    count, channels = len(streams), streams[0].shape[-1]
    result = [stream.copy() for stream in streams]
    for m in range(count):
        for c in range(channels):
            mine = m * channels // count <= c < (m + 1) * channels // count
            if abs(scales[m][c]) < threshold and (scope == "all" or mine):
                others = [streams[k][..., c] for k in range(count) if k != m]
                result[m][..., c] = np.mean(others, axis=0)
    return result


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 4),
    channels=st.integers(1, 9),
    scope=st.sampled_from(["subpart", "all"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_oracle(count, channels, scope, seed):
    rng = np.random.default_rng(seed)
    streams = [rng.normal(size=(2, 3, 2, channels)).astype("float32") for _ in range(count)]
    scales = [rng.uniform(-0.04, 0.04, channels).astype("float32") for _ in range(count)]
    found = exchange_channels(streams, scales, 0.02, scope)
    for mine, theirs in zip(found, oracle(streams, scales, 0.02, scope), strict=True):
        # Copies are exact; a mean of at most three float32 of size ~4 is off by a few times 4 * 6e-8.
        np.testing.assert_allclose(np.asarray(mine), theirs, rtol=0, atol=2e-6)


@given(count=st.integers(1, 6), channels=st.integers(0, 40))
def test_own_parts_are_disjoint_and_cover_the_channels(count, channels):
    parts = [own_part(m, count, channels) for m in range(count)]
    covered = [c for part in parts for c in range(channels)[part]]
    assert covered == list(range(channels))


def test_the_boundary_belongs_to_the_stream():
    a, b = np.full((1, 2), 1.0, "float32"), np.full((1, 2), 2.0, "float32")
    theta = np.float32(0.02)
    below = np.nextafter(theta, np.float32(0))
    first, _ = exchange_channels(
        (a, b), (np.array([theta, below]), np.ones(2, "float32")), float(theta), "all"
    )
    assert np.asarray(first).tolist() == [[1.0, 2.0]]


def test_negative_scales_count_by_magnitude():
    a, b = np.zeros((1, 2), "float32"), np.ones((1, 2), "float32")
    first, _ = exchange_channels(
        (a, b), (np.array([-0.5, -0.001], "float32"), np.ones(2, "float32")), 0.02, "all"
    )
    assert np.asarray(first).tolist() == [[0.0, 1.0]]


def test_both_below_the_threshold_swap():
    a, b = np.zeros((1, 1), "float32"), np.ones((1, 1), "float32")
    zero = np.zeros(1, "float32")
    first, second = exchange_channels((a, b), (zero, zero), 0.02, "all")
    assert (float(first[0, 0]), float(second[0, 0])) == (1.0, 0.0)


def test_a_replaced_channel_gets_no_task_gradient_and_its_donor_gets_it():
    import tensorflow as tf

    from cen_keras.layers import ModalityNorm

    norm = ModalityNorm(("rgb", "depth"), batch_norm(), exchange_threshold=0.02)
    rng = np.random.default_rng(0)
    x = {m: rng.normal(size=(4, 5, 5, 4)).astype("float32") for m in ("rgb", "depth")}
    norm.build({m: v.shape for m, v in x.items()})
    norm.norm("rgb").gamma.assign([0.001, 0.5, 0.5, 0.5])
    target = rng.normal(size=(4, 5, 5, 4)).astype("float32")
    with tf.GradientTape() as tape:
        # Only the rgb stream is judged: what depth's scales learn, they learn through the exchange.
        loss = ops.sum(norm(x, training=True)["rgb"] * target)
    rgb, depth = norm.norm("rgb"), norm.norm("depth")
    variables = [v.value for v in (rgb.gamma, rgb.beta, depth.gamma, depth.beta)]
    rgb_gamma, rgb_beta, depth_gamma, depth_beta = (
        np.asarray(g) for g in tape.gradient(loss, variables)
    )
    assert rgb_gamma[0] == 0 and rgb_beta[0] == 0
    assert (rgb_gamma[1:] != 0).all()
    assert depth_gamma[0] != 0 and depth_beta[0] != 0
    assert (depth_gamma[1:] == 0).all() and (depth_beta[1:] == 0).all()


@pytest.mark.parametrize(
    ("streams", "scales", "scope", "message"),
    [(1, 1, "all", "two streams"), (2, 1, "all", "1 scales"), (2, 2, "half", "scope 'half'")],
)
def test_bad_arguments_are_named(streams, scales, scope, message):
    x = [keras.ops.zeros((1, 2))] * streams
    with pytest.raises(InputError, match=message):
        exchange_channels(x, [keras.ops.ones(2)] * scales, 0.02, scope)
