"""Frames that are kept are those that came, and every reader of folders reads them."""

import dataclasses
import json
import threading
import time

import numpy as np
import pytest
from PIL import Image

from cen_keras.modalities import modality_of
from deploy.__main__ import main
from deploy.calibration import frames_of
from deploy.demo.network import Network, Result
from deploy.demo.pipeline import Pipeline
from deploy.demo.recording import Recording
from deploy.demo.sources import Options, Source, open_source
from deploy.run_folder import RunFolder, open_run
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.preprocess import Frame, read_depth, read_rgb

SIZE = (12, 16)


@pytest.fixture
def manifest(artifacts):
    return manifests.load(artifacts["fp32"])


def result(manifest, images, number=1, at=0.0):
    return Result(
        Frame("x", images), np.zeros(SIZE, np.uint8), "rgb", manifest, (), {}, number, at=at
    )


def test_what_is_written_reads_as_what_came(manifest, tmp_path):
    rng = np.random.default_rng(0)
    images = {"rgb": rng.integers(0, 256, (*SIZE, 3), np.uint8)}
    images["depth"] = rng.uniform(0.3, 60, SIZE).astype(np.float32)
    images["depth"][0, :4] = 0, np.nan, np.inf, 65.6
    images["thermal"] = rng.integers(0, 1 << 16, SIZE, np.uint16)
    images["flow"] = rng.normal(size=(*SIZE, 2)).astype(np.float32)
    said = []
    recording = Recording(tmp_path / "new", said.append)
    recording.show(result(manifest, images, 7))
    recording.close(True)
    (colour,) = (tmp_path / "new/rgb").iterdir()
    name = colour.stem
    assert name.endswith("-000007")
    np.testing.assert_array_equal(read_rgb(colour), images["rgb"])
    depth = read_depth(tmp_path / f"new/depth/{name}.png")
    assert (depth[0, :4] == 0).all()
    # Half a millimetre, and float32's rounding of 60 m.
    np.testing.assert_allclose(depth[1:], images["depth"][1:], atol=0.5e-3 + 60 * 2**-23)
    thermal = np.asarray(Image.open(tmp_path / f"new/thermal/{name}.png"))
    np.testing.assert_array_equal(thermal, images["thermal"])
    np.testing.assert_array_equal(np.load(tmp_path / f"new/flow/{name}.npy"), images["flow"])
    assert "beyond 65.5 m is written as missing" in said[0] and said[1].startswith("1 frames in")


def test_a_recording_is_read_in_metres_whatever_the_training_s_files_count(
    manifest, run_path, tmp_path
):
    """NYUDv2's lists count 1/5000 m: 3.6 m must not become 0.72 m, which is as usual in a room."""
    images = {"rgb": np.zeros((*SIZE, 3), np.uint8), "depth": np.full(SIZE, 3.6, np.float32)}
    Recording(tmp_path, print).show(result(manifest, images))
    kind = dataclasses.replace(manifest.inputs["depth"].kind, unit_per_count=0.0002)
    depth = dataclasses.replace(manifest.inputs["depth"], kind=kind)
    trained = dataclasses.replace(manifest, inputs={**manifest.inputs, "depth": depth})
    (frame,) = open_source(f"frames:{tmp_path}", trained, Options())
    np.testing.assert_allclose(frame.images["depth"], 3.6, rtol=1e-6)
    described = [modality_of("rgb"), modality_of({"name": "depth", "unit_per_count": 0.0002})]
    data = {"descriptions": {kind.name: kind.to_config() for kind in described}}
    run = RunFolder(run_path, {**open_run(run_path).data, **data})
    np.testing.assert_allclose(frames_of(run, tmp_path)[0]["depth"], 3.6, rtol=1e-6)
    given = frames_of(run, tmp_path, 0.0002)[0]["depth"]
    np.testing.assert_allclose(given, 0.72, rtol=1e-6)


@pytest.mark.parametrize(("every", "kept"), [(0, 10), (0.1, 10), (0.25, 5), (1.0, 2)])
def test_ten_frames_an_eighth_of_a_second_apart(manifest, tmp_path, every, kept):
    recording = Recording(tmp_path, lambda text: None, every)
    for number in range(10):
        images = {"rgb": np.zeros((*SIZE, 3), np.uint8), "depth": np.ones(SIZE, np.float32)}
        recording.show(result(manifest, images, number, number / 8))
    assert recording.count == kept


def test_a_frame_that_lacks_an_input_is_left_out_and_counted(manifest, tmp_path):
    said = []
    recording = Recording(tmp_path, said.append, every=0)
    images = {"rgb": np.zeros((*SIZE, 3), np.uint8), "depth": np.ones(SIZE, np.float32)}
    recording.show(result(manifest, {"rgb": images["rgb"]}, 1))
    recording.show(result(manifest, images, 2))
    recording.close(True)
    assert said == [f"1 frames in {tmp_path}; 1 that lacked an input were left out"]
    assert len(list(tmp_path.rglob("*.png"))) == 2


def test_the_demo_records_what_it_reads_and_no_recording_overwrites_another(artifacts, tmp_path):
    command = ["demo", "--artifact", str(artifacts["fp32"]), "--source", "rooms:1", "--count", "3"]
    folder = tmp_path / "captures"
    assert main([*command, "--record", str(folder), "--record-every", "0"]) == 0
    first = {path: path.read_bytes() for path in folder.rglob("*.png")}
    assert len(first) == 6
    again = ["demo", "--artifact", str(artifacts["fp32"]), "--source", f"frames:{folder}"]
    assert main([*again, "--out", str(tmp_path / "seen")]) == 0
    assert len(list((tmp_path / "seen").glob("*.png"))) == 3
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; wanted a folder"):
        Recording(tmp_path / "file", print)


@pytest.mark.parametrize(
    ("where", "sink", "told"),
    [
        ("--out seen", "pictures", True),
        ("--out seen.avi", "video", True),
        ("--record seen --record-every 0", "recording", True),
        ("--record seen", "recording", False),  # nobody wants what comes in between
    ],
)
def test_frames_that_came_while_one_was_written_are_told(
    where, sink, told, artifacts, tmp_path, monkeypatch, capsys
):
    """A camera of six frames; all are seen before the first is written."""
    seen = threading.Semaphore(0)
    images = {"rgb": np.full((*SIZE, 3), 90, np.uint8), "depth": np.ones(SIZE, np.float32)}

    def frames():
        for number in range(6):
            yield Frame(str(number), images)
            assert seen.acquire(timeout=20)

    def see(network, frame, *arguments):
        seen.release()
        return network_see(network, frame, *arguments)

    def drain(pipeline, sink, slot):
        end = time.monotonic() + 20
        while not slot._ended and time.monotonic() < end:
            time.sleep(0.01)
        pipeline_drain(pipeline, sink, slot)

    network_see, pipeline_drain = Network.see, Pipeline._drain
    monkeypatch.setattr(Network, "see", see)
    monkeypatch.setattr(Pipeline, "_drain", drain)
    source = Source("camera", frames, camera=True)
    monkeypatch.setattr("deploy.demo.command.open_source", lambda *arguments: source)
    monkeypatch.chdir(tmp_path)
    command = ["demo", "--artifact", str(artifacts["fp32"]), "--count", "6", "--json", "r.json"]
    assert main([*command, *where.split()]) == 0
    dropped = json.loads((tmp_path / "r.json").read_text())["dropped"]
    assert dropped[sink] == 5
    words = f"5 of 6 frames are not in the {sink}: newer ones came while one was written"
    assert (words in capsys.readouterr().out) == told


@pytest.mark.parametrize("every", ["-1", "nan", "inf"])
def test_an_interval_that_is_none_is_refused(artifacts, every, capsys, tmp_path):
    command = ["demo", "--artifact", str(artifacts["fp32"]), "--record", str(tmp_path / "new")]
    assert main([*command, "--record-every", every]) == 2
    assert "--record-every" in capsys.readouterr().err and not (tmp_path / "new").exists()
