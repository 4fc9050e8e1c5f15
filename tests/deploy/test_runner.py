"""Runners address tensors by name, convert where asked, and refuse what does not fit."""

import ast
import dataclasses

import numpy as np
import pytest

from deploy.runtime import manifest as manifests
from deploy.runtime import runner as runner_module
from deploy.runtime.errors import InputError
from deploy.runtime.postprocess import dequantize
from deploy.runtime.preprocess import quantize
from deploy.runtime.runner import open_runner


@pytest.fixture
def runner(artifacts):
    return open_runner(artifacts["int8"], threads=1)


def arrays(runner, seed=0):
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=(1, *s.hwc)).astype(np.float32) for n, s in runner.inputs.items()}


def test_the_example_is_code():
    lines = runner_module.__doc__.splitlines()
    example = "\n".join(line[4:] for line in lines if line.startswith("    "))
    calls = [ast.unparse(node.value.func) for node in ast.parse(example).body]
    assert calls == ["open_runner", "runner.run", "runner.run_raw"]


def test_floats_in_are_codes_in(runner):
    floats = arrays(runner)
    codes = {n: quantize(a, runner.inputs[n].quantization, "int8") for n, a in floats.items()}
    raw = runner.run_raw(codes)
    assert {a.dtype for a in raw.values()} == {np.dtype("int8")}
    for name, found in runner.run(floats).items():
        np.testing.assert_array_equal(found, dequantize(raw[name], runner.outputs[name]))


def test_results_stay_when_the_next_frame_runs(runner):
    first = runner.run(arrays(runner, 0))
    kept = {name: array.copy() for name, array in first.items()}
    second = runner.run(arrays(runner, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
    assert any((second[name] != kept[name]).any() for name in kept)


def test_names_shapes_and_types_are_checked(runner):
    given = arrays(runner)
    with pytest.raises(InputError, match="given rgb, wanted depth, rgb"):
        runner.run({"rgb": given["rgb"]})
    with pytest.raises(InputError, match=r"'depth' is int8 .*64, 3\), wanted int8 .*64, 1\)"):
        runner.run({"rgb": given["rgb"], "depth": given["rgb"]})
    with pytest.raises(InputError, match="'rgb' is float32"):
        runner.run_raw(given)


def test_a_manifest_of_another_file_is_noticed(artifacts, tmp_path):
    manifest = manifests.load(artifacts["fp32"])
    path = tmp_path / "a.tflite"
    # The int8 file under the float manifest, with the checksum made to fit.
    manifests.save(manifest, path, artifacts["int8"].read_bytes())
    with pytest.raises(InputError, match="the engine has 'rgb' as int8"):
        open_runner(path)
    less = {n: s for n, s in manifest.outputs.items() if n != "rgb"}
    fewer = dataclasses.replace(manifest, outputs=less)
    manifests.save(fewer, path, artifacts["fp32"].read_bytes())
    with pytest.raises(InputError, match="the file has depth, ensemble, rgb, the manifest"):
        open_runner(path)
    manifests.save(manifest, path, b"TFL3 but no model at all")
    with pytest.raises(InputError, match="cannot load it"):
        open_runner(path)
    manifests.save(dataclasses.replace(manifest, target="abacus"), path, b"x")
    with pytest.raises(InputError, match="abacus"):
        open_runner(path)


def test_a_closed_runner_frees_its_engine(artifacts):
    import gc
    import weakref

    runner = open_runner(artifacts["int8"])
    engine = weakref.ref(runner._interpreter)
    runner.close()
    gc.collect()
    assert engine() is None


def test_what_an_engine_throws_names_the_file_and_the_engine(runner, monkeypatch):
    def out_of_memory(feeds):
        raise RuntimeError("CUDA error 2: out of memory")

    monkeypatch.setattr(runner, "_invoke", out_of_memory)
    arrays = {n: np.zeros((1, *spec.hwc), spec.dtype) for n, spec in runner.inputs.items()}
    with pytest.raises(
        InputError, match=r"tflite: .* fails to run it \(RuntimeError: CUDA error 2"
    ):
        runner.run_raw(arrays)
