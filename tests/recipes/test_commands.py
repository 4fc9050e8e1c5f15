"""The commands: exit codes, one line for what the user can mend, JSON; without a training."""

import dataclasses
import errno
import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from frame_folders import write_views

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.metrics.exchange_rate import norm_layers
from cen_keras.training.console import full_disk_of, run_command
from cen_keras.training.errors import NonFiniteError
from cen_keras.training.evaluation import evaluate_run
from cen_keras.training.fit import fit
from cen_keras.training.recipe_optimizer import build_optimizer
from cen_keras.training.run_folder import load_best
from cen_keras.training.segmentation import Optimizer
from cen_keras.training.segmentation_task import (
    balanced,
    compile_model,
    fit_arguments,
    open_loader,
)
from cen_keras.training.settings import apply_settings
from recipes import evaluate, train
from recipes.listing import recipe_of

TINY = ["data.size=32,48", "data.train=4", "data.val=2", "data.cache=null", "batch=2"]


def one_line(capsys):
    """Returns what stands on standard error: one line, without a stack trace."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("found x,\n wanted y"), 2, "error: found x, wanted y\n"),
        (FileNotFoundError(2, "No such file", "a.npz"), 2, "a.npz"),
        (
            OSError(errno.ENOSPC, "No space left on device", "f"),
            2,
            "no space is left on the disk for f;",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "no space is left on the disk;"),
        (PermissionError(errno.EACCES, "Permission denied", "f"), 2, "Permission denied"),
        (FileExistsError(errno.EEXIST, "File exists", "f"), 2, "File exists"),
        (MemoryError("1 TiB"), 2, "not enough memory (1 TiB)"),
        (NonFiniteError("the loss became nan"), 1, "the loss became nan"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_become_a_line_and_a_code(error, code, text, capsys):
    def command():
        raise error

    assert run_command(command) == code
    assert text in one_line(capsys)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("name", [None, "run/.part-x7.npz"])
def test_a_full_disk_is_named_by_the_folder(code, name):
    with pytest.raises(OSError, match="full") as caught, full_disk_of(Path("run")):
        raise OSError(code, "full", name)
    assert (caught.value.errno, caught.value.filename) == (code, "run")


def test_other_errors_of_the_system_keep_their_file():
    with pytest.raises(PermissionError) as caught, full_disk_of("run"):
        raise OSError(errno.EACCES, "Permission denied", "f")
    assert caught.value.filename == "f"


def test_an_interrupted_command_says_where_it_goes_on(capsys):
    def command():
        raise KeyboardInterrupt

    assert run_command(command, "goes on from the last finished epoch") == 130
    wanted = "interrupted; the same command goes on from the last finished epoch\n"
    assert capsys.readouterr().err == wanted


def test_a_bug_is_not_hidden():
    def command():
        raise OSError(errno.EBADF, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file"):
        run_command(command)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no recipe given"),
        (["rooms_tin"], "did you mean 'rooms_tiny'"),
        (["rooms_tiny", "--set", "epoch=1"], "did you mean 'epochs'"),
        (["rooms_tiny", "--distribute", "mirored"], "take mirrored or hosts"),
        (["rooms_tiny", "--process", "1"], "--process is for --distribute hosts"),
        (["rooms_tiny", "--set", "data.sise=8,8"], "'sise'"),
        (["rooms_tiny", "--set", "data.name=roms"], "'roms'"),
        (["rooms_tiny", "--set", "model.backbone=wide"], "'wide'"),
        (["rooms_tiny", "--set", "optimizer.schedule=step"], "'step'"),
        (["rooms_tiny", "--set", "policy=int3"], "policy 'int3'"),
        (["rooms_tiny", "--set", "evaluation.interpolation=nearest"], "'nearest'"),
        (["rooms_tiny", "--set", "epochs=0"], "epochs is 0"),
        (["rooms_tiny", "--set", "model.fusion.where=("], "'(' is no regular expression"),
        (["rooms_tiny", "--set", "model.decoder_options.filters=0"], "filters"),
        (["rooms_tiny", "--set", "model.fusion.gamma_initializer=zero5"], "zero5"),
        (["rooms_translation_tiny", "--set", "image_size=0,0"], "image_size is [0, 0]"),
    ],
)
def test_bad_recipes_end_with_2_and_leave_no_folder(arguments, text, tmp_path, capsys):
    run = tmp_path / "run"
    settings = [part for setting in TINY for part in ("--set", setting)]
    # The setting under test comes last and wins.
    assert train.main([*arguments[:1], *settings, *arguments[1:], "--run", str(run)]) == 2
    assert text in one_line(capsys)
    assert not run.exists()


def test_another_recipe_in_the_folder_is_refused(tmp_path, capsys):
    recipe = recipe_of("rooms_tiny")
    write_json(tmp_path / "recipe.json", recipe.to_json())
    arguments = ["rooms_tiny", "--run", str(tmp_path), "--set", "optimizer.learning_rate=9"]
    assert train.main(arguments) == 2
    rate = recipe.optimizer.learning_rate
    assert f"optimizer.learning_rate: {rate}, now 9.0" in one_line(capsys)
    assert train.main(["rooms_tiny_rgb", "--run", str(tmp_path)]) == 2
    assert "name: 'rooms_tiny', now 'rooms_tiny_rgb'" in one_line(capsys)


def test_list_as_json(capsys):
    assert train.main(["--list", "--json", "-"]) == 0
    assert "rooms_tiny_rgb" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("content", [None, b"", b"PK not a zip"])
def test_evaluate_names_what_is_wrong_with_a_folder(content, tmp_path, capsys):
    if content is None:
        assert evaluate.main([str(tmp_path)]) == 2
        assert "is no run folder" in one_line(capsys)
        return
    write_json(tmp_path / "recipe.json", recipe_of("rooms_tiny").to_json())
    (tmp_path / "best.keras").write_bytes(content)
    assert evaluate.main([str(tmp_path)]) == 2
    assert "best.keras is not a whole Keras model" in one_line(capsys)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder as a finished training leaves it, with seeded weights."""
    from seeded import trained_looking

    from cen_keras.training.segmentation_task import build_model, data_json

    recipe = apply_settings(recipe_of("rooms_tiny"), [*TINY, "data.test=2"])
    run = tmp_path_factory.mktemp("runs") / "cen"
    run.mkdir()
    loader = open_loader(recipe, "val", training=False)
    trained_looking(build_model(recipe, loader)).save(run / "best.keras")
    write_json(run / "recipe.json", recipe.to_json())
    write_json(run / "scores.json", {"best_epoch": 0})
    write_json(run / "data.json", data_json(recipe, loader))
    return run


def test_without_a_modality_its_values_do_not_matter(finished, capsys):
    from cen_keras.data.rooms.views import RoomViews

    whole = evaluate_run(finished)
    gone = evaluate_run(finished, without=("depth",))
    assert whole["without"] == [] and gone["without"] == ["depth"]
    assert gone["streams"]["depth"] != whole["streams"]["depth"]
    read = RoomViews.__getitem__

    def blind(views, index):
        view = read(views, index)
        return view | {"depth": np.zeros_like(view["depth"])}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoomViews, "__getitem__", blind)
        assert evaluate_run(finished)["streams"] == gone["streams"]
    assert evaluate.main([str(finished), "--without", "smell"]) == 2
    assert "has no such modality, only rgb, depth" in one_line(capsys)


def test_more_views_are_those_that_a_recipe_with_as_many_scores(finished, tmp_path, capsys):
    longer = shutil.copytree(finished, tmp_path / "longer")
    recipe = json.loads((longer / "recipe.json").read_text())
    recipe["data"]["test"] = 3
    write_json(longer / "recipe.json", recipe)
    found = evaluate_run(finished, "test", views=3)
    assert found["images"] == 3
    assert found["streams"] == evaluate_run(longer, "test")["streams"]
    assert found["streams"] != evaluate_run(finished, "test")["streams"]
    for data in ({"name": "sunrgbd", "root": "data"}, {"root": "data"}):
        write_json(longer / "recipe.json", recipe | {"data": data})
        assert evaluate.main([str(longer), "--views", "3"]) == 2
        assert "only rooms are generated" in one_line(capsys)
    with pytest.raises(SystemExit):
        evaluate.main([str(finished), "--views", "0"])
    assert "give 1 or more" in capsys.readouterr().err


def test_frames_of_ones_own_score_as_the_data_that_were_written_there(finished, tmp_path, capsys):
    recipe = apply_settings(recipe_of("rooms_tiny"), TINY)
    write_views(open_loader(recipe, "val", training=False).views, tmp_path / "val")
    data = ["--set", "data.name=frames", "--set", f"data.root={tmp_path}/{{split}}"]
    wanted = evaluate_run(finished)["streams"]
    # Without a recipe too, as a model file alone is scored.
    shutil.copy(finished / "best.keras", tmp_path / "alone.keras")
    for source in (finished, tmp_path / "alone.keras"):
        assert evaluate.main([str(source), *data, "--json", "-"]) == 0
        assert json.loads(capsys.readouterr().out)["streams"] == wanted
    assert evaluate.main([str(finished), *data[:2], "--set", f"data.root={tmp_path}/none"]) == 2
    assert "none: is not a folder" in capsys.readouterr().err


@pytest.mark.gate
def test_a_finished_run_is_prolonged(tmp_path, capsys):
    settings = [*TINY, "model.backbone=narrow", "epoch_steps=1", "augmentation=null"]
    command = ["rooms_tiny", "--run", str(tmp_path / "run")]
    command += [part for setting in settings for part in ("--set", setting)]
    assert train.main([*command, "--set", "epochs=1"]) == 0
    first = (tmp_path / "run/log.csv").read_text().splitlines()
    capsys.readouterr()
    assert train.main([*command, "--set", "epochs=2"]) == 0
    assert "1 epochs become 2" in capsys.readouterr().out
    log = (tmp_path / "run/log.csv").read_text().splitlines()
    assert log[:2] == first and [row.split(",")[0] for row in log[1:]] == ["0", "1"]
    # Fewer are another recipe.
    assert train.main([*command, "--set", "epochs=1"]) == 2
    assert "a larger epochs to prolong" in capsys.readouterr().err


def test_a_run_is_packed_with_the_scores_of_what_is_packed(finished, tmp_path, monkeypatch):
    from cen_keras.models import Segmenter, presets
    from recipes import pack

    monkeypatch.setattr(presets, "WEIGHTS", tmp_path)
    presets.presets.cache_clear()
    try:
        assert pack.main([str(finished), "tiny_rooms", "--about", "For tests."]) == 0
        presets.presets.cache_clear()
        card = presets.preset_of("tiny_rooms").card
        model = Segmenter.from_preset("tiny_rooms")
    finally:
        presets.presets.cache_clear()
    assert card["parameters"] == model.count_params()
    assert card["bytes"] == (tmp_path / "tiny_rooms.npz").stat().st_size
    assert "cache" not in card["data"]["dataset"]
    # The packed run is the model that the preset gives, and the scores are its own.
    packed = evaluate_run(finished / "packed", "test", without=("rgb",))
    found = {stream: round(s["miou"], 4) for stream, s in packed["streams"].items()}
    assert card["scores"]["miou"]["without_rgb"] == found
    best = load_best(finished / "packed")
    for saved, read in zip(best.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(read))


def test_a_run_that_started_from_a_preset_is_packed_whole(finished, tmp_path):
    """Its recipe says only what differs from the preset: here nothing of the architecture."""
    from cen_keras.models import Segmenter
    from recipes import pack

    best = load_best(finished)
    best.save_to_preset(tmp_path / "start")
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    recipe = json.loads((run / "recipe.json").read_text())
    recipe["pretrained"] = f"preset:{tmp_path / 'start'}"
    recipe["model"] = {"modalities": recipe["model"].get("modalities", ["rgb", "depth"])}
    (run / "recipe.json").write_text(json.dumps(recipe))
    # Its pictures have fifths of millimetres, as NYUDv2's lists; a camera's have not.
    config = best.get_config()
    next(m for m in config["modalities"] if m["name"] == "depth")["unit_per_count"] = 0.0002
    fifths = Segmenter.from_config(config)
    fifths.set_weights(best.get_weights())
    fifths.save(run / "best.keras")
    (tmp_path / "packed").mkdir()
    pack.pack(run, "tuned", "For tests.", "", "val", tmp_path / "packed")
    card = json.loads((tmp_path / "packed/tuned.json").read_text())
    for described in (card["model"]["modalities"], card["data"]["descriptions"].values()):
        assert {m["name"]: m["unit_per_count"] for m in described} == {"rgb": None, "depth": 0.001}
    shutil.copy(tmp_path / "packed/tuned.npz", tmp_path / "packed/weights.npz")
    shutil.copy(tmp_path / "packed/tuned.json", tmp_path / "packed/card.json")
    model = Segmenter.from_preset(tmp_path / "packed")
    assert model.count_params() == card["parameters"] == best.count_params()


def test_8_bit_artifacts_of_other_weights_do_not_stay(finished, tmp_path):
    from recipes import pack

    artifact = tmp_path / "int8" / "tiny" / "qat_w8a8.tflite"
    artifact.parent.mkdir(parents=True)
    artifact.write_bytes(b"of older weights")
    with pytest.raises(InputError, match=r"int8/tiny: .* delete the folder"):
        pack.pack(finished, "tiny", "For tests.", "", "val", tmp_path)
    assert artifact.read_bytes() == b"of older weights"
    assert not list(tmp_path.glob("tiny*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"schedule": "constant", "warmup_steps": 20},
            "warmup_steps is 20, which only schedule=cosine",
        ),
        ({"schedule": "cosine", "stage_epochs": (1, 2)}, r"stage_epochs is \(1, 2\), which only"),
    ],
)
def test_what_a_schedule_does_not_have_is_refused(settings, message):
    recipe = recipe_of("rooms_tiny")
    optimizer = Optimizer(name="adam", learning_rate=1e-3, **settings)
    with pytest.raises(InputError, match=message):
        build_optimizer(dataclasses.replace(recipe, optimizer=optimizer, epochs=3), 100)


def test_more_weights_than_the_package_takes_are_refused(finished, tmp_path, monkeypatch):
    from recipes import pack

    monkeypatch.setattr(pack, "MOST_WEIGHTS", 1000)
    with pytest.raises(InputError, match="at most 0 fit the package"):
        pack.pack(finished, "big", "For tests.", "", "val", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_preset_of_that_name_stays_until_the_new_one_is_scored(finished, tmp_path, monkeypatch):
    from recipes import pack

    before = {tmp_path / "tiny.npz": b"weights", tmp_path / "tiny.json": b"a card"}
    for path, content in before.items():
        path.write_bytes(content)

    def unreadable(*arguments, **options):
        raise InputError("a picture of the test split is damaged")

    for change in ({"MOST_WEIGHTS": 1000}, {"evaluate_run": unreadable}):
        with monkeypatch.context() as patch:
            for name, value in change.items():
                patch.setattr(pack, name, value)
            with pytest.raises(InputError, match="fit the package|is damaged"):
                pack.pack(finished, "tiny", "For tests.", "", "test", tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_error_of_the_data_comes_through_fit_as_it_was():
    recipe = apply_settings(
        recipe_of("rooms_tiny"), [*TINY, "epoch_steps=4", "data.train=8", "augmentation=null"]
    )
    loader = open_loader(recipe, "train", training=True)
    read = type(loader.views).__getitem__

    class Broken(type(loader.views)):
        def __getitem__(self, index):
            # Keras looks at the first batches by itself; this one comes out of TensorFlow.
            if index == int(loader.positions(0, 3)[0][1]):
                raise InputError("room.png is truncated")
            return read(self, index)

    loader.views.__class__ = Broken
    inputs = {name: keras.Input((None, None, n)) for name, n in (("rgb", 3), ("depth", 1))}
    logits = keras.layers.Conv2D(13, 1)(inputs["depth"])
    model = keras.Model(inputs, logits)
    model.compile("sgd", loss="sparse_categorical_crossentropy", jit_compile=False)
    with pytest.raises(InputError, match=r"^room\.png is truncated$"):
        fit(model, loader)
    loader.close()


def rates(optimizer, steps):
    values = []
    for step in range(steps):
        optimizer.iterations.assign(step)
        values.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return values


def test_cosine_falls_from_the_rate_to_zero_after_a_warm_up():
    recipe = recipe_of("rooms_tiny").derive(
        "x", epochs=2, optimizer=Optimizer(learning_rate=1.0, warmup_steps=4)
    )
    optimizer = build_optimizer(recipe, 6)
    found = rates(optimizer, 12)
    wanted = [0, 0.25, 0.5, 0.75, *(0.5 * (1 + np.cos(np.pi * np.arange(8) / 8)))]
    # The schedule is computed in float32.
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_stages_follow_the_epochs():
    stages = Optimizer(
        name="sgd",
        schedule="stages",
        learning_rate=(3.0, 2.0),
        encoder_learning_rate=(0.3, 0.2),
        stage_epochs=(2, 1),
        weight_decay=1e-5,
    )
    recipe = recipe_of("rooms_tiny").derive("x", epochs=3, optimizer=stages)
    optimizer = build_optimizer(recipe, 2)
    assert rates(optimizer, 6) == [3.0, 3.0, 3.0, 3.0, 2.0, 2.0]
    assert optimizer.reset_steps == (4,)
    assert optimizer.coupled_weight_decay == 1e-5
    assert float(next(iter(optimizer.groups.values()))(4)) == pytest.approx(0.2)
    with pytest.raises(InputError, match=r"\[2, 1\] make 3 epochs, the recipe has 4"):
        build_optimizer(recipe.derive("x", epochs=4), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "lion"}, "'lion' is unknown"),
        ({"learning_rate": (1.0, 2.0)}, "2 learning rates need"),
        ({"warmup_steps": 99}, "warmup_steps is 99"),
    ],
)
def test_optimisers_that_do_not_fit_are_named(change, message):
    recipe = recipe_of("rooms_tiny").derive("x", epochs=1, optimizer=Optimizer(**change))
    with pytest.raises(InputError, match=message):
        build_optimizer(recipe, 8)


def test_compiling_makes_every_variable_of_a_step():
    from cen_keras.models import Segmenter

    model = Segmenter(backbone="narrow", num_classes=3, decoder_options={"filters": 4})
    compile_model(model, recipe_of("rooms_tiny"), 10)
    assert model.optimizer.built
    # One tracker per output beside the total: made later, they would cost a second trace.
    assert len(model.metrics_variables) == 2 * (1 + len(model.output))


def test_balanced_weights_count_every_class_of_a_loader_by_its_rarity():
    # Of 3 pixels in 4 and 1 in 4: 1 / share, over the sum of weight * share, which is 2.
    assert balanced([3, 0, 1], 1.0) == pytest.approx([2 / 3, 1, 2])
    assert balanced([3, 0, 1], 0.0) == [1, 1, 1]
    recipe = apply_settings(recipe_of("rooms_tiny"), [*TINY, "class_balance=0.5"])
    loader = open_loader(recipe, "train", training=True)
    labels = np.concatenate([view["label"].ravel() for view in loader.views])
    shares = np.bincount(labels[labels != 255], minlength=13) / (labels != 255).sum()
    weights = fit_arguments(recipe, loader)["class_weight"]
    loader.close()
    wanted = np.where(shares > 0, 1 / np.sqrt(np.maximum(shares, 1e-12)), 0)
    wanted = np.where(shares > 0, wanted / (wanted * shares).sum(), 1)
    np.testing.assert_allclose([weights[i] for i in range(13)], wanted, rtol=1e-12)
    assert fit_arguments(recipe_of("rooms_tiny"), loader) == {}


def test_the_encoder_has_a_rate_of_its_own_with_adam_too():
    recipe = recipe_of("rooms_tiny").derive(
        "x", epochs=1, optimizer=Optimizer(learning_rate=0.4, encoder_learning_rate=0.1)
    )
    optimizer = build_optimizer(recipe, 8)
    (encoder,) = optimizer.groups.values()
    # Both fall along one cosine; float32 rounds at 6e-8.
    for step in (0, 3, 7):
        assert float(encoder(step)) == pytest.approx(float(optimizer._learning_rate(step)) / 4)


def test_scales_that_travel_have_a_rate_of_their_own():
    from cen_keras.models import Segmenter

    recipe = recipe_of("rooms_tiny").derive(
        "x",
        epochs=1,
        optimizer=Optimizer(
            learning_rate=0.0,
            encoder_learning_rate=0.0,
            scale_learning_rate=0.5,
            schedule="constant",
        ),
    )
    options = {"backbone": "narrow", "num_classes": 3, "decoder_options": {"filters": 4}}
    model = Segmenter(fusion={"name": "exchange", "sparsity": 1e-3}, **options)
    optimizer = build_optimizer(recipe, 8, model)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    # Adam's first step is the rate, whatever the gradient.
    optimizer.apply(
        [keras.ops.ones_like(v) for v in model.trainable_variables], model.trainable_variables
    )
    moved = set()
    for variable, old in zip(model.trainable_variables, before, strict=True):
        change = keras.ops.convert_to_numpy(variable) - old
        if np.any(change):
            moved.add(variable.path)
            # Adam's epsilon of 1e-7 beside a gradient of 1.
            np.testing.assert_allclose(change, -0.5, rtol=1e-5)
    norms = [norm for norm in norm_layers(model) if norm.exchange_threshold is not None]
    assert norms and moved == {private.gamma.path for norm in norms for private in norm.norms}
    apart = Segmenter(fusion="none", **options)
    with pytest.raises(InputError, match="scale_learning_rate: the model's norms neither"):
        build_optimizer(recipe, 8, apart)


@pytest.mark.parametrize(("deterministic", "wanted"), [("false", "1"), ("true", None)])
def test_kernels_are_chosen_before_tensorflow_is_imported(deterministic, wanted, monkeypatch):
    name = "TF_ENABLE_ONEDNN_OPTS"
    monkeypatch.setenv(name, "")  # restored afterwards
    monkeypatch.delenv(name)
    found = []

    def looks_for_devices(options):
        found.append(os.environ.get(name))
        raise InputError("no devices")

    monkeypatch.setattr(train, "_distribution", looks_for_devices)
    assert train.main(["nyudv2_lite0", "--set", f"deterministic={deterministic}"]) == 2
    assert found == [wanted]
