"""TensorRT: the plan of each version, the build and the runner against doubles of the API."""

import ast
import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import frame, graph, write_artifact
from tensorrt_doubles import CudaDriver, CudaRuntime, tensorrt

import deploy
from deploy.__main__ import main
from deploy.runtime import manifest as manifests
from deploy.runtime.cuda import Cuda
from deploy.runtime.errors import InputError
from deploy.runtime.runner import open_runner
from deploy.runtime.trt_engine import board_engines
from deploy.runtime.trt_runner import TensorRTRunner
from deploy.tensorrt.builder import build, plan, trtexec_line

VERSIONS = ("8.5", "10.3", "11.0")


@pytest.fixture
def artifact(tmp_path):
    return write_artifact(tmp_path / "static_w8a8.onnx", "static_w8a8")


def cuda(failing=""):
    runtime = CudaRuntime(failing)
    return Cuda(runtime, CudaDriver()), runtime


@pytest.mark.parametrize(
    ("version", "scheme", "half", "network", "flags"),
    [
        ((8, 5), "fp32", None, ("EXPLICIT_BATCH",), ()),
        ((8, 5), "fp32", True, ("EXPLICIT_BATCH",), ("FP16",)),
        ((8, 5), "fp16", None, ("EXPLICIT_BATCH",), ("FP16",)),
        ((8, 6), "static_w8a8", None, ("EXPLICIT_BATCH",), ("INT8", "FP16")),
        ((10, 3), "static_w8a8", None, (), ("INT8", "FP16")),
        ((10, 3), "static_w8a8", False, (), ("INT8",)),
        ((10, 3), "fp16", None, ("STRONGLY_TYPED",), ()),
        ((10, 3), "static_w8a8_fp16", None, ("STRONGLY_TYPED",), ()),
        ((11, 0), "static_w8a8_fp16", None, (), ()),
        ((10, 3), "fp32", None, (), ()),
        ((11, 0), "static_w8a8", None, (), ()),
        ((11, 4), "fp16", None, (), ()),
    ],
)
def test_plan_has_the_flags_of_the_version(version, scheme, half, network, flags):
    chosen = plan(version, scheme, half)
    assert (chosen.network_flags, chosen.builder_flags) == (network, flags)
    assert (chosen.effort is None) == (version < (8, 6))
    assert bool(chosen.note) == (version >= (11, 0) and scheme == "static_w8a8")


def test_plan_refuses_what_is_not_to_be_had():
    with pytest.raises(InputError, match="scheme fp16"):
        plan((11, 0), "fp32", half=True)
    with pytest.raises(InputError, match="8.6 quantises float32 only"):
        plan((8, 6), "static_w8a8_fp16")
    with pytest.raises(InputError, match="the file itself is in 16-bit floats"):
        plan((8, 6), "fp16", half=False)
    with pytest.raises(InputError, match="dynamic_w8"):
        plan((10, 3), "dynamic_w8")


def test_engines_of_other_options_have_other_names():
    tags = [
        plan((10, 3), "fp32", half, workspace_mb=mb, effort=effort).tag
        for half in (None, True)
        for mb in (64, 1024)
        for effort in (3, 5)
    ]
    assert len(set(tags)) == 8


def test_trtexec_line_of_each_version():
    def words(version, scheme):
        return trtexec_line("a b.onnx", "e.engine", plan(version, scheme)).split(" --")[1:]

    common = ["saveEngine=e.engine", "memPoolSize=workspace:1024"]
    level = "builderOptimizationLevel=3"
    line = trtexec_line("a b.onnx", "e.engine", plan((8, 5), "static_w8a8"))
    assert line.split()[0] == "/usr/src/tensorrt/bin/trtexec" and "'--onnx=a b.onnx'" in line
    assert {*words((8, 5), "static_w8a8")} == {*common, "int8", "fp16", "buildOnly"}
    assert {*words((10, 3), "static_w8a8")} == {*common, "int8", "fp16", level, "skipInference"}
    assert {*words((10, 3), "fp16")} == {*common, "stronglyTyped", level, "skipInference"}
    assert {*words((11, 0), "static_w8a8")} == {*common, level, "skipInference"}


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "static_w8a8"])
@pytest.mark.parametrize("version", VERSIONS)
def test_build_and_run_use_only_what_the_version_has(version, scheme, tmp_path):
    path = write_artifact(tmp_path / f"{scheme}.onnx", scheme)
    trt, (gpu, memory) = tensorrt(version), cuda()
    engine, chosen, built = build(path, tensorrt=trt, cuda=gpu, workspace_mb=256)
    sha = manifests.load(path).file_sha256[:12]
    name = f"{scheme}.orin-nvgpu-sm87-16.trt{version}.0.{chosen.tag}.{sha}.engine"
    assert engine == tmp_path / name
    assert built and ("workspace", "workspace", 256 << 20) in trt.calls
    assert trt.calls[-1] == ("build", sorted(chosen.builder_flags), chosen.effort)
    runner = TensorRTRunner(path, manifests.load(path), tensorrt=trt, cuda=gpu)
    found, wanted = runner.run(frame()), open_runner(path).run(frame())
    for name in ("rgb", "depth"):
        # The double computes with the very engine that it is compared with.
        np.testing.assert_array_equal(found[name], wanted[name])
    # Four tensors on either side, a stream, and the recorded work.
    assert len(memory.alive) == 10
    runner.close()
    runner.close()
    assert not memory.alive


def test_an_engine_of_other_flags_has_a_name_of_its_own_and_the_last_built_runs(tmp_path):
    path = write_artifact(tmp_path / "cut [1].onnx", "fp32")  # brackets: a pattern, if not escaped
    trt, (gpu, _) = tensorrt("10.3"), cuda()
    engines = [
        build(path, tensorrt=trt, cuda=gpu, half=half, effort=effort)
        for half, effort in ((False, 3), (True, 3), (True, 5), (True, 3))
    ]
    names = [engine.name.split(".trt10.3.0.")[1].split(".")[0] for engine, _, _ in engines]
    assert names == ["no-flags-effort3", "fp16-effort3", "fp16-effort5", "fp16-effort3"]
    assert [built for _, _, built in engines] == [True, True, True, False]
    for age, (engine, _, _) in enumerate(engines[:3]):
        os.utime(engine, (1e9 - age, 1e9 - age))
    sha, tag = manifests.load(path).file_sha256, gpu.device_tag()
    assert board_engines(path, tag, trt.__version__, sha) == [
        engine for engine, _, _ in engines[:3]
    ]
    runner = TensorRTRunner(path, manifests.load(path), tensorrt=trt, cuda=gpu)
    assert set(runner.run(frame())) == {"rgb", "depth"}
    runner.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_from_the_second_run_on_the_work_is_one_recorded_graph(version, artifact):
    trt, (gpu, memory) = tensorrt(version), cuda()
    build(artifact, tensorrt=trt, cuda=gpu)
    runner = TensorRTRunner(artifact, manifests.load(artifact), tensorrt=trt, cuda=gpu)
    wanted = open_runner(artifact)
    for number in range(4):
        fed = {name: array + number for name, array in frame().items()}
        found = runner.run(fed)
        for name, value in wanted.run(fed).items():
            np.testing.assert_array_equal(found[name], value)
    assert trt.calls.count("enqueue") == 2, "one run, one recording; then launches"
    assert "ready" in memory.alive and "graph" not in memory.alive


@pytest.mark.parametrize("refusing", ["engine", "capture", "instantiate"])
def test_what_cannot_be_recorded_runs_piece_by_piece(refusing, artifact):
    trt = tensorrt("10.3", refuses=["record"] if refusing == "engine" else [])
    gpu, memory = cuda(refusing)
    build(artifact, tensorrt=trt, cuda=gpu)
    runner = TensorRTRunner(artifact, manifests.load(artifact), tensorrt=trt, cuda=gpu)
    wanted = open_runner(artifact).run(frame())
    for _ in range(3):
        found = runner.run(frame())
        for name, value in wanted.items():
            np.testing.assert_array_equal(found[name], value)
    assert trt.calls.count("enqueue") == (3 if refusing == "capture" else 4), (
        "recording was tried once"
    )
    assert not {"ready", "graph"} & set(memory.alive)


def test_measured_times_are_kept_between_builds(artifact):
    trt, (gpu, _) = tensorrt("10.3"), cuda()
    build(artifact, tensorrt=trt, cuda=gpu)
    cache = artifact.parent / "timing.orin-nvgpu-sm87-16.trt10.3.0.cache"
    assert cache.read_bytes() == b"t"
    build(artifact, tensorrt=trt, cuda=gpu, force=True)
    assert ("timing", b"t") in trt.calls and cache.read_bytes() == b"tt"
    cache.write_bytes(b"damaged")
    build(artifact, tensorrt=trt, cuda=gpu, force=True)
    assert cache.read_bytes() == b"t", "begun anew"


def test_a_place_that_cannot_be_written_to_fails_before_the_build(artifact):
    trt, (gpu, _) = tensorrt("10.3"), cuda()
    engine = build(artifact, tensorrt=trt, cuda=gpu)[0]
    engine.unlink()
    engine.mkdir()
    trt.calls.clear()
    with pytest.raises(OSError, match="directory"):
        build(artifact, tensorrt=trt, cuda=gpu)
    assert trt.calls == []


def test_times_that_cannot_be_kept_do_not_cost_the_engine(artifact):
    trt, (gpu, _) = tensorrt("10.3"), cuda()
    (artifact.parent / "timing.orin-nvgpu-sm87-16.trt10.3.0.cache").mkdir()
    engine, _, built = build(artifact, tensorrt=trt, cuda=gpu)
    assert built and engine.is_file()
    kind, severity, message = trt.calls[-1]
    assert (kind, severity) == ("log", "warning") and "times are not kept" in message


def test_a_forgotten_runner_gives_its_memory_back(artifact):
    trt, (gpu, memory) = tensorrt("10.3"), cuda()
    build(artifact, tensorrt=trt, cuda=gpu)
    runner = TensorRTRunner(artifact, manifests.load(artifact), tensorrt=trt, cuda=gpu)
    assert memory.alive
    del runner
    gc.collect()
    assert not memory.alive


def test_an_engine_is_built_once_and_again_for_another_version_or_file(artifact):
    trt, (gpu, _) = tensorrt("10.3"), cuda()
    first = build(artifact, tensorrt=trt, cuda=gpu)
    assert build(artifact, tensorrt=trt, cuda=gpu)[::2] == (first[0], False)
    assert build(artifact, tensorrt=trt, cuda=gpu, force=True)[2]
    newer = build(artifact, tensorrt=tensorrt("11.0"), cuda=gpu)
    assert newer[2] and newer[0] != first[0]
    content = artifact.read_bytes()
    manifests.save(manifests.load(artifact), artifact, content + b"\x1a\x00")
    changed = build(artifact, tensorrt=trt, cuda=gpu)
    assert changed[2] and changed[0] not in (first[0], newer[0])


@pytest.mark.parametrize(("step", "message"), [("parse", "no importer"), ("build", "its log")])
def test_a_refused_build_leaves_nothing_behind(artifact, step, message):
    before = sorted(artifact.parent.iterdir())
    with pytest.raises(InputError, match=message):
        build(artifact, tensorrt=tensorrt("10.3", refuses=[step]), cuda=cuda()[0])
    assert sorted(artifact.parent.iterdir()) == before


def test_what_can_go_wrong_on_the_board_is_named(artifact):
    manifest = manifests.load(artifact)

    def runner(trt=None, failing=""):
        gpu, memory = cuda(failing)
        try:
            return TensorRTRunner(artifact, manifest, tensorrt=trt or tensorrt("8.5"), cuda=gpu)
        finally:
            gc.collect()
            assert failing == "" or set(memory.alive) <= {"stream"}

    with pytest.raises(InputError, match="deploy engine"):
        runner()
    engine = build(artifact, tensorrt=tensorrt("8.5"), cuda=cuda()[0])[0]
    with pytest.raises(InputError, match="cudaMalloc"):
        runner(failing="cudaMalloc")
    with pytest.raises(InputError, match="refuses an address"):
        runner(tensorrt("8.5", accepts_addresses=False))
    with pytest.raises(InputError, match="could not run"):
        runner(tensorrt("8.5", refuses=["run"])).run(frame())
    engine.write_bytes(engine.read_bytes()[3:])
    with pytest.raises(InputError, match="build it again"):
        runner()
    old = tensorrt("8.5")
    old.__version__ = "8.4.1"
    with pytest.raises(InputError, match="8.5 or later"):
        runner(old)


def test_an_engine_of_other_tensors_is_refused(artifact):
    trt, (gpu, _) = tensorrt("10.3"), cuda()
    engine = build(artifact, tensorrt=trt, cuda=gpu)[0]
    other = graph("logits = Relu(rgb)", "float[1,3,4,6] rgb", "float[1,3,4,6] logits")
    engine.write_bytes(b"ENGINE" + other.SerializeToString())
    with pytest.raises(InputError, match="the engine has rgb, the manifest depth, rgb"):
        TensorRTRunner(artifact, manifests.load(artifact), tensorrt=trt, cuda=gpu)


def test_command_without_tensorrt_says_so_and_a_dry_run_needs_none(artifact, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # importing it fails, installed or not
    assert main(["engine", str(artifact)]) == 2
    assert "JetPack" in capsys.readouterr().err
    with pytest.raises(InputError, match="JetPack"):
        open_runner(artifact, engine="tensorrt")
    assert main(["engine", str(artifact), "--dry-run"]) == 2
    assert "--dry-run --tensorrt 10.3" in capsys.readouterr().err
    assert main(["engine", str(artifact), "--dry-run", "--tensorrt", "8.5"]) == 0
    assert "--int8 --fp16" in capsys.readouterr().out


def test_a_machine_without_cuda_is_named(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", absent)
    with pytest.raises(InputError, match="not on this machine"):
        Cuda()


def test_files_of_the_board_are_python_3_8_and_import_only_the_runtime():
    folder = Path(deploy.__file__).parent
    files = ["tensorrt/builder.py", "tensorrt/__init__.py", "commands/engine.py", "__main__.py"]
    files += ["runtime/trt_runner.py", "runtime/trt_engine.py", "runtime/cuda.py"]
    for name in files:
        tree = ast.parse((folder / name).read_text(encoding="utf-8"), feature_version=(3, 8))
        for node in ast.walk(tree):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            allowed = {"numpy", "tensorrt", "argparse", "ast", "collections", "ctypes"}
            allowed |= {
                "dataclasses",
                "glob",
                "importlib",
                "pathlib",
                "re",
                "shlex",
                "sys",
                "typing",
            }
            allowed |= {"weakref", "__future__", "tensorrt_rtx_bindings"}
            assert {m.split(".")[0] for m in modules} <= allowed, name
