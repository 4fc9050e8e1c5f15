"""ONNX Runtime's runner: names of the file, layouts, and the providers with their options."""

import hashlib

import numpy as np
import onnxruntime
import pytest
from onnx_graphs import frame, graph, write_artifact

from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.ort_runner import CPU, CUDA, TENSORRT, OrtRunner, provider_options
from deploy.runtime.runner import open_runner


@pytest.fixture
def artifact(tmp_path):
    return write_artifact(tmp_path / "static_w8a8.onnx", "static_w8a8")


def test_outputs_carry_the_manifests_names_and_layout(artifact):
    runner, fed = open_runner(artifact, threads=1), frame()
    found = runner.run(fed)
    assert set(found) == {"rgb", "depth"}
    # A 1x1 convolution of one channel with 1 and -2: exact in float32.
    np.testing.assert_array_equal(found["depth"], fed["depth"] * np.float32([1, -2]))
    assert found["rgb"].shape == (1, 4, 6, 2)
    assert runner.engine.startswith("onnxruntime") and runner.engine.endswith("CPU")


class Session:
    """An InferenceSession that keeps some of the providers, as one without their libraries does."""

    def __init__(self, path, options, providers):
        self.asked = providers
        self._real = onnxruntime_session(path, options, providers=["CPUExecutionProvider"])

    def get_providers(self):
        return [name for name, _ in self.asked if name not in Session.dropped]

    def __getattr__(self, name):
        return getattr(self._real, name)


onnxruntime_session = onnxruntime.InferenceSession


@pytest.fixture
def board(monkeypatch):
    """An onnxruntime that has all providers."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    Session.dropped = set()
    return Session


def test_engines_ask_for_their_providers_in_order(artifact, board):
    asked = {
        engine: [name for name, _ in open_runner(artifact, engine=engine)._session.asked]
        for engine in ("ort", "ort-cuda", "ort-tensorrt")
    }
    assert asked == {
        "ort": [CPU],
        "ort-cuda": [CUDA, CPU],
        "ort-tensorrt": [TENSORRT, CUDA, CPU],
    }


@pytest.mark.parametrize(
    ("scheme", "half", "int8"), [("fp32", 0, 0), ("fp16", 1, 0), ("static_w8a8", 1, 1)]
)
def test_tensorrt_gets_precision_by_scheme_and_a_cache_beside_the_artifact(
    tmp_path, board, scheme, half, int8
):
    path = write_artifact(tmp_path / f"{scheme}.onnx", scheme)
    runner = open_runner(path, engine="ort-tensorrt")
    options = dict(runner._session.asked)[TENSORRT]
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (half, int8)
    assert options["trt_engine_cache_enable"] is True
    manifest = runner.manifest
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert options["trt_engine_cache_path"] == str(tmp_path / f"{scheme}.onnx.{digest}.ort_cache")
    assert provider_options(CPU, path, manifest) == provider_options(CUDA, path, manifest) == {}


def test_a_provider_that_silently_falls_away_is_an_error(artifact, board):
    board.dropped = {TENSORRT}
    with pytest.raises(InputError, match="could not start TensorrtExecutionProvider"):
        open_runner(artifact, engine="ort-tensorrt")


def test_what_is_not_there_is_named(artifact):
    with pytest.raises(InputError, match="no CUDAExecutionProvider"):
        open_runner(artifact, engine="ort-cuda")
    with pytest.raises(InputError, match="choose one of ort, "):
        open_runner(artifact, engine="litert")


def test_a_file_that_the_manifest_does_not_describe_is_refused(artifact):
    manifest = manifests.load(artifact)
    other = graph("logits = Relu(rgb)", "float[1,3,4,6] rgb", "float[1,3,4,6] logits")
    artifact.write_bytes(other.SerializeToString())
    with pytest.raises(InputError, match="the file has rgb, the manifest depth, rgb"):
        OrtRunner(artifact, manifest)
    artifact.write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot load it"):
        OrtRunner(artifact, manifest)


def test_every_spec_survives_the_manifest(artifact):
    manifest = manifests.load(artifact)
    names = {name: spec.tensor_name for name, spec in manifest.outputs.items()}
    assert names == {"rgb": "rgb_logits", "depth": "depth_logits"}
    again = manifests.parse(manifest.to_json(), "manifest")
    assert again == manifest
