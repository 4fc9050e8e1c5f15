"""The fused norm against Keras' own layer: outputs, gradients, statistics, in float32 and mixed precision."""

import keras
import numpy as np
import pytest

from cen_keras.layers import ModalityNorm
from cen_keras.layers.fused_norm import allow_fused_norm, fits_fused_norm, fused_batch_norm

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's"
)


@pytest.fixture(autouse=True)
def allowed():
    """A deterministic recipe that another test has prepared forbids the kernel for its process."""
    allow_fused_norm(True)
    yield
    allow_fused_norm(True)


def layer(**options):
    """Returns a built norm whose scales, offsets and statistics are all different from their start."""
    norm = keras.layers.BatchNormalization(**{"momentum": 0.8, "epsilon": 1e-3, **options})
    norm.build((None, None, None, 6))
    rng = np.random.default_rng(0)
    for weight in norm.weights:
        weight.assign(rng.uniform(0.3, 1.5, weight.shape))
    return norm


def pictures(shape=(3, 5, 7, 6), dtype="float32"):
    # A mean that is large beside the deviation, where sums of squares would lose digits.
    return tf.cast(np.random.default_rng(1).normal(3.0, 0.7, shape), dtype)


def run(call, norm, x):
    """Returns output, gradients of x and the trainable weights, and the moving statistics."""
    weights = [w.value for w in norm.trainable_weights]
    factor = tf.cast(np.random.default_rng(2).normal(size=x.shape), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
        loss = tf.reduce_sum(tf.cast(y, "float32") * factor)
    gradients = tape.gradient(loss, [x, *weights])
    return y, gradients, [np.asarray(w) for w in norm.non_trainable_weights]


@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"trainable": False}], ids=str
)
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 7, 6), (1, 1, 1, 6)])
def test_everything_is_kerass(options, frozen, shape):
    ours, theirs, x = layer(**options), layer(**options), pictures(shape)
    assert fits_fused_norm(ours, x, True)
    found = run(lambda x: fused_batch_norm(ours, x, frozen), ours, x)
    wanted = run(lambda x: theirs(x, training=not frozen), theirs, x)
    # Sums of 105 float32 in another order, divided by a deviation of about 0.7.
    for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_keeps_float32_statistics(dtype):
    options = {"dtype": f"mixed_{dtype}"}
    ours, theirs, x = layer(**options), layer(**options), pictures(dtype=dtype)
    found = run(lambda x: fused_batch_norm(ours, x), ours, x)
    wanted = run(lambda x: theirs(x, training=True), theirs, x)
    assert found[0].dtype == dtype
    for a, b in zip(found[2], wanted[2], strict=True):
        # The same rounded pixels, summed in float32 by both.
        np.testing.assert_allclose(a, b, rtol=1e-5)
    # Outputs of about 3 are rounded once: half a unit of the last of 11 or 8 bits.
    step = 2 * (2**-10 if dtype == "float16" else 2**-7)
    np.testing.assert_allclose(
        tf.cast(found[0], "float32"), tf.cast(wanted[0], "float32"), atol=2 * step
    )


def test_where_it_does_not_fit():
    x = pictures()
    assert not fits_fused_norm(layer(), x, False)
    assert not fits_fused_norm(layer(), x, None)
    assert not fits_fused_norm(layer(synchronized=True), x, True)
    assert not fits_fused_norm(layer(), x[:, 0], True)
    assert not fits_fused_norm(layer(dtype="float64"), tf.cast(x, "float64"), True)
    assert not fits_fused_norm(keras.layers.LayerNormalization(), x, True)


def test_frozen_statistics_on_a_gpu_are_kerass(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert fits_fused_norm(layer(), pictures(), True)
    assert not fits_fused_norm(layer(), pictures(), True, frozen=True)
    assert not fits_fused_norm(layer(trainable=False), pictures(), True)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_modality_norm_is_the_same_with_it_and_without(monkeypatch, frozen, compiled):
    def trained(fits):
        monkeypatch.setattr("cen_keras.layers.modality_norm.fits_fused_norm", fits)
        norm = ModalityNorm(
            ("zeta", "alpha"),
            keras.layers.BatchNormalization(),
            exchange_threshold=0.5,
            freeze_statistics=frozen,
        )
        norm.build(dict.fromkeys(norm.modalities, (None, 5, 7, 6)))
        rng = np.random.default_rng(3)
        for weight in norm.weights:
            weight.assign(rng.uniform(0.1, 1.0, weight.shape))
        streams = {"zeta": pictures(), "alpha": pictures() ** 2}

        def step(streams):
            with tf.GradientTape() as tape:
                made = norm(streams, training=True)
                loss = tf.reduce_sum(made["zeta"] ** 3) + tf.reduce_sum(made["alpha"] ** 2)
            return tape.gradient(loss, [w.value for w in norm.trainable_weights]), made

        step = tf.function(step) if compiled else step
        return [*tf.nest.flatten(step(streams)), *[np.asarray(w) for w in norm.weights]]

    used = []

    def watched(*args):
        used.append(fits_fused_norm(*args))
        return used[-1]

    for a, b in zip(trained(watched), trained(lambda *_: False), strict=True):
        # Gradients are sums of 105 cubes of up to 5: a few float32 roundings of several hundred.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)
    assert used and all(used)


def test_it_can_be_forbidden():
    norm, x = layer(), pictures()
    try:
        allow_fused_norm(False)
        assert not fits_fused_norm(norm, x, True)
    finally:
        allow_fused_norm(True)
    assert fits_fused_norm(norm, x, True)
