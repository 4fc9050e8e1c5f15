"""Training a Translator: both steps against an oracle, saving, resuming, replicas, bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.losses.translation import adversarial_loss, reconstruction_loss
from cen_keras.models import Translator
from cen_keras.training.checkpoint import load_checkpoint, save_checkpoint

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("a Translator is trained on TensorFlow", allow_module_level=True)

HERE = Path(__file__).parent


def translator(modalities=("a", "b"), depth=4, sparsity=0.0):
    keras.utils.set_random_seed(0)
    return Translator(
        modalities,
        "c",
        base_filters=4,
        discriminator_filters=4,
        depth=depth,
        fusion=Exchange(threshold=1e-2, sparsity=sparsity, scope="all"),
    )


def data(modalities=("a", "b"), size=32, batch=2):
    rng = np.random.default_rng(0)
    x = {m: np.tanh(rng.normal(size=(batch, size, size, 3))).astype("float32") for m in modalities}
    return x, np.tanh(sum(x.values()))


def test_losses_are_those_of_probabilities():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 4, 1)).astype("float32")
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    for real, likely in ((True, p), (False, 1 - p)):
        wanted = sum(-np.log(stream).mean() for stream in likely)
        # Float32 means of 48 numbers near 1.
        assert float(adversarial_loss(logits, real)) == pytest.approx(wanted, rel=1e-5)
    assert np.isfinite(float(adversarial_loss(np.float32([[[[[-200.0]]]]]), True)))
    target, made = rng.normal(size=(2, 1, 4, 4, 3)).astype("float32")
    found = float(reconstruction_loss(target, {"a": made, "ensemble": target}))
    assert found == pytest.approx(np.abs(made - target).mean(), rel=1e-5)


def test_a_step_is_the_official_one():
    """Both gradients anew, with Keras' cross-entropy of probabilities and one stream after the other."""
    model, oracle = translator(sparsity=0.1), translator(sparsity=0.1)
    oracle.set_weights(model.get_weights())
    x, y = data()
    model.compile(keras.optimizers.SGD(1e-3), keras.optimizers.SGD(0.1))
    logs = model.train_on_batch(x, y, return_dict=True)

    def entropy(image, condition, label):
        output = oracle.discriminator(tf.concat([condition, image], -1))
        return tf.reduce_mean(
            keras.losses.binary_crossentropy(tf.fill(output.shape, label), output)
        )

    weights = [w.value for w in oracle.discriminator.trainable_weights]
    with tf.GradientTape() as tape:
        made = oracle.generator(x)
        judged = sum((entropy(y, x[m], 1.0) + entropy(made[m], x[m], 0.0)) / 2 for m in "ab")
    for weight, gradient in zip(weights, tape.gradient(judged, weights), strict=True):
        weight.assign_sub(0.1 * gradient)
    weights = [w.value for w in oracle.generator.trainable_weights]
    with tf.GradientTape() as tape:
        made = oracle.generator(x)
        fooled = sum(entropy(made[m], x[m], 1.0) for m in "ab")
        l1 = sum(tf.reduce_mean(tf.abs(image - y)) for image in made.values())
        penalty = 0.0
        for layer in oracle.generator.layers:
            if getattr(layer, "exchange_threshold", None) is not None:
                first, second = layer.scales()
                half = first.shape[0] // 2
                penalty += 0.1 * (sum(abs(first[:half])) + sum(abs(second[half:])))
        loss = fooled + 100 * l1 + penalty
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(1e-3 * gradient)

    assert penalty > 1
    wanted = dict(discriminator_loss=judged, adversarial_loss=fooled, l1_loss=l1, loss=loss)
    for name, value in {**wanted, "penalty": penalty}.items():
        # Float32; Keras' cross-entropy clips probabilities at 1e-7, which are near 0.5 here.
        assert logs[name] == pytest.approx(float(value), rel=1e-5), name
    for found, weight in zip(model.weights, oracle.weights, strict=True):
        # Steps of 0.1 or 1e-3 times gradients of up to about 100, summed in another order.
        np.testing.assert_allclose(found, weight, rtol=0, atol=1e-6, err_msg=found.path)


@pytest.mark.parametrize(
    "modalities",
    [
        ("a",),
        ("a", "b"),
        pytest.param(("a", "b", "d"), marks=pytest.mark.slow),
        pytest.param(tuple("abde"), marks=pytest.mark.slow),
    ],
)
def test_one_to_four_modalities_learn_and_log(modalities):
    model = translator(modalities, depth=3, sparsity=1e-3)
    x, y = data(modalities)
    model.compile(adam_of(2e-3), adam_of(2e-4))
    first = model.evaluate(x, y, verbose=0, return_dict=True)
    history = model.fit(x, y, epochs=60, batch_size=2, verbose=0).history
    assert set(history) == {
        *("loss", "discriminator_loss", "adversarial_loss", "l1_loss", "penalty"),
        *(f"{name}_mae" for name in (*modalities, "ensemble")),
    }
    last = model.evaluate(x, y, verbose=0, return_dict=True)
    assert last["ensemble_mae"] < 0.8 * first["ensemble_mae"]
    if len(modalities) > 1:
        assert last["penalty"] < first["penalty"]
    out = model.predict(x, verbose=0)
    # Two means of the same 6144 float32 numbers.
    mae = np.abs(out["ensemble"] - y).mean()
    assert last["ensemble_mae"] == pytest.approx(mae, rel=1e-4)


def test_in_bfloat16_images_losses_and_scales_stay_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = translator(depth=3, sparsity=1e-2)
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = data()
    model.compile(run_eagerly=True)
    losses = [model.train_on_batch(x, y, return_dict=True)["l1_loss"] for _ in range(3)]
    assert np.isfinite(losses).all() and losses[2] < losses[0]
    assert all(image.dtype == np.float32 for image in model.predict_on_batch(x).values())
    norm = model.generator.get_layer("encoder2_norm").norm("a")
    assert norm.compute_dtype == "bfloat16" and norm.gamma.dtype == "float32"


def adam_of(rate):
    return keras.optimizers.Adam(rate, beta_1=0.5)


def test_without_the_adversary_the_discriminator_stays():
    model = translator()
    before = [w.numpy() for w in model.discriminator.weights]
    model.compile(adversarial_weight=0)
    logs = model.train_on_batch(*data(), return_dict=True)
    assert logs["adversarial_loss"] == 0 and logs["loss"] > 0
    for weight, old in zip(model.discriminator.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def same(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def stopped_and_not(depth, way_over):
    """Trains four steps at once, and two and two with a new model between; eager, which traces nothing."""
    x, y = data(size=64)
    models = [translator(depth=depth, sparsity=1e-3) for _ in range(3)]
    for model in models:
        model.compile(run_eagerly=True)
    whole, first, second = models

    def steps(model, count):
        for _ in range(count):
            model.train_on_batch(x, y)

    steps(whole, 4)
    steps(first, 2)
    second = way_over(first, second)
    steps(second, 2)
    assert int(second.discriminator_optimizer.iterations) == 4
    for a, b in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_holds_both_optimisers_and_the_dropout(tmp_path):
    def over(first, second):
        save_checkpoint(tmp_path / "last.npz", first, {"epochs": 2})
        assert load_checkpoint(tmp_path / "last.npz", second) == {"epochs": 2}
        return second

    stopped_and_not(6, over)


def test_a_keras_file_holds_both_optimisers(tmp_path):
    def over(first, second):
        first.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        loaded.run_eagerly = True
        return loaded

    # No dropout: Keras' files do not hold the state of its generators.
    stopped_and_not(4, over)


def test_bad_input_is_named(monkeypatch):
    model = translator()
    x, y = data()
    with pytest.raises(InputError, match="negative|at least 0"):
        model.compile(adversarial_weight=-1)
    model.compile()
    with pytest.raises(InputError, match=r"target 'c'.*height, width, 3"):
        model.train_on_batch(x, y[..., :1])
    with pytest.raises(InputError, match="no target"):
        model.train_on_batch(x)
    with pytest.raises(InputError, match="24x24"):
        model.train_on_batch({m: image[:, :16, :16] for m, image in x.items()}, y[:, :16, :16])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=tensorflow"):
        model.compile()


@pytest.mark.slow
def test_two_replicas_learn_what_one_does():
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, HERE / "run_on_replicas.py"],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["replicas"] == 2
    # Three steps of sums in another order: float32 relative to weights of up to 1.
    assert result["weights"] < 1e-5 * result["moved"]
    for name, value in result["one"].items():
        assert result["two"][name] == pytest.approx(value, rel=1e-4), name
