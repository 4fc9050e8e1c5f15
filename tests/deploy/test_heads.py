"""What an artifact gives: logits, logits at the size of the image, or classes."""

import json
import shutil

import cv2
import numpy as np
import pytest
from deploy_size import SIZE

from deploy.__main__ import main
from deploy.freeze import freeze
from deploy.run_folder import open_run
from deploy.runtime.postprocess import class_map
from deploy.runtime.runner import open_runner


@pytest.fixture(scope="module")
def run(run_path, tmp_path_factory):
    copy = tmp_path_factory.mktemp("heads") / "cen"
    shutil.copytree(run_path, copy)
    return copy


@pytest.fixture(scope="module")
def exported(run):
    """One artifact of the ensemble for each scheme and head."""
    paths = {}
    for scheme in ("fp32", "static_w8a8"):
        for head in ("logits", "upsampled", "classes"):
            file = run.parent / "export.json"
            arguments = ["export", str(run), "--scheme", scheme, "--head", head]
            arguments += ["--outputs", "ensemble", "--json", str(file)]
            arguments += [] if scheme == "fp32" else ["--calibration-count", "4"]
            assert main(arguments) == 0
            paths[scheme, head] = json.loads(file.read_text())["artifact"]
    return paths


def images(runner, seed=0):
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(size=(1, *spec.hwc)).astype(np.float32)
        for name, spec in runner.inputs.items()
    }


def test_the_frozen_graph_enlarges_as_opencv_and_takes_the_largest(run):
    model = open_run(run).model()
    generator = np.random.default_rng(1)
    x = {
        tensor.name: generator.normal(size=(1, *SIZE, tensor.shape[-1])).astype(np.float32)
        for tensor in model.inputs
    }
    logits = freeze(model, image_shape=SIZE)(x)
    large = freeze(model, image_shape=SIZE, head="upsampled")(x)
    classes = freeze(model, image_shape=SIZE, head="classes")(x)
    for name, small in logits.items():
        wanted = cv2.resize(np.asarray(small[0]), SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        # Two float32 products and sums of numbers up to |logits|.
        limit = 8 * np.finfo(np.float32).eps * np.abs(wanted).max()
        np.testing.assert_allclose(large[name][0], wanted, rtol=0, atol=limit)
        assert classes[name].shape == (1, *SIZE, 1)
        np.testing.assert_array_equal(classes[name][0, ..., 0], np.argmax(large[name][0], -1))


@pytest.mark.parametrize("scheme", ["fp32", "static_w8a8"])
def test_every_head_shows_the_same_picture(exported, scheme):
    maps = {}
    for head in ("logits", "upsampled", "classes"):
        runner = open_runner(exported[scheme, head])
        maps[head] = class_map(runner.run(images(runner))["ensemble"][0], *SIZE)
    for head in ("upsampled", "classes"):
        # The same numbers but for the rounding of the enlarged ones: float32's, or to one of 255
        # codes, which decides where two classes are closer than a code (some hundredths of the
        # pixels of random logits).
        limit = 1e-3 if scheme == "fp32" else 0.05
        assert (maps[head] != maps["logits"]).mean() <= limit, head


def test_classes_are_one_channel_and_scaled_with_the_picture(exported):
    runner = open_runner(exported["static_w8a8", "classes"])
    spec = runner.outputs["ensemble"]
    assert (spec.content, spec.dtype, spec.hwc) == ("classes", "int32", (*SIZE, 1))
    small = np.arange(6, dtype=np.int32).reshape(2, 3, 1)
    np.testing.assert_array_equal(class_map(small, 4, 6), np.kron(small[..., 0], np.ones((2, 2))))


@pytest.mark.parametrize("head", ["upsampled", "classes"])
def test_verify_takes_every_head(exported, head, tmp_path):
    result = tmp_path / "v.json"
    code = main(["verify", exported["fp32", head], "--count", "2", "--json", str(result)])
    found = json.loads(result.read_text())["outputs"]["ensemble"]
    assert code == 0
    assert found["pixel_agreement"] > 0.999
    if head == "classes":
        assert found["relative_error"] is None
    else:
        # As for the logits of a float32 artifact.
        assert found["relative_error"] < 1e-4


def test_an_unknown_head_is_named(run, capsys):
    assert main(["export", str(run), "--head", "argmax"]) == 2
    assert (
        "'argmax' is unknown; choose one of logits, upsampled, classes" in capsys.readouterr().err
    )


def test_onnx_gives_the_classes_that_litert_gives(run, exported):
    arguments = ["export", str(run), "--target", "onnx", "--head", "classes"]
    assert main([*arguments, "--outputs", "ensemble"]) == 0
    found = open_runner(run / "onnx" / "fp32-ensemble-classes.onnx")
    wanted = open_runner(exported["fp32", "classes"])
    x = images(wanted)
    # Two engines sum in another order: a class changes only where two logits agree to float32.
    assert (found.run(x)["ensemble"] != wanted.run(x)["ensemble"]).mean() <= 1e-3
