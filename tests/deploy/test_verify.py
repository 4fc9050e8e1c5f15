"""verify measures what it says, through the board's own code, and its exit code follows."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.metrics.confusion import ConfusionMatrix
from deploy import verify
from deploy.__main__ import main
from deploy.run_folder import open_run
from deploy.runtime import manifest as manifests
from deploy.verify import OutputComparison, _judged, verify_artifact, verify_frozen


def test_the_numbers_of_a_comparison():
    reference = np.zeros((2, 2, 2), np.float32)
    reference[..., 0] = 4.0
    candidate = reference.copy()
    candidate[0, 0] = (4.0, 6.0)  # one pixel of four changes its class
    comparison = OutputComparison(2)
    comparison.add(reference, candidate, np.zeros((2, 2), np.uint8))
    result = comparison.result(("a", "b"))
    assert result["max_abs_error"] == 6.0
    assert result["relative_error"] == 1.5
    assert result["pixel_agreement"] == 0.75
    # Signal 4 * 16, noise 36.
    assert result["sqnr_db"] == pytest.approx(10 * np.log10(64 / 36))
    # Float: class a right everywhere, b nowhere seen. Candidate: a 3/4, b 0.
    assert result["reference"]["miou"] == 1.0
    assert result["candidate"]["miou"] == 0.375
    assert result["drop_points"] == 62.5
    assert result["reference"]["per_class"] == {"a": 1.0, "b": None}


def test_logits_that_are_not_finite_are_refused():
    bad = np.full((2, 2, 2), np.nan, np.float32)
    with pytest.raises(InputError, match="logits of the float model are NaN"):
        OutputComparison(2).add(bad, bad, np.zeros((2, 2), np.uint8))
    good = np.zeros_like(bad)
    with pytest.raises(
        InputError, match="logits are NaN or infinite, those of the float model are not"
    ):
        OutputComparison(2).add(good, bad, np.zeros((2, 2), np.uint8))


def test_an_output_without_any_class_does_not_pass():
    """Its mIoU is NaN, which Python's max would skip behind a number."""
    outputs = {"rgb": {"drop_points": 0.1}, "depth": {"drop_points": float("nan")}}
    assert not _judged({"outputs": outputs}, allowed=1.0)["passed"]


def test_frozen_equals_trained(run_path, monkeypatch):
    monkeypatch.setattr(verify, "_BATCH", 2)
    done = []
    result = verify_frozen(open_run(run_path), count=3, progress=lambda *views: done.append(views))
    assert done == [(2, 3), (3, 3)]
    assert result["passed"] and result["count"] == 3
    assert result["relative_error"] <= 1e-5  # what freezing promises
    assert list(result["outputs"]) == ["rgb", "depth", "ensemble"]


def test_an_artifact_against_scores_made_by_hand(run_path, artifacts):
    """mIoU of the float model as Keras and a confusion matrix give it without verify."""
    run = open_run(run_path)
    result = verify_artifact(artifacts["fp32"], count=2)
    assert result["passed"]
    model, views = run.model(), run.views("val")
    confusion = ConfusionMatrix(13)
    for view in (views[0], views[1]):
        rgb = (view["rgb"] / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        depth = (view["depth"][..., None] - 2.5) / 1.5
        fed = {"rgb": rgb[None].astype("f4"), "depth": depth[None].astype("f4")}
        logits = model(fed, training=False)["ensemble"]
        import tensorflow as tf

        large = tf.image.resize(logits, view["label"].shape, "bilinear")
        confusion.update(view["label"][None], np.argmax(large, -1))
    found = result["outputs"]["ensemble"]["reference"]["miou"]
    # Pixels whose two best classes are within float32 rounding: at most a few of 6144.
    assert found == pytest.approx(confusion.result()["miou"], abs=2e-3)
    assert result["outputs"]["ensemble"]["pixel_agreement"] > 0.999


def test_a_wrong_normalisation_in_the_manifest_shows(artifacts, run_path, tmp_path):
    manifest = manifests.load(artifacts["fp32"])
    rgb = manifest.inputs["rgb"]
    wrong = dataclasses.replace(rgb.normalization, mean=(2.0, 2.0, 2.0))
    inputs = dict(manifest.inputs, rgb=dataclasses.replace(rgb, normalization=wrong))
    path = tmp_path / "wrong.tflite"
    manifests.save(
        dataclasses.replace(manifest, inputs=inputs), path, artifacts["fp32"].read_bytes()
    )
    right = verify_artifact(artifacts["fp32"], count=1)["outputs"]["rgb"]
    found = verify_artifact(path, open_run(run_path), count=1)["outputs"]["rgb"]
    assert right["relative_error"] < 1e-4 < 0.05 < found["relative_error"]


def test_the_command_keeps_its_result_and_judges(artifacts, run_path, tmp_path, capsys):
    kept = tmp_path / "result.json"
    arguments = ["verify", str(artifacts["int8"]), "--run", str(run_path), "--count", "2"]
    assert main([*arguments, "--max-drop", "100", "--json", str(kept)]) == 0
    printed = capsys.readouterr().out
    assert "passed: worst drop" in printed and "IoU by class" in printed
    result = json.loads(kept.read_text())
    beside = json.loads(artifacts["int8"].with_suffix(".tflite.verify.json").read_text())
    assert result == beside
    assert result["count"] == 2 and set(result["outputs"]) == {"rgb", "depth", "ensemble"}
    # No artifact is a hundred points better than its model.
    assert main([*arguments, "--max-drop", "-100"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_layers_of_another_engine_are_refused_before_the_work(
    artifacts, run_path, tmp_path, capsys
):
    manifest = dataclasses.replace(manifests.load(artifacts["fp32"]), target="onnx")
    manifests.save(manifest, tmp_path / "a.onnx", artifacts["fp32"].read_bytes())
    assert main(["verify", str(tmp_path / "a.onnx"), "--run", str(run_path), "--layers", "1"]) == 2
    assert "is no .tflite file" in capsys.readouterr().err


def test_an_artifact_whose_run_is_gone(artifacts, tmp_path, capsys):
    for suffix in (".tflite", ".tflite.json"):
        shutil.copy(artifacts["fp32"].with_suffix(suffix), tmp_path / ("a" + suffix))
    assert main(["verify", str(tmp_path / "a.tflite")]) == 2
    assert "not a run folder" in capsys.readouterr().err
    manifest = dataclasses.replace(manifests.load(tmp_path / "a.tflite"), run=None)
    manifests.save(manifest, tmp_path / "a.tflite", artifacts["fp32"].read_bytes())
    with pytest.raises(InputError, match="names no run folder; give it with --run"):
        verify_artifact(tmp_path / "a.tflite")
