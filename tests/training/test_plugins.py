"""Callbacks by name, from a file and from a module."""

import keras
import pytest

from cen_keras.errors import InputError
from cen_keras.training.plugins import callbacks_of, check_rates, find_callback
from cen_keras.training.segmentation import Optimizer

OWN = """
import keras

class Own(keras.callbacks.Callback):
    def __init__(self, patience=1):
        super().__init__()
        self.patience = patience

number = 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_callbacks_are_made_of_names_and_arguments(own):
    stop, mine, logger = callbacks_of(
        (
            {"name": "EarlyStopping", "monitor": "ensemble_miou", "mode": "max", "patience": 2},
            {"name": f"{own}:Own", "patience": 5},
            "keras.callbacks:TerminateOnNaN",
        )
    )
    assert isinstance(stop, keras.callbacks.EarlyStopping)
    assert (stop.monitor, stop.patience) == ("ensemble_miou", 2)
    assert type(mine).__name__ == "Own" and mine.patience == 5
    assert isinstance(logger, keras.callbacks.TerminateOnNaN)


def test_an_installed_package_offers_callbacks_by_an_entry_point(monkeypatch):
    class Point:
        name = "theirs"

        def load(self):
            return keras.callbacks.CSVLogger

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point()])
    assert find_callback("theirs") is keras.callbacks.CSVLogger


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("EarlyStoping", "did you mean 'EarlyStopping'"),
        ("keras", "is no callback"),
        ("{own}:number", "is no callback"),
        ("{own}:Missing", "is no callback"),
        ("no.such.module:X", "No module named"),
        ("missing.py:X", "no such file"),
        ({"monitor": "loss"}, 'has no "name"'),
        (
            {"name": "EarlyStopping", "patienc": 1},
            r"EarlyStopping.patienc is unknown .did you mean",
        ),
        ({"name": "ModelCheckpoint"}, "callbacks.ModelCheckpoint: .*filepath"),
    ],
)
def test_what_is_no_callback_is_named(spec, message, own):
    spec = spec.format(own=own) if isinstance(spec, str) else spec
    with pytest.raises(InputError, match=message):
        callbacks_of([spec])


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (Optimizer(schedule="cosine"), "so does optimizer.schedule=cosine"),
        (Optimizer(schedule="constant", encoder_learning_rate=1e-4), "so does optimizer.encoder_"),
        (Optimizer(schedule="constant", scale_learning_rate=1e-4), "so does optimizer.scale_"),
        (Optimizer(schedule="constant"), None),
    ],
)
def test_one_thing_sets_the_learning_rate(optimizer, message):
    plateau = callbacks_of([{"name": "ReduceLROnPlateau", "monitor": "loss"}])
    check_rates(callbacks_of(["TerminateOnNaN"]), optimizer)
    if message is None:
        return check_rates(plateau, optimizer)
    with pytest.raises(
        InputError, match=f"ReduceLROnPlateau sets the learning rate, and {message}"
    ):
        check_rates(plateau, optimizer)
