"""Recipes of translation: built, trained, stopped and gone on with, scored, and their bad input."""

import csv
import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.training import translation_task
from cen_keras.training.distribution import OneDevice
from cen_keras.training.settings import apply_settings
from cen_keras.training.translation import TranslationRecipe
from recipes import evaluate, train
from recipes.listing import all_recipes, recipe_of

if keras.backend.backend() != "tensorflow":
    pytest.skip("a Translator is trained on TensorFlow", allow_module_level=True)

TINY = {
    "data.size": "32,32",
    "data.train": 6,
    "data.val": 3,
    "data.cache": "null",
    "model.base_filters": 2,
    "model.discriminator_filters": 2,
    "model.depth": 3,
    "epochs": 2,
    "epoch_steps": 2,
    "batch": 2,
    "evaluation.batch": 2,
    "evaluation.every": 1,
    "evaluation.pictures": 2,
}
PAPER = [name for name in all_recipes() if name.startswith("taskonomy_")]


def command(folder, *more, **changes):
    settings = [f"{key}={value}" for key, value in {**TINY, **changes}.items()]
    options = [text for setting in settings for text in ("--set", setting)]
    return train.main(["rooms_translation_tiny", "--run", str(folder), *options, *more])


def rows(path):
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert command(folder, "--json", str(folder / "result.json")) == 0
    return folder


def test_a_run_leaves_losses_errors_pictures_and_the_model(run):
    log = rows(run / "log.csv")
    assert [row["epoch"] for row in log] == ["0", "1"]
    for column in ("loss", "discriminator_loss", "adversarial_loss", "l1_loss", "penalty"):
        assert float(log[0][column]) > 0, column
    assert list((run / "tensorboard").iterdir())
    # Two views in rows of 32 pixels; rgb, reshading, both streams, ensemble, target.
    for epoch in (1, 2):
        picture = cv2.imread(str(run / f"pictures/epoch_{epoch:04d}.png"))
        assert picture.shape == (2 * 34 - 2, 6 * 34 - 2, 3)
    result = json.loads((run / "result.json").read_text())
    assert result == json.loads((run / "scores.json").read_text())
    best = min(float(row["val_ensemble_mae"]) for row in log)
    # The log has six digits.
    assert result["streams"]["ensemble"]["mae"] == pytest.approx(best, rel=1e-5)
    assert set(result["streams"]) == {"rgb", "reshading", "ensemble"}
    data = json.loads((run / "data.json").read_text())
    assert data["task"] == "translation" and data["image_shape"] == [32, 32]


def test_a_run_is_scored_again_with_the_same_result(run, tmp_path, capsys):
    assert evaluate.main([str(run), "--json", str(tmp_path / "again.json")]) == 0
    again = json.loads((tmp_path / "again.json").read_text())
    first = json.loads((run / "scores.json").read_text())
    # The same graph on the same device.
    assert again["streams"] == first["streams"] and again["exchange"] == first["exchange"]
    assert "normal" in capsys.readouterr().out
    assert evaluate.main([str(run), "--flip"]) == 2
    assert "leave out --scales" in capsys.readouterr().err


@pytest.mark.gate
def test_a_run_stopped_in_its_second_epoch_ends_as_one_that_was_not(run, tmp_path, monkeypatch):
    from cen_keras.training import callbacks

    save = callbacks.save_checkpoint

    def stop(path, model, note):
        if note["epochs"] == 2:
            raise KeyboardInterrupt
        save(path, model, note)

    with monkeypatch.context() as patched:
        patched.setattr(callbacks, "save_checkpoint", stop)
        assert command(tmp_path) == 130
    assert command(tmp_path) == 0
    assert rows(tmp_path / "log.csv") == rows(run / "log.csv")
    ours, theirs = np.load(tmp_path / "last.npz"), np.load(run / "last.npz")
    assert set(ours.files) == set(theirs.files)
    assert any(name.startswith("discriminator_optimizer/") for name in ours.files)
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert command(tmp_path, reconstruction_weight=10) == 2


def test_a_full_disk_is_a_line_that_names_the_run_folder(tmp_path, monkeypatch, capsys):
    from cen_keras.training import callbacks

    def full(path, model, note):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(callbacks, "save_checkpoint", full)
    assert command(tmp_path, epochs=1) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert f"no space is left on the disk for {tmp_path};" in error


def test_nan_in_the_discriminator_stops_the_run(tmp_path, capsys):
    assert command(tmp_path, **{"optimizer.discriminator_learning_rate": 1e38}) == 1
    error = capsys.readouterr().err
    # The rate breaks the weights: the loss before was finite, the output after it is not.
    assert re.search("the generator's adversarial loss became (nan|inf) in epoch 1", error)
    assert "optimizer.discriminator_learning_rate" in error
    assert len(error.strip().splitlines()) == 1


def test_joined_domains_are_one_modality_of_six_channels():
    changes = {"model.modalities": '["rgb-reshading"]'}
    settings = [f"{key}={value}" for key, value in {**TINY, **changes}.items()]
    recipe = apply_settings(recipe_of("rooms_translation_tiny"), settings)
    model = translation_task.build_model(recipe)
    loader = translation_task.open_loader(recipe, "train", training=True)
    inputs, target = loader[0]
    loader.close()
    assert inputs["rgb-reshading"].shape == (2, 32, 32, 6) and target.shape == (2, 32, 32, 3)
    assert set(model(inputs)) == {"rgb-reshading", "ensemble"}
    assert tuple(model.discriminate(inputs, target).shape) == (1, 2, 2, 2, 1)
    # Compiled, where names become TensorFlow's scopes.
    translation_task.compile_model(model, recipe, 1)
    assert model.train_on_batch(inputs, target, return_dict=True)["loss"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.modalities": '["rgb", "rgb-reshading"]'}, "different numbers of channels"),
        ({"model.dept": 3}, "did you mean 'depth'"),
        ({"model.target": "colour"}, "domain 'colour' is unknown"),
        ({"data.size": "36,32"}, "36x32 .*next good size is 40x32"),
        ({"augmentation.crop": 40}, "40x40 does not fit into images of 32x32"),
        ({"augmentation.cropp": 40}, "did you mean 'crop'"),
        ({"evaluation.inception": "none.h5"}, "none.h5: is missing"),
        ({"optimizer.schedule": "linear"}, "constant or cosine"),
        ({"policy": "mixed_float16"}, "float32 or mixed_bfloat16"),
    ],
)
def test_bad_settings_are_one_line(change, message, tmp_path, capsys):
    assert command(tmp_path, **change) == 2
    error = capsys.readouterr().err.strip()
    keras.config.set_dtype_policy("float32")
    assert len(error.splitlines()) == 1 and re.search(message, error), error


def test_the_paper_s_tasks_are_there():
    assert set(PAPER) == {
        f"taskonomy_{name}"
        for name in (
            "shade_texture_to_rgb",
            "depth_normal_to_rgb",
            "rgb_shade_to_normal",
            "rgb_normal_to_shade",
            "rgb_edge_to_depth",
            "depth_to_rgb",
            "depth_normal_texture_to_rgb",
            "depth_normal_texture_shade_to_rgb",
        )
    }


@pytest.mark.parametrize("name", PAPER)
def test_each_of_the_paper_has_the_official_settings(name):
    recipe, first = all_recipes()[name]
    assert isinstance(recipe, TranslationRecipe) and recipe.name == name
    assert TranslationRecipe.from_json(recipe.to_json()).to_json() == recipe.to_json()
    optimizer = recipe.optimizer
    assert (optimizer.learning_rate, optimizer.beta_1, optimizer.beta_2) == (2e-4, 0.5, 0.999)
    assert recipe.reconstruction_weight == 100 and recipe.epochs == 300 and recipe.batch == 1
    assert (
        recipe.model["fusion"]["sparsity"] == 1e-3 and recipe.model["fusion"]["threshold"] == 1e-2
    )
    assert recipe.evaluation.official_protocol and first


def test_a_taskonomy_recipe_steps_on_files_in_the_official_layout(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{{domain}}/point_{i}_view_0_domain_{{domain}}.png" for i in range(2)]
    for split in ("train", "val"):
        (tmp_path / f"{split}_domain.txt").write_text("\n".join(lines))
    domains = {"depth_euclidean": np.uint16, "edge_texture": np.uint16}
    domains |= dict.fromkeys(("rgb", "normal", "reshading"), np.uint8)
    for domain, dtype in domains.items():
        (tmp_path / domain).mkdir()
        shape = (40, 40) if dtype == np.uint16 else (40, 40, 3)
        for line in lines:
            picture = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
            assert cv2.imwrite(str(tmp_path / line.replace("{domain}", domain)), picture)
    settings = [
        f"data.root={tmp_path}",
        *("augmentation.resize=36", "augmentation.crop=32", "image_size=32,32"),
        *("model.base_filters=2", "model.discriminator_filters=2", "model.depth=3"),
    ]
    recipe = apply_settings(recipe_of("taskonomy_depth_normal_texture_shade_to_rgb"), settings)
    model = translation_task.build_model(recipe)
    translation_task.compile_model(model, recipe, 2)
    model.run_eagerly = True
    for training in (True, False):
        loader = translation_task.open_loader(recipe, "val", training)
        inputs, target = loader[1]
        loader.close()
        assert target.shape == (1, 32, 32, 3) and np.abs(target).max() <= 1
    logs = model.train_on_batch(inputs, target, return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    (tmp_path / lines[0].replace("{domain}", "normal")).unlink()
    with pytest.raises(InputError, match="1 files of its 2 views in 5 domains"):
        translation_task.open_loader(recipe, "val", training=False)


# TensorFlow's devices are divided before anything else touches them.
ON_TWO_DEVICES = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from recipes import train
one, two, *options = sys.argv[1:]
ended = train.main([*options, "--run", one]) or train.main([*options, "--run", two, "--distribute", "mirrored"])
sys.exit(ended)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_replicas_train_as_one_device(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    # Dropout, of which every replica would draw its own, is in deeper nets only.
    changes = {**TINY, "data.train": 8, "batch": 4}
    options = [text for key, value in changes.items() for text in ("--set", f"{key}={value}")]
    ended = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES, one, two, "rooms_translation_tiny", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "on 2 devices" in ended.stdout
    assert (two / "best.keras").exists() and (two / "scores.json").exists()
    for first, second in zip(rows(one / "log.csv"), rows(two / "log.csv"), strict=True):
        for name in ("loss", "discriminator_loss", "l1_loss", "val_ensemble_mae"):
            # Sums in another order differ by 1e-6. Where a gradient is all rounding, Adam makes a
            # step of 2e-4 of its sign, in four steps at most 2e-3 of weights that are about 0.02
            # wide and of which few are so: a tenth of that in what they sum up to.
            assert float(second[name]) == pytest.approx(float(first[name]), rel=1e-2), name


def test_hosts_are_refused(tmp_path):
    class Hosts(OneDevice):
        kind = "hosts"

    with pytest.raises(InputError, match="take --distribute mirrored"):
        train.train(recipe_of("rooms_translation_tiny"), tmp_path / "run", None, Hosts())
    assert not (tmp_path / "run").exists()
