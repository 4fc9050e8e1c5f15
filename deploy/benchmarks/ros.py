"""The ROS 2 node beside a camera of 640x480 at 30 Hz: how soon labels come, and whether its memory grows.

The node runs as somebody would start it, in a process of its own; camera and listener are in this one, and everything
goes through DDS on this machine, with the profile that the node's package has for images. Linux only: memory is
read from /proc.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.datasets import open_dataset

from ..runtime.console import INTERRUPTED
from ..runtime.errors import InputError
from .camera_topics import DEPTH, RGB, CameraTopics
from .endurance import export
from .memory import INTERVAL, MOST_MOVED, Sample, check_watchable, ranges, write_samples
from .terminal import Terminal

PRESET = "cen_edge_s_rooms"
SIZE = (480, 640)
RATE = 30.0
"""Pairs a second."""
VIEWS = 8
SETTLED = 60.0
"""Seconds until what the first frames set up is there; labels count from then on, too."""
MOST_MS = 100.0
"""Of the 95th percentile of the time from a pair's publication to the arrival of its labels."""
LEAST_LABELLED = 0.95
"""Of the pairs: at 30 Hz the node is to keep up, not to drop."""
_NODE = (sys.executable, "-m", "deploy.ros")
_PROFILE = Path(__file__).parent.parent / "ros" / "package" / "config" / "fastdds.xml"
_READY = re.compile(rb"(depth from \S+)")
_STARTS_WITHIN, _ENDS_WITHIN = 120.0, 60.0
"""Seconds."""


def measure(
    out: Path,
    say: Callable[[str], None],
    minutes: float = 10.0,
    threads: int = 2,
    settled: float = SETTLED,
) -> dict[str, Any]:
    """Runs the node beside a camera, and writes what its memory was to `ros_memory.csv` however it ends.

    Args:
        out: folder for the artifact and the .csv.
        say: takes one line of progress.
        minutes: how long, where the machine keeps up with publishing.
        threads: of the engine.
        settled: seconds after which memory and labels count.

    Returns:
        `ros`: `minutes`, `threads`, `settled_s`; after that time `pairs`, `labelled` (of them), `p50_ms`, `p95_ms` and
        `most_ms` (None without labels), `resident_mb`, `own_mb`, `moved_mb` and `grown_mb` as of
        `memory.ranges`; `exit_code`, and `failed`: what went wrong, or None.

    Raises:
        InputError: the time is too short, ROS or /proc is not there, or the export failed.
    """
    from ..ros.node import load_rclpy

    check_watchable(minutes, settled, INTERVAL)
    rclpy = load_rclpy()
    folder = out / "ros"
    say(f"exporting {PRESET}")
    export(PRESET, folder)
    variables = {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(_PROFILE),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        # Not another robot's topics.
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
    }
    os.environ.update(variables)
    words = ["--artifact", str(folder / "static_w8a8.tflite"), "--rgb", RGB, "--depth", DEPTH]
    samples: list[Sample] = []
    found: dict[str, Any] = {"exit_code": None, "failed": None}
    rclpy.init()
    try:
        with CameraTopics(_views()) as camera:
            terminal = Terminal([*_NODE, *words, "--threads", str(threads)], "the node")
            try:
                terminal.wait_for(_READY, _STARTS_WITHIN)
                found.update(_watch(terminal, camera, 60 * minutes, settled, samples, say))
                terminal.type(b"\x03")
                found["exit_code"] = terminal.wait(_ENDS_WITHIN)
            except InputError as error:
                found["failed"] = str(error)
            finally:
                terminal.kill()
                write_samples(out / "ros_memory.csv", samples)
    finally:
        rclpy.try_shutdown()
    memory = ranges([memory for at, memory in samples if at >= settled])
    empty = {"pairs": 0, "labelled": 0, "p50_ms": None, "p95_ms": None, "most_ms": None}
    known = {"minutes": minutes, "threads": threads, "settled_s": settled}
    return {"ros": {**known, **empty, **memory, **found}}


def good(found: dict[str, Any]) -> bool:
    """Whether labels came in time and for nearly all pairs, and memory stayed."""
    figures = found["ros"]
    return (
        figures["failed"] is None
        and figures["p95_ms"] is not None
        and figures["p95_ms"] <= MOST_MS
        and figures["labelled"] >= LEAST_LABELLED * figures["pairs"]
        and figures["grown_mb"] is not None
        and figures["grown_mb"] <= MOST_MOVED
        and figures["exit_code"] == INTERRUPTED
    )


def line(found: dict[str, Any]) -> str:
    """One line on what was found."""
    figures = found["ros"]
    if figures["failed"] is not None:
        return f"failed: {figures['failed']}"
    if figures["p95_ms"] is None or figures["grown_mb"] is None:
        return "no labels came, or the node's memory never settled"
    return (
        f"{figures['labelled']} of {figures['pairs']} pairs labelled, {figures['p50_ms']:.0f} ms (median) and "
        f"{figures['p95_ms']:.0f} ms (p95 of {MOST_MS:g}) after their publication; memory grown by "
        f"{figures['grown_mb']:.1f} of {MOST_MOVED:g} MB to {figures['resident_mb']['most']:.1f} in "
        f"{figures['minutes']:g} minutes; exit code {figures['exit_code']}"
    )


def _views() -> list[tuple[np.ndarray, np.ndarray]]:
    rooms = open_dataset({"name": "rooms", "size": list(SIZE), "test": VIEWS}, "test")
    views = [rooms[index] for index in range(VIEWS)]
    return [(v["rgb"], np.round(1000 * v["depth"]).astype(np.uint16)) for v in views]


def _watch(
    terminal: Terminal,
    camera: CameraTopics,
    seconds: float,
    settled: float,
    samples: list[Sample],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Publishes at RATE and adds samples until all pairs are out; gives the figures of the labels.

    Raises:
        InputError: the node ended before.
    """
    total, first = round(RATE * seconds), round(RATE * settled)
    start, sampled = time.monotonic(), -INTERVAL
    while camera.published < total:
        at = time.monotonic() - start
        camera.publish()
        if at - sampled >= INTERVAL:
            sampled = at
            samples.append((at, terminal.memory()))
        if camera.published % round(60 * RATE) == 0:
            left = (total - camera.published) / RATE / 60
            say(f"{samples[-1][1].resident:.1f} MB; {left:.0f} minutes left")
        # To the next whole period, so that a late pair is not followed by a burst.
        time.sleep(1 / RATE - (time.monotonic() - start) % (1 / RATE))
    time.sleep(1)  # the last labels are on their way
    latencies = [1e3 * seconds for number, seconds in camera.latencies if number >= first]
    figures: dict[str, Any] = {"pairs": total - first, "labelled": len(latencies)}
    if latencies:
        for name, percentile in (("p50_ms", 50), ("p95_ms", 95), ("most_ms", 100)):
            figures[name] = float(np.percentile(latencies, percentile))
    return figures
