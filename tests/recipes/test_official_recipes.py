"""The paper's recipes: what they say, that they build, and that they step on files as published."""

import dataclasses
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_resnets import narrow_resnets

from cen_keras.data.official_augmentation import OfficialAugmentation
from cen_keras.errors import InputError
from cen_keras.modalities import modality_of
from cen_keras.training.recipe_optimizer import build_optimizer
from cen_keras.training.segmentation_task import (
    augmentation_of,
    build_model,
    compile_model,
    open_loader,
)
from cen_keras.training.settings import apply_settings
from recipes.listing import all_recipes, recipe_of

ROOT = Path(__file__).parents[2]
# As much of a loader as a model is built for.
LOADER = types.SimpleNamespace(
    views=types.SimpleNamespace(classes=tuple(f"class{i}" for i in range(40)), palette=()),
    descriptions={name: modality_of(name) for name in ("rgb", "depth")},
)
OURS = ("nyudv2_lite0", "nyudv2_lite0_from_rooms", "nyudv2_lite0_13", "nyudv2_evidence")
"""On a published data set, and no settings of the paper."""
SEGMENTATION = [
    name for name in all_recipes() if name.startswith(("nyudv2_", "sunrgbd_")) and name not in OURS
]


def write_layout(root, count=4, size=(24, 30), classes=37):
    """Writes rgb/, masks/, depth/ and both lists as the official code reads them."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(1, count + 3):
        name = f"{number:06d}.png"
        mask = rng.integers(0, classes, (size[0] - 2, size[1] - 3), dtype=np.uint8)
        mask[:3] = 255
        pictures = {
            "rgb": rng.integers(0, 256, (*size, 3), dtype=np.uint8),
            "masks": mask,
            "depth": rng.integers(5000, 20000, size, dtype=np.uint16),
        }
        for folder, picture in pictures.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / folder / name), picture)
        lines.append("\t".join(f"{folder}/{name}" for folder in pictures))
    (root / "train.txt").write_text("\n".join(lines[:count]) + "\n")
    (root / "val.txt").write_text("\n".join(lines[count:]) + "\n")


def small(root, size=32):
    """Settings that keep a recipe's training but make its pictures and batches tiny."""
    return [
        f"data.root={root}",
        "pretrained=null",
        "batch=2",
        "workers=1",
        f"augmentation.size={size}",
        "augmentation.short_side=20",
    ]


def test_all_of_the_paper_are_there():
    assert set(SEGMENTATION) == {
        *(f"nyudv2_{name}_refinenet101" for name in ("cen", "rgb", "depth")),
        *(f"{data}_cen_refinenet152" for data in ("nyudv2", "sunrgbd")),
        *(f"{data}_cen_pspnet152" for data in ("nyudv2", "sunrgbd")),
        "sunrgbd_cen_refinenet101",
    }


@pytest.mark.parametrize("name", SEGMENTATION)
def test_each_says_that_it_has_not_been_run_and_fits_together(name):
    recipe, first = all_recipes()[name]
    assert recipe.name == name and first.endswith("Has not been run.")
    kind, arguments = augmentation_of(recipe.augmentation)
    assert kind is OfficialAugmentation and kind(**arguments).size == 500
    assert recipe.evaluation.interpolation == "cubic" and recipe.evaluation.batch == 1
    streams = len(recipe.model["modalities"])
    sparsity = recipe.model.get("fusion", {}).get("sparsity", 0)
    assert sparsity == (0 if streams == 1 else pytest.approx(3 * 2e-4))


# The official numbers: 795 and 5285 views in batches of 6, the incomplete last one left out.
@pytest.mark.parametrize(
    ("name", "steps", "total", "last"),
    [
        ("nyudv2_cen_refinenet101", 132, 39_600, (7e-4, 1e-4)),
        ("nyudv2_cen_refinenet152", 132, 59_400, (7e-4, 1e-4)),
        ("nyudv2_cen_pspnet152", 132, 59_400, (7e-4, 1e-4)),
        ("sunrgbd_cen_refinenet101", 880, 52_800, (7.5e-4, 1.25e-4)),
    ],
)
def test_rates_of_both_groups_in_every_stage(name, steps, total, last):
    recipe = recipe_of(name)
    optimizer = build_optimizer(recipe, steps)
    (encoder,) = optimizer.groups.values()
    stage = total // 3
    assert recipe.epochs * steps == total and optimizer.reset_steps == (stage, 2 * stage)
    # float32 holds a rate to 6e-8 of itself.
    for step, rates in (
        (0, (3e-3, 5e-4)),
        (stage - 1, (3e-3, 5e-4)),
        (stage, (1.5e-3, 2.5e-4)),
        (2 * stage, last),
        (total - 1, last),
    ):
        got = [float(schedule(step)) for schedule in (optimizer._learning_rate, encoder)]
        np.testing.assert_allclose(got, rates, rtol=1e-6)
    assert optimizer.coupled_weight_decay == 1e-5 and optimizer.momentum == 0.9
    assert optimizer.group_of("stack1_block1_norm2/rgb/gamma") is not None
    assert optimizer.group_of("ensemble/alpha") is None


def test_the_loader_gives_what_the_recipe_says(tmp_path):
    write_layout(tmp_path)
    recipe = apply_settings(recipe_of("nyudv2_cen_refinenet101"), small(tmp_path))
    loader = open_loader(recipe, "train", training=True)
    inputs, labels = loader[0]
    loader.close()
    assert inputs["rgb"].shape == (2, 32, 32, 3) and inputs["depth"].shape == (2, 32, 32, 1)
    assert labels.shape == (2, 32, 32) and labels.max() == 255
    # Padding is the mean that is subtracted, cut to whole numbers: less than 1 of 255 below it,
    # which a deviation of at least 0.224 makes 0.0175. Three channels of a picture are rarely so
    # near.
    padded = (np.abs(inputs["rgb"]) < 0.0175).all(-1)
    assert padded.mean() > 0.05 and (labels[padded] == 255).mean() > 0.98
    assert inputs["depth"].min() == pytest.approx(114 / 5000) and inputs["depth"].max() <= 4


def test_missing_weights_and_unknown_augmentations_are_refused():
    recipe = recipe_of("nyudv2_cen_refinenet101")
    with pytest.raises(InputError, match="resnet101-5d3b4d8f.pth: is missing; .*pretrained=null"):
        build_model(recipe, LOADER)
    with pytest.raises(InputError, match="did you mean 'official'"):
        augmentation_of({"name": "oficial"})
    with pytest.raises(InputError, match="did you mean 'short_side'"):
        apply_settings(recipe, ["augmentation.shortside=3"])
    changed = apply_settings(recipe, ["augmentation.official_nearest=false"])
    assert changed.augmentation["official_nearest"] is False


def test_an_imagenet_file_reaches_every_modality(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from cen_keras.converters.torch_resnet import resnet_pairs

    narrow_resnets(monkeypatch)
    few = ["model.decoder_options.filters=4", "model.decoder_options.deep_filters=4"]
    recipe = apply_settings(recipe_of("nyudv2_cen_refinenet101"), [*few, "pretrained=null"])
    rng = np.random.default_rng(0)
    state = {
        pair.key: torch.from_numpy(rng.uniform(0.1, 1, pair.shape).astype("float32"))
        for pair in resnet_pairs(build_model(recipe, LOADER))
        if not pair.key.endswith("num_batches_tracked")
    }
    path = tmp_path / "resnet.pth"
    torch.save(state, path)
    with_file = apply_settings(recipe, [f"pretrained={path}"])
    norm = build_model(with_file, LOADER).get_layer("stack2_block1_norm2")
    for scale in norm.scales():
        np.testing.assert_array_equal(np.asarray(scale), state["layer2.0.bn2.weight"].numpy())
    del state["layer3.0.conv2.weight"]
    torch.save(state, path)
    with pytest.raises(InputError, match="layer3.0.conv2.weight"):
        build_model(with_file, LOADER)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )


NARROW = [
    "model.backbone=narrow",
    "model.decoder_options.filters=8",
    "model.decoder_options.deep_filters=8",
    "model.decoder_options.pooling_stages=1",
    # Random weights need statistics of their own: with frozen ones, a net of this depth overflows.
    "model.fusion.freeze_statistics=false",
]


def broken_picture(data):
    """Cuts one colour picture in the middle and returns its path."""
    broken = data / "rgb" / "000004.png"
    broken.write_bytes(broken.read_bytes()[:1500])
    return broken


def test_a_picture_broken_in_the_middle_of_an_epoch(tmp_path):
    write_layout(tmp_path, count=6)
    broken = broken_picture(tmp_path)
    recipe = apply_settings(recipe_of("nyudv2_cen_refinenet101"), small(tmp_path))
    loader = open_loader(recipe, "train", training=True)
    with pytest.raises(InputError, match="000004.png: is cut off"):
        [loader[index] for index in range(len(loader))]
    loader.close()
    skipping = apply_settings(recipe, ["bad_frames=skip"])
    loader = open_loader(skipping, "train", training=True)
    for _ in range(2):  # Counted once, however often it is met.
        assert all(len(loader[index][1]) == 2 for index in range(len(loader)))
        loader.on_epoch_end()
    loader.close()
    assert list(loader.skipped) == [str(broken)] and "cut off" in loader.skipped[str(broken)]


def test_a_step_with_a_narrow_net(tmp_path):
    write_layout(tmp_path, count=2)
    settings = [*small(tmp_path), *NARROW]
    recipe = apply_settings(recipe_of("nyudv2_cen_refinenet101"), settings)
    loader = open_loader(recipe, "train", training=True)
    model = build_model(recipe, loader)
    compile_model(model, recipe, len(loader))
    model.run_eagerly = True  # One step is not worth tracing.
    assert np.isfinite(model.train_on_batch(*loader[0], return_dict=True)["loss"])
    loader.close()


@pytest.mark.slow
def test_three_stages_on_a_narrow_net_with_a_broken_picture(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "run"
    write_layout(data, count=6)
    broken = broken_picture(data)
    settings = [*small(data), *NARROW, "epochs=3", "optimizer.stage_epochs=1,1,1"]
    command = ["recipes.train", "sunrgbd_cen_refinenet101", "--run", str(folder)]
    command += [text for setting in settings for text in ("--set", setting)]
    fatal = run(*command)
    assert fatal.returncode == 2, fatal.stderr
    assert fatal.stderr.splitlines()[-1].startswith(f"error: {broken}: is cut off")
    assert "Traceback" not in fatal.stderr

    command[3] = str(tmp_path / "skipping")
    finished = run(*command, "--set", "bad_frames=skip")
    assert finished.returncode == 0, finished.stderr
    assert f"1 frames could not be read and were skipped: {broken}" in finished.stdout
    scores = json.loads((tmp_path / "skipping" / "scores.json").read_text())
    assert list(scores["skipped_frames"]) == [str(broken)]
    assert scores["streams"]["ensemble"]["miou"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", SEGMENTATION)
def test_every_recipe_takes_a_step(tmp_path, name):
    import keras

    write_layout(tmp_path, count=2)
    recipe = dataclasses.replace(apply_settings(recipe_of(name), small(tmp_path)), jit=False)
    loader = open_loader(recipe, "train", training=True)
    model = build_model(recipe, loader)
    compile_model(model, recipe, len(loader))
    model.run_eagerly = True  # Tracing takes minutes.
    before = [variable.numpy() for variable in model.trainable_variables]
    loss = float(model.train_on_batch(*loader[0], return_dict=True)["loss"])
    loader.close()
    after = [variable.numpy() for variable in model.trainable_variables]
    assert np.isfinite(loss) and all(np.isfinite(value).all() for value in after)
    # Weight decay alone moves every weight that is not zero.
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True) if a.any()]
    assert all(moved)
    keras.backend.clear_session()
