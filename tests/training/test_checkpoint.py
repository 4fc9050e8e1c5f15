"""The checkpoint file: whole or refused, and nothing of a model's state left out."""

import os

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.training.checkpoint import load_checkpoint, save_checkpoint, state_variables


def build(units=4, name="dense", dropout=0.5):
    """Returns a compiled net with a norm (moving statistics) and dropout (a seed state)."""
    inputs = keras.Input((3,))
    x = keras.layers.Dense(units, name=name)(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(dropout, seed=1, name="drop")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
    model.compile(keras.optimizers.Adam(1e-2), loss="mse")
    return model


def train(model, steps=3):
    rng = np.random.default_rng(0)
    for _ in range(steps):
        model.train_on_batch(rng.normal(size=(8, 3)), rng.normal(size=(8, 1)))


def values(model):
    # A copy: on torch the array is the variable's own memory.
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in state_variables(model).items()
    }


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_a_loaded_model_goes_on_as_if_never_stopped(tmp_path):
    model = build()
    train(model)
    save_checkpoint(tmp_path / "last.npz", model, {"epoch": 2, "best": 0.5})
    saved = values(model)
    train(model)
    # A second model in the same process: its optimiser and seed generators have other names.
    other = build()
    train(other, 1)
    assert load_checkpoint(tmp_path / "last.npz", other) == {"epoch": 2, "best": 0.5}
    assert_same(values(other), saved)
    train(other)
    assert_same(values(other), values(model))


def test_names_tell_what_they_hold():
    names = list(state_variables(build()))
    assert "weights/norm/moving_mean" in names
    assert "optimizer/iteration" in names
    assert "seeds/drop/0" in names
    assert len(names) == len(set(names))


def test_repeated_paths_stay_apart(tmp_path):
    model = build()
    for weight in model.weights[:2]:
        weight._path = "same/path"
    assert {"weights/same/path", "weights/same/path#2"} <= state_variables(model).keys()


def test_nothing_is_loaded_from_a_file_that_does_not_fit(tmp_path):
    save_checkpoint(tmp_path / "last.npz", build(), {})
    other = build(units=5, name="other")
    before = values(other)
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path / "last.npz", other)
    message = str(caught.value)
    assert "last.npz does not fit" in message
    assert "weights/dense/kernel is not in the model; weights/head/kernel has shape" in message
    assert message.count(";") == 8 and " more." in message
    assert_same(values(other), before)
    with pytest.raises(InputError, match=r"shape \(4,\) in the file, \(6,\) in the model"):
        load_checkpoint(tmp_path / "last.npz", build(units=6))


@pytest.mark.parametrize("keep", [0, 10, 500, -200])
def test_a_cut_file_is_refused(tmp_path, keep):
    path = tmp_path / "last.npz"
    model = build()
    save_checkpoint(path, model, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a whole checkpoint"):
        load_checkpoint(path, model)


def test_a_flipped_byte_is_refused(tmp_path):
    path = tmp_path / "last.npz"
    model = build()
    save_checkpoint(path, model, {})
    data = bytearray(path.read_bytes())
    with np.load(path) as file:
        kernel = file["weights/dense/kernel"].tobytes()
    data[bytes(data).index(kernel)] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="not a whole checkpoint"):
        load_checkpoint(path, model)


def test_pickles_are_not_read(tmp_path):
    path = tmp_path / "last.npz"
    np.savez(path, note=np.array({"format": 1}, dtype=object))
    with pytest.raises(InputError, match="not a whole checkpoint"):
        load_checkpoint(path, build())


def test_a_foreign_format_is_named(tmp_path):
    np.savez(tmp_path / "last.npz", note=np.array('{"format": 99}'))
    with pytest.raises(InputError, match="format 99"):
        load_checkpoint(tmp_path / "last.npz", build())
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "absent.npz", build())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.npz"
    model = build()
    save_checkpoint(path, model, {"epoch": 1})
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, model, {"epoch": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]
