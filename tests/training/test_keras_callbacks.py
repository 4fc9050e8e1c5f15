"""Keras' own callbacks with `Segmenter.fit` and in a recipe."""

import sys

import keras
import numpy as np
import pytest
from seeded import make_variables

from cen_keras.backbones.resnet import basic_block, resnet
from cen_keras.losses import SegmentationLoss
from cen_keras.models import Segmenter
from recipes import train

SIZE = (32, 32)


def least(image):
    return resnet(image, block=basic_block, blocks=(1,) * 4, widths=(4,) * 4, stem_size=3)


@pytest.fixture(scope="module")
def trained():
    """A compiled model, and a function that gives it all its first values back: one trace for all fits."""
    image = keras.Input((None, None, 3))
    model = Segmenter(
        num_classes=3,
        backbone=keras.Model(image, least(image)),
        decoder="light_fpn",
        decoder_options={"filters": 4},
    )
    model.compile(keras.optimizers.Adam(1e-2), loss=SegmentationLoss(), jit_compile=False)
    make_variables(model)
    variables = [*model.variables, *model.optimizer.variables]
    values = [np.array(variable) for variable in variables]

    def reset(rate):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        model.optimizer.learning_rate = rate

    return model, reset


def data():
    rng = np.random.default_rng(0)
    images = {
        "rgb": rng.normal(size=(4, *SIZE, 3)).astype("float32"),
        "depth": rng.normal(size=(4, *SIZE, 1)).astype("float32"),
    }
    return {"x": images, "y": rng.integers(0, 3, (4, *SIZE)).astype("int32")}


ONCE = {"batch_size": 2, "shuffle": False, "verbose": 0}


@pytest.mark.gate
def test_early_stopping_ends_a_fit(trained):
    model, reset = trained
    reset(0.0)
    # At a rate of 0 the loss moves by rounding only.
    stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e-3, patience=2)
    history = model.fit(**data(), **ONCE, epochs=9, callbacks=[stop])
    assert history.epoch == [0, 1, 2] and stop.stopped_epoch == 2


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_a_fit_goes_on_from_its_backup(trained, tmp_path):
    model, reset = trained

    def fit(*callbacks):
        reset(1e-2)
        try:
            history = model.fit(**data(), **ONCE, epochs=3, callbacks=callbacks)
        except KeyboardInterrupt:
            history = None
        return history, [np.array(variable) for variable in model.trainable_variables]

    _, whole = fit()
    interrupted, early = fit(keras.callbacks.BackupAndRestore(tmp_path / "backup"), Interrupt())
    assert interrupted is None and (tmp_path / "backup").exists()
    history, resumed = fit(keras.callbacks.BackupAndRestore(tmp_path / "backup"))
    assert history.epoch == [2] and not (tmp_path / "backup").exists()
    for variable, found, wanted in zip(model.trainable_variables, resumed, whole, strict=True):
        # A step of Adam moves a weight by 1e-2; a lost moment would show at that size. Sums of several
        # threads round differently.
        np.testing.assert_allclose(found, wanted, atol=1e-4, err_msg=variable.path)
    assert max(np.abs(a - b).max() for a, b in zip(early, whole, strict=True)) > 1e-3


RECIPE = """
import functools
import cen_keras
import keras
from cen_keras.backbones.resnet import basic_block, resnet
from cen_keras.training.settings import apply_settings
from recipes.listing import recipe_of

def least(image):
    return resnet(image, block=basic_block, blocks=(1,) * 4, widths=(4,) * 4, stem_size=3)

class Count(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        open("epochs.txt", "a").write(f"{epoch} {logs['ensemble_miou'] >= 0}\\n")

cen_keras.register("backbone", "least_of_a_recipe", least)
cen_keras.register("callback", "CountOfARecipe", Count)

RECIPE = apply_settings(
    recipe_of("rooms_tiny").derive(
        "own",
        model={"backbone": "least_of_a_recipe", "decoder_options": {"filters": 4}},
        callbacks=(
            {"name": "EarlyStopping", "monitor": "ensemble_miou", "mode": "max", "min_delta": 2.0, "patience": 1},
            {"name": "BackupAndRestore", "backup_dir": "backup"},
            "CountOfARecipe",
        ),
    ),
    ["data.size=32,48", "data.train=4", "data.val=2", "data.cache=null", "batch=2",
     "epochs=5", "epoch_steps=2", "evaluation.every=1"],
)
"""


@pytest.mark.gate
def test_a_recipe_of_one_s_own_registers_and_is_stopped_early(tmp_path, monkeypatch, capsys):
    from cen_keras.backbones import BACKBONES
    from cen_keras.training.evaluation import evaluate_run
    from cen_keras.training.plugins import CALLBACKS

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_recipe.py").write_text(RECIPE)
    try:
        assert train.main(["./own_recipe.py", "--run", "run", "--json", "scores.json"]) == 0
        # No score is better by two: the second epoch is the last.
        assert (tmp_path / "epochs.txt").read_text() == "0 True\n1 True\n"
        assert not (tmp_path / "backup").exists()
        # The same command finds the run finished.
        assert train.main(["./own_recipe.py", "--run", "run"]) == 0
        assert (tmp_path / "epochs.txt").read_text() == "0 True\n1 True\n"
        # Another command, which does not run the recipe's file.
        del BACKBONES["least_of_a_recipe"]
        (name,) = (n for n in sys.modules if n.startswith("cen_keras_file_own_recipe_"))
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.setenv("CEN_KERAS_PLUGINS", str(tmp_path / "own_recipe.py"))
        assert evaluate_run("run")["images"] == 2
    finally:
        BACKBONES.pop("least_of_a_recipe", None)
        CALLBACKS.pop("CountOfARecipe", None)
