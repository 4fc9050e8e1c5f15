"""Engines of TensorRT for RTX are found by the GPU's compute capability, and run as TensorRT's own."""

import numpy as np
import pytest
from onnx_graphs import frame, write_artifact
from tensorrt_doubles import CudaDriver, CudaRuntime, tensorrt

from deploy.runtime import manifest as manifests
from deploy.runtime.cuda import Cuda
from deploy.runtime.errors import InputError
from deploy.runtime.runner import open_runner
from deploy.runtime.trt_engine import engine_path, rtx_engines, rtx_tag
from deploy.runtime.trt_runner import RtxRunner


class DesktopDriver(CudaDriver):
    """libcuda of a desktop's Ampere."""

    def cuDeviceGetAttribute(self, value, key, device):
        value._obj.value = {75: 8, 76: 6, 16: 82}[key]
        return 0


@pytest.fixture
def artifact(tmp_path):
    return write_artifact(tmp_path / "static_w8a8.onnx", "static_w8a8")


def put_engine(artifact, capabilities, version="11.0.0"):
    sha = manifests.load(artifact).file_sha256
    path = engine_path(artifact, rtx_tag(capabilities), version, sha)
    path.write_bytes(b"ENGINE" + artifact.read_bytes())
    return path


def runner(artifact, driver):
    trt, gpu = tensorrt("11.0"), Cuda(CudaRuntime(), driver)
    return RtxRunner(artifact, manifests.load(artifact), tensorrt=trt, cuda=gpu)


def test_the_engine_for_this_gpu_is_taken_and_runs(artifact):
    put_engine(artifact, ["7.5"])
    put_engine(artifact, ["8.9", "8.6"])
    opened = runner(artifact, DesktopDriver())
    assert opened.engine == "TensorRT for RTX 11.0.0"
    found, wanted = opened.run(frame()), open_runner(artifact).run(frame())
    for name in ("rgb", "depth"):
        # The double computes with the very engine that it is compared with.
        np.testing.assert_array_equal(found[name], wanted[name])


def test_engines_for_other_gpus_are_named(artifact):
    with pytest.raises(InputError, match="are for none; build one.*--compute-capability 8.7"):
        runner(artifact, CudaDriver())
    put_engine(artifact, ["8.6", "12.0"])
    put_engine(artifact, ["8.7"], version="10.0.0")  # of another version of the library
    with pytest.raises(InputError, match="capability 8.7; engines .* are for sm120, sm86;"):
        runner(artifact, CudaDriver())


def test_names_hold_the_capabilities_once_and_in_order(artifact):
    assert rtx_tag(["8.9", "8.6", "8.9"]) == "rtx-sm86-sm89"
    path = put_engine(artifact, ["8.9", "8.6"])
    assert "rtx-sm86-sm89.trt11.0.0." in path.name
    sha = manifests.load(artifact).file_sha256
    assert rtx_engines(artifact, "11.0.0", sha) == {path: ("sm86", "sm89")}


def test_a_missing_library_is_named(artifact, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorrt_rtx_bindings", None)
    with pytest.raises(InputError, match=r"pip install 'cen-keras\[tensorrt-rtx\]'"):
        open_runner(artifact, engine="tensorrt-rtx")
