"""scales.npz holds the model's own scales, and goes on where a run goes on."""

import shutil

import keras
import numpy as np
import pytest

from cen_keras import Exchange
from cen_keras.errors import InputError
from cen_keras.layers import ModalityEnsemble, ModalityNorm
from cen_keras.models import Translator
from cen_keras.training.scale_history import SCALES, ScaleHistory, read_scales

NAMES = ("rgb", "depth")


def build(**norm):
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((4, 4, 3), name=name) for name in NAMES}
    plain = keras.layers.BatchNormalization(epsilon=1e-5)
    x = ModalityNorm(NAMES, plain, name="norm", gamma_initializer="random_normal", **norm)(inputs)
    model = keras.Model(inputs, {**x, "ensemble": ModalityEnsemble(NAMES, name="ensemble")(x)})
    model.compile(keras.optimizers.SGD(0.1), loss=dict.fromkeys((*NAMES, "ensemble"), "mse"))
    return model


def values(model):
    """What the model itself holds: alpha's softmax by NumPy, and the gammas."""
    alpha = keras.ops.convert_to_numpy(model.get_layer("ensemble").alpha).astype("float64")
    scales = {
        n: keras.ops.convert_to_numpy(model.get_layer("norm").norm(n).gamma).copy() for n in NAMES
    }
    return np.exp(alpha) / np.exp(alpha).sum(), scales


class Watch(keras.callbacks.Callback):
    """Takes the values before the training and after every epoch."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def on_train_begin(self, logs=None):
        self.taken.append(values(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.taken.append(values(self.model))


def fit(model, callbacks, epochs, initial_epoch=0):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(8, 4, 4, 3)).astype("float32") for name in NAMES}
    y = dict.fromkeys((*NAMES, "ensemble"), rng.normal(size=(8, 4, 4, 3)).astype("float32"))
    model.fit(
        x,
        y,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    )


@pytest.mark.parametrize("norm", [{"exchange_threshold": 0.02}, {"sparsity": 1e-3}])
def test_every_epoch_has_the_models_own_values(tmp_path, norm):
    watch = Watch()
    fit(build(**norm), [ScaleHistory(tmp_path), watch], epochs=3)
    found = read_scales(tmp_path)
    assert found.epochs.tolist() == [0, 1, 2, 3]
    assert found.streams == NAMES
    assert list(found.gammas) == ["norm"] and list(found.gammas["norm"]) == list(NAMES)
    for row, (alpha, scales) in enumerate(watch.taken):
        # Two float32 exponentials and a sum: a few units in the last place of a number below 1.
        np.testing.assert_allclose(found.alpha[row], alpha, rtol=0, atol=4e-7)
        for name in NAMES:
            np.testing.assert_array_equal(found.gammas["norm"][name][row], scales[name])
    gammas = found.gammas["norm"]["rgb"]
    assert gammas.dtype == np.float32 and (gammas < 0).any() and (gammas > 0).any()
    assert (gammas[0] != gammas[3]).any() and (found.alpha[0] != found.alpha[3]).any()


def test_a_resumed_run_drops_what_its_checkpoint_does_not_know(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    model = build(exchange_threshold=0.02)
    fit(model, [ScaleHistory(whole)], epochs=2)
    state = model.get_weights()
    fit(model, [ScaleHistory(whole)], epochs=4, initial_epoch=2)
    # A run that was ended behind epoch 3's row, before its checkpoint: it stands at epoch 2.
    shutil.copytree(whole, broken)
    model.set_weights(state)
    fit(model, [ScaleHistory(broken)], epochs=3, initial_epoch=2)
    one, other = read_scales(whole), read_scales(broken)
    assert one.epochs.tolist() == [0, 1, 2, 3, 4] and other.epochs.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(other.alpha, one.alpha[:4])
    for name in NAMES:
        np.testing.assert_array_equal(other.gammas["norm"][name], one.gammas["norm"][name][:4])


def test_a_folder_from_another_training_is_begun_anew(tmp_path):
    history = ScaleHistory(tmp_path)
    fit(build(exchange_threshold=0.02), [history], epochs=3)
    fit(build(exchange_threshold=0.02), [history], epochs=1)
    assert read_scales(tmp_path).epochs.tolist() == [0, 1]


def test_a_run_begun_without_the_history_starts_it_where_it_stands(tmp_path, caplog):
    (tmp_path / SCALES).write_bytes(b"PK no archive")
    fit(build(exchange_threshold=0.02), [ScaleHistory(tmp_path)], epochs=3, initial_epoch=1)
    assert read_scales(tmp_path).epochs.tolist() == [1, 2, 3]
    assert "damaged" in caplog.text


def test_without_exchange_and_penalty_there_is_alpha_only(tmp_path):
    fit(build(), [ScaleHistory(tmp_path)], epochs=1)
    found = read_scales(tmp_path)
    assert found.gammas == {} and found.alpha.shape == (2, 2)
    with np.load(tmp_path / SCALES) as file:
        assert sorted(file.files) == ["alpha", "epochs", "streams"]


def test_a_translators_generator_is_looked_into(tmp_path):
    model = Translator(
        ("b", "a"),
        "c",
        base_filters=2,
        discriminator_filters=2,
        depth=3,
        fusion=Exchange(sparsity=1e-3),
    )
    model.compile()
    rng = np.random.default_rng(0)
    x = {m: rng.uniform(-1, 1, (2, 24, 24, 3)).astype("float32") for m in ("a", "b")}
    model.fit(x, -x["a"], batch_size=1, epochs=1, callbacks=[ScaleHistory(tmp_path)], verbose=0)
    found = read_scales(tmp_path)
    assert found.streams == ("b", "a") and found.alpha.shape == (2, 2)
    assert found.gammas and all(list(parts) == ["b", "a"] for parts in found.gammas.values())
    assert any((p["a"][0] != p["a"][1]).any() for p in found.gammas.values())


@pytest.mark.parametrize("content", [None, b"", b"PK no archive"])
def test_a_missing_or_damaged_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / SCALES).write_bytes(content)
    with pytest.raises(InputError, match="scales.npz is (missing|damaged).*train again"):
        read_scales(tmp_path)
