"""Artifacts hold what the Keras model computes, under its names, and say so in their manifests."""

import json

import keras
import numpy as np
import pytest
from deploy_size import SIZE
from seeded import images

from cen_keras.errors import InputError
from deploy import artifacts as pipeline
from deploy.calibration import CalibrationChoice
from deploy.run_folder import open_run
from deploy.runtime import manifest as manifests
from deploy.runtime.runner import open_runner
from deploy.tflite.graph import check_builtins, read_operators, read_tensors
from deploy.tflite.writer import write


@pytest.fixture(scope="module")
def fed(run_path):
    """The trained model, one input for it, and what it says."""
    model = open_run(run_path).model()
    feeds = images(model, SIZE)
    return feeds, {name: np.asarray(v) for name, v in model(feeds, training=False).items()}


def test_float_artifacts_equal_the_trained_model(artifacts, as_trained, fed):
    feeds, wanted = fed
    for path in (artifacts["fp32"], as_trained):
        found = open_runner(path).run(feeds)
        assert set(found) == {"rgb", "depth", "ensemble"}
        for output, logits in wanted.items():
            # What freezing may cost, 1e-5, and as much again for another engine's order of sums.
            assert np.abs(found[output] - logits).max() <= 2e-5 * np.abs(logits).max()


def test_the_manifest_says_what_the_file_holds(artifacts):
    manifest = manifests.load(artifacts["int8"])
    tensors = read_tensors(artifacts["int8"].read_bytes())
    assert list(manifest.inputs) == ["rgb", "depth"]
    assert list(manifest.outputs) == ["rgb", "depth", "ensemble"]
    assert manifest.inputs["rgb"].shape == (1, *SIZE, 3)
    assert manifest.inputs["depth"].content == "depth"
    for side, found in (("inputs", tensors.inputs), ("outputs", tensors.outputs)):
        for name, spec in getattr(manifest, side).items():
            assert spec.dtype == found[name].dtype == "int8"
            assert spec.quantization == found[name].quantization
    assert manifest.calibration["count"] == 8
    assert manifest.freeze["macs"]["after"] < manifest.freeze["macs"]["before"]
    assert {"keras", "tensorflow", "python"} <= set(manifest.versions)


@pytest.mark.slow
def test_int8_holds_the_shared_filters_once(run_path):
    """Scales of one sign: every kernel whose channels nobody gives away has a twin."""
    from deploy import calibration
    from deploy.targets import TARGETS

    run, target = open_run(run_path), TARGETS["tflite"]
    model = run.model()
    for weight in model.weights:
        if weight.name == "gamma":
            weight.assign(np.abs(weight))
    content, manifest = pipeline.float_artifact(run, model, target, "all", SIZE)
    samples = calibration.collect(run.views("train"), manifest.inputs, 2)
    small, manifest = pipeline.apply_scheme(content, manifest, target, "static_w8a8", samples)
    merged = manifest.freeze["merged"]
    # Four blocks, each with one norm that exchanges nothing; three have a projection besides.
    assert merged["buffers"] >= 4 + 3
    assert merged["codes"] > 0 and len(small) < len(content) / 2


def test_int8_is_a_quarter_and_close(artifacts, fed):
    feeds, wanted = fed
    sizes = [artifacts[name].stat().st_size for name in ("int8", "fp32")]
    assert sizes[0] < 0.5 * sizes[1]
    found = open_runner(artifacts["int8"]).run(feeds)
    for name, logits in wanted.items():
        noise = ((found[name] - logits) ** 2).sum() / (logits**2).sum()
        # Far below 1 (an unrelated output): int8 of random weights on noise images gives 0.01 to
        # 0.1.
        assert noise < 0.25


def test_frozen_is_plain_and_as_trained_is_not(artifacts, as_trained):
    plain = {operator.kind for operator in read_operators(artifacts["fp32"].read_bytes())}
    trained = {operator.kind for operator in read_operators(as_trained.read_bytes())}
    assert not {kind for kind in plain if "SELECT" in kind or "GATHER" in kind}
    assert any(kind.startswith("SELECT") for kind in trained)
    assert "for comparison only" in manifests.load(as_trained).note


def test_scales_belong_to_the_input_of_their_name(artifacts):
    """The span of the codes is that of the data: rgb has 4.8 standard deviations, depth more."""
    inputs = manifests.load(artifacts["int8"]).inputs
    span = {name: 255 * spec.quantization.scale for name, spec in inputs.items()}
    # (255/255 - 0.406)/0.225 + 0.485/0.229 = 4.76 at most; rooms go farther than that in depth/1.5.
    assert span["rgb"] <= 4.77
    assert span["depth"] != pytest.approx(span["rgb"], rel=1e-3)


class Inverse(keras.layers.Layer):
    """A layer whose operator no engine has built in."""

    def call(self, x):
        import tensorflow as tf

        return tf.raw_ops.Erfinv(x=tf.sigmoid(x) * 0.5)

    def compute_output_shape(self, shape):
        return shape


def test_an_operator_that_is_not_built_in_is_named_with_its_layer():
    x = keras.Input((8, 8, 3), name="rgb")
    model = keras.Model({"rgb": x}, {"rgb": Inverse(name="strange")(keras.layers.Conv2D(2, 3)(x))})
    with pytest.raises(InputError, match=r"Erfinv in .*strange"):
        write(model, (8, 8))


def test_custom_operators_in_a_file_are_found(artifacts):
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = artifacts["fp32"].read_bytes()
    check_builtins(content)
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = b"FlexErfinv"
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(InputError, match="FlexErfinv in "):
        check_builtins(bytes(builder.Output()))


def test_float_io_and_one_output(run_path, tmp_path):
    """One export through the front door, with everything unusual at once."""
    path = pipeline.export(
        open_run(run_path),
        "tflite",
        "static_w8a8",
        outputs="ensemble",
        image_shape=(64, 96),
        folder=tmp_path,
        integer_io=False,
        calibration=CalibrationChoice(count=2, save_to=tmp_path / "samples.npz"),
    )
    assert path.name == "static_w8a8-ensemble-64x96-float_io.tflite"
    manifest = manifests.load(path)
    assert {s.dtype for s in (*manifest.inputs.values(), *manifest.outputs.values())} == {"float32"}
    assert list(manifest.outputs) == ["ensemble"]
    assert (tmp_path / manifest.run).resolve() == run_path.resolve()
    with np.load(tmp_path / "samples.npz") as samples:
        assert samples["rgb"].shape == (2, 64, 96, 3)
        assert samples["depth"].shape == (2, 64, 96, 1)
    runner = open_runner(path)
    found = runner.run(
        {n: np.zeros((1, 64, 96, s.hwc[2]), np.float32) for n, s in runner.inputs.items()}
    )
    assert np.isfinite(found["ensemble"]).all()


def test_a_full_disk_while_exporting_leaves_nothing(run_path, artifacts, tmp_path, monkeypatch):
    import errno
    import os

    from deploy.runtime import files

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    manifest, content = manifests.load(artifacts["fp32"]), artifacts["fp32"].read_bytes()
    monkeypatch.setattr(files, "_settle", full)
    with pytest.raises(OSError, match="No space"):
        manifests.save(manifest, tmp_path / "a.tflite", content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("no data.json", lambda f: (f / "data.json").unlink(), "not a run folder"),
        ("no JSON", lambda f: (f / "data.json").write_text("{"), "not JSON"),
        ("nothing in it", lambda f: (f / "data.json").write_text("{}"), "missing; train again"),
        ("no model", lambda f: None, "has not finished an epoch"),
        ("cut model", lambda f: (f / "best.keras").write_bytes(b"PK"), "not a whole Keras model"),
    ],
)
def test_run_folders_that_are_none(run_path, tmp_path, name, change, words):
    (tmp_path / "data.json").write_text((run_path / "data.json").read_text())
    change(tmp_path)
    with pytest.raises(InputError, match=words):
        open_run(tmp_path).model()


def test_a_modality_without_normalisation_is_named(run_path, tmp_path):
    data = json.loads((run_path / "data.json").read_text())
    del data["normalization"]["depth"]
    (tmp_path / "data.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="no normalisation of 'depth'"):
        open_run(tmp_path).input_spec("depth", (1, 8, 8, 1))
