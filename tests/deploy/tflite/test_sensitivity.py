"""The layer that 8 bits hurt is found, by name, and going back to float repairs it."""

import json
import re
import shutil

import numpy as np
import pytest

from cen_keras.errors import InputError
from deploy.__main__ import main
from deploy.calibration import Calibration
from deploy.run_folder import open_run
from deploy.tflite import sensitivity
from deploy.tflite.graph import layer_name, read_operators
from deploy.tflite.sensitivity import Layer, Sensitivity, choose_float_layers, rank


@pytest.fixture(scope="module")
def broken():
    """A chain of convolutions, one of which 8 bits cannot hold, and its samples."""
    import keras

    from deploy.tflite.writer import write

    keras.utils.set_random_seed(1)
    x = keras.Input((16, 16, 3), name="rgb")
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)
    y = keras.layers.Conv2D(8, 3, padding="same", name="wide")(y)
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="third")(y)
    model = keras.Model({"rgb": x}, {"rgb": keras.layers.Conv2D(4, 1, name="head")(y)})
    wide, third = model.get_layer("wide"), model.get_layer("third")
    # One channel of `wide` spans a thousand times what the others do, and nobody listens to it: the
    # codes of its activations are spent on it.
    kernel, bias = wide.get_weights()
    kernel[..., 0] *= 1000
    wide.set_weights([kernel, bias])
    kernel, bias = third.get_weights()
    kernel[:, :, 0] = 0
    third.set_weights([kernel, bias])
    samples = {"rgb": np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")}
    return write(model, (16, 16)), samples


@pytest.mark.slow
def test_the_layer_that_8_bits_hurt_comes_first(broken):
    found = rank(*broken)
    # The noise is in the map between the two; nothing else here is hard.
    assert found.layers[0].together == ("wide", "third")
    assert found.layers[0].share > 0.9
    assert {layer.name for layer in found.layers} == {"first", "wide", "third", "output_rgb"}
    shares = [layer.share for layer in found.layers]
    assert shares == sorted(shares, reverse=True)
    # No layer can take away more noise than there is.
    assert shares[0] <= 1
    assert found.to_json()["sqnr_db"] == pytest.approx(-10 * np.log10(found.noise))


@pytest.mark.slow
def test_float_logits_that_are_averaged_in_8_bits_are_still_an_output():
    import keras
    from tflite_files import quantised

    from deploy.tflite.samples import outputs_of
    from deploy.tflite.writer import write

    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3), name="rgb")
    y = keras.layers.Conv2D(8, 3, activation="relu", name="body")(x)
    logits = keras.layers.Conv2D(4, 1, name="head")(y)
    mean = keras.layers.Rescaling(0.5, name="half")(logits)
    content = write(keras.Model({"rgb": x}, {"rgb": logits, "ensemble": mean}), (8, 8))
    samples = {"rgb": np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")}
    wanted = outputs_of(content, samples)
    made = quantised(content, samples, integer_io=False, float_layers=("body", "output_rgb"))
    found = outputs_of(made, samples)
    # All that leads to these logits is float32: sums of 27 terms in another order.
    np.testing.assert_allclose(found["rgb"], wanted["rgb"], rtol=0, atol=27 * 6e-8 * 10)
    # The average comes in codes: half a step of the logits and half a step of its own.
    step = np.ptp(wanted["rgb"]) / 255
    np.testing.assert_allclose(found["ensemble"], wanted["ensemble"], rtol=0, atol=step)


def test_auto_doubles_until_the_budget_is_met(run_path, monkeypatch):
    """The drop falls with each layer; the choice is the fewest of 1, 2, 4 ... that do."""
    names = [f"layer{i}" for i in range(16)]
    ranking = Sensitivity(0.1, tuple(Layer(n, "CONV_2D", 0.01, (n,)) for n in names))
    tried = []

    def drop(run, content, manifest, samples, chosen, count):
        tried.append(len(chosen))
        return 2.0 - 0.4 * len(chosen)

    class Samples:
        arrays = None

    monkeypatch.setattr(sensitivity, "_float", lambda *arguments: (b"", None, Samples))
    monkeypatch.setattr(sensitivity, "_drop", drop)
    monkeypatch.setattr(sensitivity, "rank", lambda *arguments: ranking)
    assert choose_float_layers(open_run(run_path), 0.5) == tuple(names[:4])
    assert tried == [0, 1, 2, 4]
    assert choose_float_layers(open_run(run_path), 2.0) == ()
    with pytest.raises(InputError, match="allowed 0.5"):
        monkeypatch.setattr(sensitivity, "_drop", lambda *arguments: 3.0)
        choose_float_layers(open_run(run_path), 0.5)
    with pytest.raises(InputError, match="above 0"):
        choose_float_layers(open_run(run_path), 0)


def test_the_refusal_names_a_budget_that_is_met(run_path, monkeypatch):
    """The best of what was tried, which is not always the last, and no hundredth below it."""
    names = [f"layer{i}" for i in range(16)]
    ranking = Sensitivity(0.1, tuple(Layer(n, "CONV_2D", 0.01, (n, f"{n}_reader")) for n in names))
    drops = {0: 9.0, 2: 2.0, 4: 1.2301, 8: 1.5, 16: 1.5}
    monkeypatch.setattr(sensitivity, "_float", lambda *arguments: (b"", None, Calibration({})))
    monkeypatch.setattr(sensitivity, "_drop", lambda *arguments: drops[len(arguments[4])])
    monkeypatch.setattr(sensitivity, "rank", lambda *arguments: ranking)
    run, messages = open_run(run_path), []
    with pytest.raises(InputError) as refused:
        choose_float_layers(run, 0.5, say=messages.append)
    assert "8 bits cost 1.24 points at the least, with 4 layers in float" in str(refused.value)
    budget = re.search(r"--float-budget (\S+)", str(refused.value)).group(1)
    assert len(choose_float_layers(run, float(budget))) == 4
    assert messages[0] == "0 layers in float: +9.00 points on 8 training views", (
        "as many as there are"
    )
    drops[0] = float("nan")
    with pytest.raises(InputError, match="none of 8 training views has a label"):
        choose_float_layers(run, 0.5)


@pytest.mark.parametrize("count", [1, 2, 9, 13, 16])
def test_half_of_the_layers_are_tried_whatever_their_number(run_path, monkeypatch, count):
    ranking = Sensitivity(0.1, tuple(Layer(f"l{i}", "MUL", 0.01, (f"l{i}",)) for i in range(count)))
    tried = []
    monkeypatch.setattr(sensitivity, "_float", lambda *arguments: (b"", None, Calibration({})))
    monkeypatch.setattr(sensitivity, "rank", lambda *arguments: ranking)
    monkeypatch.setattr(sensitivity, "_drop", lambda *a: tried.append(len(a[4])) or 3.0)
    with pytest.raises(InputError, match="--float-budget 3.00"):
        choose_float_layers(open_run(run_path), 0.5)
    doubled = [0, 1, 2, 4, 8, 16]
    assert tried == [n for n in doubled if n < count // 2] + [count // 2]


@pytest.mark.slow
def test_the_layers_are_those_of_the_exported_head(run_path, tmp_path, monkeypatch, capsys):
    """Before the logits are enlarged in the graph, the last convolution bears its own name."""
    seen = {}

    def ranked(content, *_):
        seen.update({layer_name(op): op.kind for op in read_operators(content)})
        return Sensitivity(0.1, (Layer("classifier_rgb", "CONV_2D", 0.9, ("classifier_rgb",)),) * 2)

    monkeypatch.setattr(sensitivity, "_drop", lambda *arguments: 0.0 if arguments[4] else 1.0)
    monkeypatch.setattr(sensitivity, "rank", ranked)
    arguments = ["export", str(run_path), "--scheme", "static_w8a8", "--float-layers", "auto"]
    arguments += ["--calibration-count", "2", "--outputs", "rgb", "--out", str(tmp_path), "--head"]
    assert main([*arguments, "upsampled"]) == 0
    assert (seen["classifier_rgb"], seen["output_rgb"]) == ("CONV_2D", "RESIZE_BILINEAR")
    made = json.loads(
        (tmp_path / "static_w8a8-rgb-float_layers_1da510-upsampled.tflite.json").read_text()
    )
    assert made["note"] == "in float32: classifier_rgb"
    assert main([*arguments, "classes"]) == 2
    assert "leave --as-trained, and --head classes" in capsys.readouterr().err
    assert main([*arguments, "logits", "--as-trained"]) == 2


@pytest.mark.parametrize("points", [0.29, 0.57, 1.1, 0.1 + 0.2, 100 * (0.5 - 0.493), 1e-9])
def test_a_budget_is_rounded_up(points):
    budget = float(str(sensitivity._rounded_up(points)))
    # The float nearest to 1.1 lies 1e-16 above it and is rounded to 1.11.
    assert points <= budget < points + 0.01 + 1e-15


@pytest.mark.slow
def test_the_command_leaves_ranking_and_picture(run_path, tmp_path, monkeypatch, capsys):
    for name in ("best.keras", "data.json"):
        shutil.copy(run_path / name, tmp_path)
    # Each layer costs the same time here; few are enough.
    monkeypatch.setattr(sensitivity, "KINDS", ("MUL",))
    assert main(["sensitivity", str(tmp_path), "--calibration-count", "2"]) == 0
    found = json.loads((tmp_path / "sensitivity.json").read_text())
    assert {layer["kind"] for layer in found["layers"]} == {"MUL"}
    assert found["sqnr_db"] > 10
    assert (tmp_path / "sensitivity.png").read_bytes()[:4] == b"\x89PNG"
    assert found["layers"][0]["name"] in capsys.readouterr().out
