"""A Translator out the door: frozen, in both formats and both float schemes, held against the trained one."""

import dataclasses
import json

import numpy as np
import pytest
from seeded import images
from tiny_translation import SIZE, translator

from cen_keras.data.image_domains import to_image
from deploy.__main__ import main
from deploy.freeze import freeze_with_report
from deploy.runtime import manifest as manifests
from deploy.runtime.preprocess import Frame, Preprocessor
from deploy.verify_translation import ImageComparison


@pytest.fixture
def run(translation_run):
    return translation_run


@pytest.mark.parametrize(
    "modalities",
    [
        ("a",),
        ("zeta", "alpha"),
        pytest.param(("a", "b", "d"), marks=pytest.mark.slow),
        tuple("abde"),
    ],
)
def test_frozen_and_exported_it_gives_the_same_images(modalities, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    from deploy.targets import TARGETS

    model = translator(modalities)
    x = images(model.generator, SIZE)
    wanted = {name: np.asarray(image) for name, image in model(x).items()}
    plain, report = freeze_with_report(model, image_shape=SIZE)
    for name, image in plain(x).items():
        # Eight convolutions and the norms between them in float32: 1e-6 of values up to 1.
        np.testing.assert_allclose(image, wanted[name], rtol=0, atol=1e-5)
    if len(modalities) > 1:
        assert report["macs"]["after"] < report["macs"]["before"]
    target = TARGETS["tflite"]
    content = target.write(plain, SIZE)
    target.check(content)  # nothing leaves the fast kernels
    (tmp_path / "a.tflite").write_bytes(content)
    runner = Interpreter(str(tmp_path / "a.tflite")).get_signature_runner()
    for name, image in runner(**x).items():
        np.testing.assert_allclose(image, wanted[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("target", ["tflite", "onnx"])
@pytest.mark.parametrize("scheme", ["fp32", "fp16"])
def test_export_and_verify_from_the_command_line(run, target, scheme, tmp_path, capsys):
    assert main(["export", str(run), "--target", target, "--scheme", scheme]) == 0
    path = run / target / f"{scheme}.{target}"
    manifest = manifests.load(path)
    assert manifest.task == "translation" and manifest.classes == ()
    assert {spec.content for spec in manifest.outputs.values()} == {"image"}
    assert list(manifest.outputs) == ["rgb", "reshading", "ensemble"]
    assert main(["verify", str(path), "--json", str(tmp_path / "v.json")]) == 0
    result = json.loads((tmp_path / "v.json").read_text())
    assert result["passed"] and result["count"] == 3
    assert result == json.loads(path.with_name(path.name + ".verify.json").read_text())
    for output in result["outputs"].values():
        # Half precision has eleven bits: 5e-4 of values up to 1, less in the mean.
        assert output["mean_abs_error"] < (1e-6 if scheme == "fp32" else 1e-3)
        assert output["reference_mae"] == pytest.approx(output["candidate_mae"], abs=1e-3)
    assert "passed" in capsys.readouterr().out
    # And it can fail.
    strict = ["--max-error", "1e-12", "--count", "1"]
    assert main(["verify", str(path), *strict]) == 1


def test_the_frozen_graph_is_verified_before_any_export(run, capsys):
    assert main(["verify", str(run), "--count", "2"]) == 0
    kept = json.loads((run / "frozen.verify.json").read_text())
    assert kept["count"] == 2 and kept["worst_error"] < 1e-6
    assert "frozen graph" in capsys.readouterr().out


def test_an_8_bit_picture_is_prepared_as_in_training(run):
    assert main(["export", str(run), "--outputs", "ensemble"]) == 0
    inputs = manifests.load(run / "tflite" / "fp32-ensemble.tflite").inputs
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (*SIZE, 3), np.uint8) for name in inputs}
    fed = Preprocessor(inputs)(Frame("frame", pictures))
    for name, picture in pictures.items():
        # One multiplication and one subtraction in another order.
        np.testing.assert_allclose(fed[name][0], to_image(name, picture), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "--scheme", "static_w8a8"], "fp32 or fp16, not static_w8a8"),
        (["export", "--head", "classes"], "leave --head"),
        (["export", "--as-trained"], "leave --head and --as-trained"),
        (["export", "--image-shape", "40x48"], "next good size is 48x48"),
        (["verify", "--max-drop", "1"], "has --max-error"),
        (["verify", "--threads", "2"], "are for an artifact"),
        (["verify", "--engine", "litert"], "are for an artifact"),
        (["report"], "holds a translation, and this is for segmentation"),
        (["sensitivity"], "holds a translation"),
    ],
)
def test_what_a_translation_has_not_is_refused(run, arguments, message, capsys):
    command, *options = arguments
    code = main([command, str(run), *options])
    error = capsys.readouterr().err
    assert code == 2 and message in error


def test_comparisons_by_hand():
    comparison = ImageComparison()
    ones = np.ones((1, 2, 1), "float32")
    comparison.add(ones, 0.5 * ones, 0 * ones)
    comparison.add(ones, ones, 0 * ones)
    assert comparison.result() == {
        "mean_abs_error": 0.25,
        "max_abs_error": 0.5,
        "reference_mae": 1.0,
        "candidate_mae": 0.75,
    }
    from cen_keras.errors import InputError

    with pytest.raises(
        InputError, match="images are NaN or infinite, those of the float model are not"
    ):
        comparison.add(ones, np.nan * ones, ones)


def test_a_manifest_of_another_size_is_refused(run, tmp_path, capsys):
    from cen_keras.errors import InputError
    from deploy.run_folder import open_run
    from deploy.runtime.manifest import TASKS
    from deploy.verify_translation import verify_translation

    assert main(["export", str(run), "--image-shape", "48x32", "--outputs", "ensemble"]) == 0
    path = run / "tflite" / "fp32-ensemble-48x32.tflite"
    with pytest.raises(InputError, match="takes images of"):
        verify_translation(open_run(run, TASKS), path)
    lost = dataclasses.replace(manifests.load(path), run="gone")
    manifests.save(lost, tmp_path / "b.tflite", path.read_bytes())
    assert main(["verify", str(tmp_path / "b.tflite")]) == 2
    assert "is not there any more; give it with --run" in capsys.readouterr().err
