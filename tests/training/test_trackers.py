"""Weights & Biases and MLflow get an epoch's numbers and pictures; both are doubles here."""

import sys
import types

import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.training.trackers import TRACKERS
from recipes import train


class Double(types.ModuleType):
    """Notes every call by its name; `init` and `start_run` give the session that both packages give."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []
        self.id = "run7"
        self.info = types.SimpleNamespace(run_id="run7")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*arguments, **named):
            self.calls.append((name, arguments, named))
            return self

        return called

    def named(self, name):
        return [(arguments, named) for called, arguments, named in self.calls if called == name]


@pytest.fixture
def package(request, monkeypatch):
    double = Double(request.param)
    monkeypatch.setitem(sys.modules, request.param, double)
    return double


def track(name, run):
    tracker = TRACKERS[name](run, "robots", {"name": "rooms_tiny"})
    tracker.on_train_begin()
    tracker.pictures(0, {"confusion": np.zeros((2, 2, 3), np.uint8)})
    tracker.on_epoch_end(0, {"loss": np.float32(0.5), "rgb_miou": float("nan"), "epoch_end": [1]})
    tracker.on_train_end()


@pytest.mark.parametrize("package", ["wandb"], indirect=True)
def test_wandb(package, tmp_path):
    track("wandb", tmp_path)
    ((_, begun),) = package.named("init")
    assert begun["project"] == "robots" and begun["config"] == {"name": "rooms_tiny"}
    assert begun["name"] == tmp_path.name and begun["id"] is None
    pictures, numbers = (arguments[0] for arguments, _ in package.named("log"))
    assert set(pictures) == {"epoch", "confusion"}
    assert numbers == {"epoch": 0, "loss": 0.5}
    assert package.calls[-1][0] == "finish"
    # The run goes on where it stood.
    track("wandb", tmp_path)
    assert package.named("init")[1][1]["id"] == "run7"


@pytest.mark.parametrize("package", ["mlflow"], indirect=True)
def test_mlflow(package, tmp_path):
    track("mlflow", tmp_path)
    assert package.named("set_experiment") == [(("robots",), {})]
    assert package.named("start_run") == [((), {"run_id": None, "run_name": tmp_path.name})]
    assert package.named("log_metrics") == [(({"loss": 0.5},), {"step": 0})]
    ((image, name), _) = package.named("log_image")[0]
    assert image.shape == (2, 2, 3) and name == "confusion_0001.png"
    assert package.calls[-1][0] == "end_run"
    track("mlflow", tmp_path)
    assert package.named("start_run")[1][1]["run_id"] == "run7"
    assert len(package.named("log_dict")) == 1


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_missing_package_is_named_with_the_way_out(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=f"pip install {name}"):
        TRACKERS[name](tmp_path, "robots", {})
    assert train.main(["rooms_tiny", "--run", str(tmp_path / "run"), f"--{name}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"--{name} needs {name}, which is not installed" in error
    assert not (tmp_path / "run" / "recipe.json").exists()
