"""Run an artifact on frames and show what it sees: pictures or a video, or a live page.

    python -m deploy demo --artifact static_w8a8.tflite --source rooms --serve
    python -m deploy demo --artifact static_w8a8.tflite --source frames:captures --out pictures
    python -m deploy demo --artifact static_w8a8.tflite --source tum:rgbd_dataset --out seen.mp4
    python -m deploy demo --artifact static_w8a8.tflite --source video:a.mp4,depth --serve 9000
    python -m deploy demo --artifact rgb.tflite --source camera:0 --serve
    python -m deploy demo --artifact static_w8a8.tflite --source realsense --serve 0.0.0.0:8000
    python -m deploy demo --artifact static_w8a8.tflite --source realsense --record captures --count 2000
    python -m deploy demo --artifact translation.tflite --source rooms --out pictures

Sources: rooms or rooms:NUMBER, a walk through a generated room (on a host only). frames:FOLDER with
rgb/NAME.* and depth/NAME.png, or NAME_rgb.* and NAME_depth.png. tum:FOLDER, a TUM RGB-D sequence.
video:RGB,DEPTH, where DEPTH is a video or a folder of 16-bit images (needs OpenCV). bag:FILE, a ROS
recording (needs rosbags). camera:WHAT, what OpenCV opens: a number, /dev/video0, an rtsp:// or http://
address, a GStreamer pipeline; with +depth:WHAT a second one for the depth. realsense, orbbec, oak and
kinect, each with :SERIAL where there are several (each needs its library; none has been run on a camera
by the authors).

A translation's inputs and the image made of them go side by side into pictures or a video, of rooms
or of frames:FOLDER with one folder an input: rgb/NAME.png, reshading/NAME.png, depth/NAME.png.

Depth files hold 16-bit counts of --depth-scale metres; 0 and 65535 are missing. Depth of a camera of its own
is registered to the colours with --cameras FILE.json, {"rgb": {"fx", "fy", "cx", "cy"}, "depth": {the same,
"rotation": 9 numbers, "translation": 3, metres}}, and scaled without. On anything but
this machine itself, the page wants a token: CEN_DEMO_TOKEN in the environment, or one that is made
up and printed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import threading
from pathlib import Path
from typing import Sequence

from ..runtime.console import GOOD, Output
from ..runtime.errors import InputError
from ..runtime.pinhole_cameras import read_cameras
from ..runtime.runner import PHASES
from .access import LOOPBACK, is_loopback, parse_address
from .live import Live
from .missing import PATIENCE
from .network import AUTO, Choice, Network, choices
from .pipeline import Pipeline
from .recording import EVERY, Recording
from .server import PORT, LiveServer
from .sinks import PictureFolder, open_file_sink
from .sources import Options, open_source
from .steady_memory import keep_freed_memory

REPORT_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--artifact",
        required=True,
        metavar="FILE",
        help="a .tflite or .onnx file; on a host preset:NAME too",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FILE",
        help="another artifact that the page offers, besides those in the folder of the first",
    )
    parser.add_argument(
        "--source",
        default="rooms",
        help="rooms (the default), frames:FOLDER, tum:FOLDER, video:RGB,DEPTH, bag:FILE, camera:WHAT, realsense, "
        "orbbec, oak or kinect",
    )
    parser.add_argument(
        "--out", metavar="PATH", help="a folder for pictures, or a video (.mp4, .avi, .mkv)"
    )
    parser.add_argument(
        "--record",
        metavar="FOLDER",
        help="keep frames as they come, FOLDER/rgb/*.png and FOLDER/depth/*.png (16 bits, millimetres), for "
        "calibration, labelling and training",
    )
    parser.add_argument(
        "--record-every",
        type=float,
        metavar="SECONDS",
        help="at least between two frames that are kept; 0 keeps all, of a camera as many as the disk is "
        f"quick enough for (default: {EVERY:g})",
    )
    parser.add_argument(
        "--serve",
        nargs="?",
        const=str(PORT),
        metavar="[HOST:]PORT",
        help=f"serve a live page (default: {LOOPBACK}:{PORT})",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name under which the page may be opened, such as jetson.lan or a container's",
    )
    parser.add_argument(
        "--depth-scale",
        type=float,
        metavar="M",
        help="metres per count of depth files (default: 0.001, millimetres; tum: 0.0002)",
    )
    parser.add_argument(
        "--depth-range",
        type=_range,
        metavar="LEAST,LARGEST",
        help="metres between which the median depth lies, where the artifact's rooms are none "
        "(default: as the training's)",
    )
    parser.add_argument(
        "--cameras",
        metavar="FILE.json",
        help="intrinsics and extrinsics of the cameras of frames:FOLDER, to register its depth to its "
        "colours (default: depth of another size is scaled)",
    )
    parser.add_argument(
        "--no-unit-check",
        action="store_true",
        help="do not hold the first depth image against what the network was trained on",
    )
    parser.add_argument(
        "--stream",
        "--output",
        default=AUTO,
        help="the output to show: rgb, depth, ensemble (as the artifact has them), or auto "
        "(default): the ensemble, but with a modality missing the stream of the other",
    )
    parser.add_argument(
        "--size", type=_size, metavar="HxW", help="of rooms and cameras (default: rooms as the "
        "network's input, cameras 480x640)"
    )  # fmt: skip
    parser.add_argument("--rate", type=float, metavar="FPS", help="of cameras, and of playing")
    parser.add_argument("--count", type=int, metavar="N", help="at most so many frames")
    parser.add_argument(
        "--missing-after",
        type=int,
        default=PATIENCE,
        metavar="N",
        help=f"frames in a row until a modality is missing (default: {PATIENCE})",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of the engine")
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="litert; ort, ort-cuda, ort-tensorrt, tensorrt or tensorrt-rtx",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Runs until the source ends or somebody interrupts, and tells how fast it was."""
    _check(arguments)
    keep_freed_memory()
    if threading.current_thread() is threading.main_thread():
        # What stops services and containers ends as Ctrl-C does: with whole files.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    network = Network(Choice(Path(arguments.artifact), arguments.engine), arguments.threads)
    if network.translates and (arguments.serve or arguments.record):
        raise InputError(
            f"{arguments.artifact} is a translation, and --serve and --record are for segmentations; "
            "give --out alone"
        )
    sinks: list = []
    file_sink = live = server = None

    def say(text: str) -> None:
        output.say(text)
        if live is not None:
            live.say(text)

    options = Options(
        arguments.depth_scale,
        arguments.count,
        arguments.size,
        arguments.rate,
        depth_range=arguments.depth_range,
        unit_check=not arguments.no_unit_check,
        warn=say,
        cameras=read_cameras(arguments.cameras),
    )
    source = open_source(arguments.source, network.manifest, options)
    if arguments.out:
        file_sink = open_file_sink(arguments.out, source.rate, output.say)
        sinks.append(file_sink)
    if arguments.record:
        every = EVERY if arguments.record_every is None else arguments.record_every
        sinks.append(Recording(Path(arguments.record), output.say, every))
    if arguments.serve:
        live = Live(choices(network.choice, [Path(path) for path in arguments.also]))
        sinks.append(live)
    pipeline = Pipeline(
        source,
        network,
        sinks,
        say,
        stream=arguments.stream,
        live=not arguments.out and not arguments.record,
        count=arguments.count,
        threads=arguments.threads,
        patience=arguments.missing_after,
    )
    if source.note:
        say(source.note)
    if live is not None:
        live.pipeline = pipeline
        server = _serve(arguments.serve, live, arguments.allow_host)
        output.say(f"live page: {server.url}  (Ctrl-C ends it)")
    try:
        # Where every picture has its line, no report of the rate is needed.
        per_picture = isinstance(file_sink, PictureFolder) and live is None
        every = 0.0 if per_picture else REPORT_SECONDS
        pipeline.run(every, lambda: output.say(_line(pipeline)))
    except KeyboardInterrupt:
        _finish(arguments, pipeline, file_sink, output)
        raise
    finally:
        if server is not None:
            server.stop()
    _finish(arguments, pipeline, file_sink, output)
    return GOOD


def _finish(arguments: argparse.Namespace, pipeline: Pipeline, file_sink, output: Output) -> None:
    """Tells and hands over what was measured, of a run that somebody ended too."""
    _summarise(pipeline, output)
    times = pipeline.statistics.summary()
    output.result(
        {
            "artifact": str(arguments.artifact),
            "source": arguments.source,
            "output": pipeline.network.stream(pipeline.stream, pipeline.watch.missing),
            "frames": pipeline.statistics.counted("seen"),
            "median_ms": sum(times[stage]["p50"] for stage in PHASES) if "infer" in times else None,
            "fps": pipeline.statistics.mean_fps(),
            "stages_ms": times,
            "dropped": pipeline.dropped,
            "missing": list(pipeline.watch.missing),
            "reconnects": pipeline.statistics.counted("reconnects"),
            "pictures": file_sink.written if file_sink is not None else [],
        }
    )


def _check(arguments: argparse.Namespace) -> None:
    """Refuses numbers that make no sense, and options that would change nothing.

    Raises:
        InputError: names the option.
    """
    for name in ("count", "threads", "missing_after"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} is {value}, wanted at least 1")
    if arguments.rate is not None and not 0.1 <= arguments.rate <= 1000:
        raise InputError(f"--rate is {arguments.rate}, wanted 0.1 to 1000 frames per second")
    if arguments.record_every is not None:
        if not 0 <= arguments.record_every < float("inf"):
            raise InputError(f"--record-every is {arguments.record_every}, wanted seconds from 0")
        if not arguments.record:
            raise InputError("--record-every is for what is recorded: give --record FOLDER")
    for name in ("also", "allow_host"):
        if getattr(arguments, name) and not arguments.serve:
            raise InputError(f"--{name.replace('_', '-')} is for the live page: give --serve")
    if not (arguments.out or arguments.serve or arguments.record):
        raise InputError("nothing to do with what is seen: give --out, --serve or --record")


def _serve(text: str, live: Live, names: Sequence[str]) -> LiveServer:
    address = parse_address(text)
    token = os.environ.get("CEN_DEMO_TOKEN") or None
    if token is None and not is_loopback(address[0]):
        token = secrets.token_urlsafe(16)
    server = LiveServer(address, live, token, names=names)
    server.start()
    return server


def _line(pipeline: Pipeline) -> str:
    """One line on how it goes."""
    infer = pipeline.statistics.summary().get("infer", {"p50": 0.0, "p95": 0.0})
    return (
        f"{pipeline.statistics.counted('seen')} frames seen, {pipeline.statistics.fps():.1f} per "
        f"second, inference p50 {infer['p50']:.1f} ms, p95 {infer['p95']:.1f} ms, "
        f"{pipeline.dropped['network']} dropped"
    )


def _summarise(pipeline: Pipeline, output: Output) -> None:
    """What it came to."""
    statistics, times = pipeline.statistics, pipeline.statistics.summary()
    if "infer" not in times:
        output.say("no frame was seen")
        return
    milliseconds = sum(times[stage]["p50"] for stage in PHASES)
    output.say(
        f"{statistics.counted('seen')} frames, {milliseconds:.1f} ms each (median; pre, inference "
        f"and post on {pipeline.network.runner.engine}); all stages together "
        f"{statistics.mean_fps():.1f} frames per second"
    )
    dropped = pipeline.dropped["network"]
    if dropped:
        output.say(
            f"{dropped} of {statistics.counted('captured')} frames were dropped: newer ones came "
            "while the network was at work"
        )
    for sink in pipeline.sinks:
        left_out = pipeline.dropped[sink.name]
        # What comes between two frames of a recording at intervals is not lost.
        wants_all = sink.wait and not (isinstance(sink, Recording) and sink.every)
        if left_out and wants_all:
            output.say(
                f"{left_out} of {statistics.counted('seen')} frames are not in the {sink.name}: newer "
                "ones came while one was written; a lower --rate leaves time"
            )


def _range(text: str) -> tuple[float, float]:
    """Reads LEAST,LARGEST."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted LEAST,LARGEST such as 1,80") from None
    return low, high


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdigit() and 8 <= int(p) <= 8192 for p in parts):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted HEIGHTxWIDTH such as 480x640")
    return int(parts[0]), int(parts[1])
