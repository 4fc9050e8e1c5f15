"""Stages run side by side: nothing of a recording is lost, a camera's frames are dropped and
counted, stalls and losses are reported, everything ends whole.
"""

import dataclasses
import importlib.machinery
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import deploy
from deploy.__main__ import main
from deploy.demo.network import AUTO, Choice, Network, Result, choices
from deploy.demo.pipeline import Pipeline, Sink
from deploy.demo.sinks import Video
from deploy.demo.slot import Closed, Slot
from deploy.demo.sources import Source, SourceLost
from deploy.demo.timing import KEPT, Statistics
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.image_kind import METRES, PICTURE
from deploy.runtime.preprocess import Frame

USUAL_KINDS = {"rgb": PICTURE, "depth": METRES}


class FakeNetwork:
    """Sees nothing, in a given time."""

    translates = False
    kinds = USUAL_KINDS

    class runner:
        engine = "fake"

    def __init__(self, manifest, seconds=0.0):
        self.manifest, self._seconds, self.closed = manifest, seconds, False
        self.choice = Choice(Path("fake.tflite"))

    def stream(self, wanted, missing):
        return "ensemble"

    def see(self, frame, wanted, missing, number, at=0.0):
        time.sleep(self._seconds)
        return Result(
            frame, np.zeros((8, 8), np.uint8), "ensemble", self.manifest, missing, {}, number
        )

    def close(self):
        self.closed = True


class Collect(Sink):
    def __init__(self, wait=False, seconds=0.0):
        self.wait, self._seconds, self.name = wait, seconds, f"collect {seconds}"
        self.numbers, self.missing, self.closed = [], [], None

    def show(self, result):
        time.sleep(self._seconds)
        self.numbers.append(result.number)
        self.missing.append(result.missing)

    def close(self, whole):
        self.closed = whole


@pytest.fixture(scope="module")
def manifest(artifacts):
    return manifests.load(artifacts["fp32"])


def frames(count, pause=0.0, depth=lambda index: True):
    for index in range(count):
        time.sleep(pause)
        images = {"rgb": np.full((8, 8, 3), 1, np.uint8)}
        images["depth"] = np.full((8, 8), float(depth(index)), np.float32)
        yield Frame(f"f{index}", images)


def pipeline(manifest, source, sinks, *, seconds=0.0, live=False, **options):
    messages = []
    made = Pipeline(
        source,
        FakeNetwork(manifest, seconds),
        sinks,
        messages.append,
        stream=AUTO,
        live=live,
        **options,
    )
    return made, messages


def test_a_slot_holds_the_newest():
    slot = Slot()
    for item in (1, 2, 3):
        slot.put(item, wait=False)
    assert slot.take() == 3 and slot.dropped == 2
    slot.put(4, wait=True)
    slot.end()
    assert slot.take() == 4
    with pytest.raises(Closed):
        slot.take()


def test_a_slot_that_waits_loses_nothing():
    slot, taken = Slot(), []

    def taker():
        try:
            while True:
                time.sleep(0.002)
                taken.append(slot.take())
        except Closed:
            pass

    thread = threading.Thread(target=taker)
    thread.start()
    for item in range(50):
        slot.put(item, wait=True)
    slot.end()
    thread.join(10)
    assert taken == list(range(50)) and slot.dropped == 0


def test_aborting_wakes_whoever_waits():
    slot = Slot()
    slot.put(1, wait=True)
    woken = []

    def putter():
        try:
            slot.put(2, wait=True)
        except Closed:
            woken.append(True)

    thread = threading.Thread(target=putter)
    thread.start()
    slot.abort()
    thread.join(10)
    assert woken == [True]


def test_a_recording_for_files_is_whole(manifest):
    """A source that is faster than the network, which is faster than the sink."""
    sink = Collect(wait=True, seconds=0.004)
    made, _ = pipeline(manifest, Source("x", lambda: frames(40)), [sink], seconds=0.002)
    made.run()
    assert sink.numbers == list(range(1, 41)) and sink.closed is True
    assert made.dropped == {"network": 0, "collect 0.004": 0} and made.status == "ended"
    assert made.network.closed


def test_a_slow_sink_does_not_slow_the_network(manifest):
    """A camera of 100 frames a second for half a second; the sink needs 0.2 s a picture."""
    slow, quick = Collect(wait=True, seconds=0.2), Collect()
    source = Source("camera", lambda: frames(50, 0.01), camera=True)
    made, _ = pipeline(manifest, source, [slow, quick], count=50)
    made.run()
    seen = made.statistics.counted("seen")
    # Each of the 50 is seen or counted as dropped. A network that waited for the sink would have
    # seen as many as the sink; on a busy machine some frames may be passed over.
    assert seen + made.dropped["network"] == 50
    assert seen > 2 * len(slow.numbers)
    assert made.dropped["collect 0.2"] > 0
    assert slow.numbers == sorted(slow.numbers) and slow.numbers[-1] == quick.numbers[-1] == 50


def test_a_slow_network_works_on_the_newest_frame(manifest):
    sink = Collect()
    source = Source("camera", lambda: frames(60, 0.005), camera=True)
    made, _ = pipeline(manifest, source, [sink], seconds=0.05, count=60)
    made.run()
    assert made.dropped["network"] > 0
    assert made.statistics.counted("seen") + made.dropped["network"] == 60
    assert sink.numbers[-1] == 60, "the last frame is the newest"


def test_a_camera_that_is_lost_is_opened_again(manifest):
    openings = []

    def start():
        openings.append(len(openings))
        if openings[-1] in (1, 2):
            raise SourceLost("no device")
            yield
        yield from frames(5, 0.005)
        if openings[-1] == 0:
            raise SourceLost("the cable")

    sink = Collect()
    source = Source("camera", start, camera=True)
    made, messages = pipeline(manifest, source, [sink], count=10, retries=(0.01, 0.02))
    made.run()
    assert openings == [0, 1, 2, 3]
    assert messages[:3] == [
        "camera: the cable; trying again in 0.01 s",
        "camera: no device; trying again in 0.02 s",
        "camera: no device; trying again in 0.02 s",
    ]
    assert messages[3].startswith("camera: frames again after")
    assert made.statistics.counted("reconnects") == 3


def test_a_stall_is_reported_once(manifest):
    def start():
        yield from frames(2)
        time.sleep(1.2)
        yield from frames(2)

    made, messages = pipeline(
        manifest, Source("camera", start, camera=True), [Collect()], count=4, stall=0.3
    )
    made.run()
    assert [text.split(" for ")[0] for text in messages[:-1]] == ["camera: no frame"]
    assert messages[-1].startswith("camera: frames again after")


def test_missing_depth_is_reported_and_handed_on(manifest):
    sink = Collect(wait=True)
    source = Source("x", lambda: frames(20, depth=lambda index: not 5 <= index < 12))
    made, messages = pipeline(manifest, source, [sink], patience=3)
    made.run()
    assert messages == [
        "depth is missing: 3 frames in a row held none of it",
        "depth is back after 7 frames",
    ]
    # Capture may be one or two frames ahead of the network; what is sure is that it was handed on.
    assert ("depth",) in sink.missing and sink.missing[0] == sink.missing[-1] == ()


def test_a_recording_that_is_shown_live_starts_over(manifest):
    sink = Collect()
    made, messages = pipeline(
        manifest, Source("x", lambda: frames(3), rate=100.0), [sink], live=True, count=10
    )
    started = time.perf_counter()
    made.run()
    # Ten frames at 100 a second: nine steps of 10 ms, less one that may be caught up.
    assert time.perf_counter() - started > 0.075
    assert sink.numbers[-1] == 10
    assert messages == ["x: has ended; playing it over again"]
    made, _ = pipeline(manifest, Source("x", lambda: frames(0)), [Collect()], live=True)
    with pytest.raises(InputError, match="gave no frame"):
        made.run()


def test_an_error_of_any_stage_ends_all(manifest):
    def start():
        yield from frames(3)
        raise InputError("the fourth file is no image")

    sink = Collect(wait=True)
    made, _ = pipeline(manifest, Source("x", start), [sink])
    with pytest.raises(InputError, match="the fourth file"):
        made.run()
    assert sink.closed is False

    class Broken(Collect):
        def show(self, result):
            raise OSError("full")

    broken = Broken(wait=True)
    made, _ = pipeline(manifest, Source("x", lambda: frames(1000)), [broken, sink])
    with pytest.raises(OSError, match="full"):
        made.run()
    assert broken.closed is False and sink.closed is False
    assert not any(t.is_alive() for t in threading.enumerate() if t.name.startswith("demo-"))


def test_an_interrupt_does_not_hide_that_a_file_is_not_whole(manifest):
    class NotWhole(Collect):
        def close(self, whole):
            raise InputError("is not whole; is the disk full?")

    def interrupt():
        raise KeyboardInterrupt

    source = Source("x", lambda: frames(1000, 0.01))
    made, _ = pipeline(manifest, source, [NotWhole(wait=True)])
    with pytest.raises(InputError, match="not whole"):
        made.run(0.1, interrupt)


@pytest.mark.parametrize("stage", ["source", "network"])
def test_no_video_is_left_of_a_run_that_failed(stage, manifest, tmp_path):
    class Failing(FakeNetwork):
        def see(self, frame, wanted, missing, number, at=0.0):
            if stage == "network" and number == 4:
                until(lambda: made._slots[0].dropped == 0 and not made._slots[0].full)
                raise InputError("the engine fails")
            return super().see(frame, wanted, missing, number, at)

    def start():
        yield from frames(5)
        if stage == "source":
            until(lambda: not made._frames.full)
            raise InputError("the sixth file is no image")

    sink = Video(tmp_path / "seen.avi", 25.0)
    made = Pipeline(
        Source("x", start), Failing(manifest), [sink], [].append, stream=AUTO, live=False
    )
    with pytest.raises(InputError, match="fails|no image"):
        made.run()
    assert not list(tmp_path.iterdir()) and sink.written == []


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_video_that_the_disk_cut_is_not_left(suffix, tmp_path):
    out = tmp_path / f"seen{suffix}"
    make = f"""
import resource
from pathlib import Path
import numpy as np
from deploy.demo.sinks import Video
from deploy.runtime.errors import InputError

def made(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    sink = Video(Path({str(out)!r}), 30.0)
    rng = np.random.default_rng(0)
    sink._open(np.zeros((48, 64, 3), np.uint8))
    for number in range(30):
        sink._place(number / 30, rng.integers(0, 256, (48, 64, 3), np.uint8))
    sink.close(whole=True)

made(resource.RLIM_INFINITY)
whole = Path({str(out)!r}).stat().st_size
Path({str(out)!r}).unlink()
try:
    made(whole // 2)
except InputError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", make],
        capture_output=True,
        text=True,
        cwd=Path(deploy.__file__).parent.parent,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == f"{out}: is not whole; is the disk full?"
    assert not list(tmp_path.iterdir())


def until(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_statistics_count_and_do_not_grow():
    now = [0.0]
    statistics = Statistics(clock=lambda: now[0])
    for _ in range(2000):
        now[0] += 0.02
        statistics.passed()
        statistics.count("seen")
        statistics.took("infer", 0.005)
    assert statistics.fps() == pytest.approx(50, rel=0.01)  # one frame of 150 at the window's edge
    assert statistics.mean_fps() == pytest.approx(50)
    assert statistics.summary()["infer"] == pytest.approx({"p50": 5.0, "p95": 5.0})
    assert len(statistics._times["infer"]) == KEPT
    for seconds in np.arange(1, 101) / 1000:
        for _ in range(3):
            statistics.took("infer", seconds)
    # 1 to 100 ms three times each: numpy's percentiles between order statistics.
    assert statistics.summary()["infer"]["p50"] == pytest.approx(50.5, abs=0.6)
    assert statistics.summary()["infer"]["p95"] == pytest.approx(95.5, abs=0.6)
    now[0] += 10
    assert statistics.fps() == 0


def test_an_artifact_is_exchanged_while_it_runs_and_the_one_before_stays_open(artifacts):
    network = Network(Choice(artifacts["int8"]))
    offered = choices(network.choice, [])
    assert [c.label for c in offered] == ["static_w8a8.tflite", "fp32.tflite"]
    messages, sink, go = [], Collect(), threading.Event()

    def start():
        for frame in frames(100000, 0.002):
            if go.is_set():
                return
            yield frame

    class Watch(Collect):
        schemes = []

        def show(self, result):
            self.schemes.append(result.manifest.scheme)

    watch = Watch()
    made = Pipeline(
        Source("x", start), network, [watch, sink], messages.append, stream="rgb", live=False
    )
    thread = threading.Thread(target=made.run)
    thread.start()

    until(lambda: "static_w8a8" in watch.schemes)
    made.exchange(offered[1])
    until(lambda: "fp32" in watch.schemes)
    other = made.network
    made.exchange(offered[0])
    until(lambda: made.network is network)
    os.utime(artifacts["fp32"])
    made.exchange(offered[1])
    until(lambda: made.network.manifest.scheme == "fp32")
    assert made.network is not other, "the file may be another one now"
    made.exchange(Choice(artifacts["int8"].with_name("none.tflite")))
    until(lambda: any("no such artifact" in text for text in messages))
    seen = len(watch.schemes)
    until(lambda: len(watch.schemes) > seen + 3)
    assert watch.schemes[-1] == "fp32", "what fails leaves the one at work"
    go.set()
    thread.join(20)
    assert not thread.is_alive() and any("now at work: fp32.tflite" in text for text in messages)


def test_an_artifact_without_the_chosen_output_shows_another_and_says_so(manifest):
    fewer = dataclasses.replace(manifest, outputs={"rgb": manifest.outputs["rgb"]})
    made, messages = pipeline(manifest, Source("x", lambda: frames(5)), [])
    made.stream, made._next = "depth", FakeNetwork(fewer)
    made.run()
    said = [text for text in messages if "no output" in text]
    assert said == ["fake.tflite has no output 'depth', but rgb: showing auto"]
    assert made.stream == AUTO


def test_the_viewer_s_choice_is_left_alone(manifest):
    """To set it again in every frame would lose what a viewer chose a moment before."""
    assigned = []

    class Watched(Pipeline):
        def __setattr__(self, name, value):
            if name == "stream":
                assigned.append(value)
            super().__setattr__(name, value)

    source = Source("x", lambda: frames(5))
    made = Watched(source, FakeNetwork(manifest), [], [].append, stream=AUTO, live=False)
    made.run()
    assert made.statistics.counted("seen") == 5 and assigned == [AUTO]


def test_engines_that_this_machine_has_are_offered(tmp_path, monkeypatch):
    for name in ("a.onnx", "b.onnx", "c.tflite", "d.txt"):
        (tmp_path / name).touch()
    for name in ("a.onnx.json", "c.tflite.json", "d.txt.json"):
        (tmp_path / name).write_text("{}")
    for available, expected in (
        (["CPUExecutionProvider"], []),
        (["CUDAExecutionProvider", "CPUExecutionProvider"], ["a.onnx (ort-cuda)"]),
    ):
        double = types.ModuleType("onnxruntime")
        double.__spec__ = importlib.machinery.ModuleSpec("onnxruntime", None)
        double.get_available_providers = lambda available=available: available
        monkeypatch.setitem(sys.modules, "onnxruntime", double)
        monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
        offered = [c.label for c in choices(Choice(tmp_path / "a.onnx"), [])]
        assert offered == ["a.onnx", *expected, "c.tflite"], "b has no manifest"
    # The engine that was asked for is not offered twice under its other name.
    offered = [c.label for c in choices(Choice(tmp_path / "c.tflite", "litert"), [])]
    assert offered[0] == "c.tflite (litert)" and "c.tflite" not in offered


class Written:
    """Takes what a video would be written of."""

    def __init__(self):
        self.images = []

    def write(self, image):
        self.images.append(int(image[0, 0, 0]))


def video(times, rate):
    """Which of the images taken at these times each frame of a video shows."""
    made = Video(Path("x.avi"), rate)
    made._writer = Written()
    for number, at in enumerate(times):
        made._place(at, np.full((8, 8, 3), number, np.uint8))
    return made._writer.images


def test_a_slow_network_does_not_make_the_video_fast():
    # A camera of 30 Hz, every third frame of which was seen.
    images = video([0.0, 0.1, 0.2, 0.3], 30.0)
    assert images == [0] * 3 + [1] * 3 + [2] * 3 + [3]


def test_a_video_shows_what_its_rate_has_places_for_and_no_long_gap():
    images = video([number / 60 for number in range(60)], 30.0)
    assert len(images) in (30, 31) and set(np.diff(images)) <= {1, 2}
    images = video([0.0, 1.0, 3600.0], 10.0)
    # One second, an image with ten seconds of the gap of an hour, and the last one.
    assert images == [0] * 10 + [1] * 101 + [2]


def test_a_video_of_all_frames(artifacts, tmp_path, capsys):
    out = tmp_path / "seen.avi"
    command = ["demo", "--artifact", str(artifacts["int8"]), "--source", "rooms"]
    command += ["--count", "5", "--json", str(tmp_path / "r.json")]
    assert main([*command, "--out", str(out)]) == 0
    capture = cv2.VideoCapture(str(out))
    shapes = []
    while True:
        good, image = capture.read()
        if not good:
            break
        shapes.append(image.shape)
    assert len(shapes) == 5 and len(set(shapes)) == 1
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["frames"] == 5 and result["pictures"] == [str(out)]
    assert set(result["stages_ms"]) == {"capture", "pre", "infer", "post", "draw"}
    assert main([*command, "--out", str(tmp_path / "seen.gif")]) == 2
    assert "a video is one of .mp4, .avi, .mkv" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json", "seen.avi"]


def test_a_recording_without_depth_goes_on(artifacts, tmp_path, capsys):
    """Depth that is missing from the first frame on: reported, and the rgb stream is shown."""
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(6):
        Image.new("RGB", (64, 48), (90, 120, 10 * index)).save(folder / f"{index}_rgb.png")
        cv2.imwrite(str(folder / f"{index}_depth.png"), np.zeros((48, 64), np.uint16))
    command = ["demo", "--artifact", str(artifacts["int8"]), "--source", f"frames:{folder}"]
    command += ["--out", str(tmp_path / "out"), "--missing-after", "2"]
    assert main([*command, "--json", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("depth is missing: 2 frames") == 1
    result = json.loads((tmp_path / "r.json").read_text())
    assert (result["frames"], result["output"], result["missing"]) == (6, "rgb", ["depth"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "give --out, --serve or --record"),
        (["--out", "o", "--missing-after", "0"], "--missing-after is 0"),
        (["--out", "o", "--also", "other.tflite"], "--also is for the live page"),
        (["--serve", "0", "--also", "other.tflite"], "--also other.tflite: wanted an artifact"),
        (["--out", "o", "--rate", "0"], "--rate is 0.0"),
        (["--serve", "high"], "wanted [HOST:]PORT"),
    ],
)
def test_options_that_make_no_sense(more, message, artifacts, capsys):
    assert main(["demo", "--artifact", str(artifacts["int8"]), "--source", "rooms", *more]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "how"), [("pictures", signal.SIGINT), ("seen.avi", signal.SIGTERM)]
)
def test_an_end_from_outside_leaves_whole_files(out, how, artifacts, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(400):
        Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8)).save(
            folder / f"{index:03d}_rgb.png", compress_level=0
        )
        cv2.imwrite(str(folder / f"{index:03d}_depth.png"), np.full((96, 128), 2000, np.uint16))
    target = tmp_path / out
    command = [sys.executable, "-m", "deploy", "demo", "--artifact", str(artifacts["int8"])]
    measured = tmp_path / "measured.json"
    command += ["--source", f"frames:{folder}", "--out", str(target), "--json", str(measured)]
    root = Path(deploy.__file__).parent.parent
    process = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, SIGINT is ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        end = time.monotonic() + 60
        partial = list
        while time.monotonic() < end and process.poll() is None:
            partial = [p for p in tmp_path.rglob("*") if p.suffix in (".avi", ".png")]
            partial = [p for p in partial if folder not in p.parents]
            if len(partial) > 3 or any(p.suffix == ".avi" and p.stat().st_size for p in partial):
                break
            time.sleep(0.01)
        os.kill(process.pid, how)
        printed, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and errors.strip().endswith("interrupted")
    assert "frames per second" in printed
    assert 0 < json.loads(measured.read_text())["frames"] <= 400
    assert not [p for p in tmp_path.rglob(".part-*")]
    if out == "pictures":
        pictures = sorted(target.iterdir())
        assert 0 < len(pictures) < 400
        for path in pictures:
            with Image.open(path) as image:
                image.load()
    else:
        capture = cv2.VideoCapture(str(target))
        count = 0
        while capture.read()[0]:
            count += 1
        assert 0 < count < 400


def test_an_artifact_that_was_passed_over_is_freed(manifest, monkeypatch):
    """Two are chosen before the first of them was taken: it does not stay in memory."""
    opened = []

    class Opened(FakeNetwork):
        translates = False

        def __init__(self, choice, threads):
            super().__init__(manifest)
            opened.append(self)

    monkeypatch.setattr("deploy.demo.pipeline.Network", Opened)
    made, _ = pipeline(manifest, Source("x", lambda: frames(1)), [])
    made._open(Choice(Path("a.tflite")))
    made._open(Choice(Path("b.tflite")))
    assert [network.closed for network in opened] == [True, False]
