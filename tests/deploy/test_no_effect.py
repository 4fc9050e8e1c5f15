"""An option that would change nothing is refused, with what it goes with."""

import pytest

from deploy.__main__ import main

DEMO = "demo --artifact {fp32} --out seen --source "


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (DEMO + "rooms --record-every 2", "give --record FOLDER"),
        (DEMO + "rooms --allow-host jetson.lan", "--allow-host is for the live page: give --serve"),
        (DEMO + "rooms --depth-scale 0.001", "'rooms': --depth-scale would change nothing"),
        (
            DEMO + "rooms --depth-range 1,80 --no-unit-check",
            "--depth-range and --no-unit-check would change nothing",
        ),
        (DEMO + "frames:a --size 48x64", "'frames:a': --size would change nothing"),
        (DEMO + "tum:a --size 48x64", "--size would change nothing"),
        (DEMO + "video:a,b --size 48x64", "--size would change nothing"),
        (DEMO + "bag:a --size 48x64", "--size would change nothing"),
        (DEMO + "kinect --size 48x64", "--size would change nothing"),
        (DEMO + "oak --no-unit-check", "--no-unit-check: an OAK camera says its own unit"),
        (
            DEMO + "camera:0 --depth-scale 0.001",
            "gives no depth, so --depth-scale would change nothing; leave it, or name",
        ),
        ("export {run} --save-calibration new.npz", "fp32 takes no samples"),
        ("export {run} --calibration other.npz", "fp32 takes no samples"),
        ("export {run} --seed 3", "fp32 takes no samples"),
        ("export {run} --depth-scale 0.001", "fp32 takes no samples"),
        (
            "export {run} --scheme static_w8a8 --depth-scale 0.001",
            "--depth-scale is for --calibration FOLDER",
        ),
        ("sensitivity {run} --depth-scale 0.001", "--depth-scale is for --calibration FOLDER"),
        (
            "sensitivity {run} --calibration . --depth-scale -1",
            "--depth-scale is -1.0, wanted metres per count",
        ),
        ("export {run} --scheme fp16 --float-io", "inputs of tflite fp16 are floats anyway"),
        (
            "export {run} --target onnx --scheme static_w8a8 --float-io",
            "inputs of onnx static_w8a8 are floats anyway",
        ),
        ("verify {run} --layers 2", "are for an artifact"),
        ("verify {run} --threads 2", "are for an artifact"),
        ("verify {run} --run {run}", "--run is for an artifact"),
        ("bench {run} --compare {fp32}", "every form is timed by itself"),
        ("bench {fp32} --min-ms 50", "--min-ms is for a run folder"),
        ("benchmarks --minutes 5", "--minutes would change nothing; give --part endurance or ros"),
        ("engine {fp32} --tensorrt 10.3", "what --dry-run plans for"),
        ("engine {fp32} --dry-run --force", "--dry-run builds nothing"),
        ("engine {fp32} --dry-run --tensorrt 10.3", "made for 'tflite'; export with --target onnx"),
        ("engine {fp32} --dry-run --compute-capability 8.6", "of --target tensorrt-rtx"),
        (
            "engine {fp32} --target tensorrt-rtx --compute-capability 8.6 --workspace 64",
            "does not take --workspace",
        ),
        (
            "engine {fp32} --target tensorrt-rtx --compute-capability 8.6 --effort 5",
            "does not take --effort",
        ),
        (
            "export {run} --scheme static_w8a8 --calibration other.npz --seed 3",
            "are for drawn samples",
        ),
        (
            "export {run} --scheme static_w8a8 --calibration other.npz --calibration-count 3",
            "are for drawn samples",
        ),
        (
            "sensitivity {run} --calibration other.npz --calibration-count 3",
            "--calibration-count is for drawn samples",
        ),
        ("lint {fp32} --profile jp6 --compute-capability 8.6", "give both"),
    ],
)
def test_it_is_refused(command, message, run_path, artifacts, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"run": run_path, "fp32": artifacts["fp32"]}
    assert main([word.format(**places) for word in command.split()]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
