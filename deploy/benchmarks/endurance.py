"""The demo for an hour: whether its memory stays as it is, and whether Ctrl-C ends it in good order.

The demo runs in a terminal of its own, as somebody would start it, with two viewers of its stream from the first
response on, from a network camera that goes away every few minutes. Every minute its page is asked for the other of two
files of the network, as somebody would who compares them; the demo keeps both open. When the time is up Ctrl-C is
typed. Linux only: memory is read from /proc.
"""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cen_keras.data.datasets import open_dataset

from ..runtime.console import INTERRUPTED
from ..runtime.errors import InputError
from ..runtime.manifest import manifest_path
from .dropping_camera import DroppingCamera
from .memory import INTERVAL, MOST_MOVED, Sample, check_watchable, ranges, write_samples
from .terminal import Terminal, output_of
from .viewer import Viewer, choose

PRESET = "cen_edge_m_rooms"
SIZE = (480, 640)
RATE = 4
"""Frames a second; what is kept of one would be kept of all."""
LAYOUTS = ("row", "column")
"""Of the pictures, one viewer each."""
UP, DOWN = 200.0, 5.0
"""Seconds that the camera stays, and is away."""
EXCHANGE = 60.0
"""Seconds from one exchange of the engine to the next."""
VIEWS = 8
SETTLED = 90.0
"""Seconds until what the first frames set up is there, and both engines are open."""
LEAST_SHOWN = 0.5
"""Of the frames that the rate gives; a machine may be busy, but a demo that stands still is not good."""
_DEPLOY = (sys.executable, "-m", "deploy")
_URL = re.compile(rb"live page: (http://\S+?)/?\s")
_STARTS_WITHIN, _ENDS_WITHIN = 120.0, 60.0
"""Seconds."""


def measure(
    out: Path, say: Callable[[str], None], minutes: float = 60.0, settled: float = SETTLED
) -> dict[str, Any]:
    """Runs the demo, and writes what its memory was to `demo_memory.csv` however it ends.

    Args:
        out: folder for the artifact, the demo's own figures and the .csv.
        say: takes one line of progress.
        minutes: how long.
        settled: seconds after which memory is held to `MOST_MOVED`.

    Returns:
        `endurance`: `minutes`, `viewers`, `exchanges` (of the engine), `drops` (of the camera),
        `settled_s`, `resident_mb` and `own_mb` (each `first`, `least`, `most` and `last` of the samples
        after `settled`, None where there are none), `moved_mb`, `grown_mb`, `frames`, `dropped`,
        `client_bytes` (of the viewer who got least), `exit_code`, `ends_within_s` and `failed`: what went
        wrong, or None.

    Raises:
        InputError: the time is too short, the export failed, the demo did not start, or the system
            has no /proc.
    """
    check_watchable(minutes, settled, INTERVAL)
    folder = out / "endurance"
    say(f"exporting {PRESET}")
    export(PRESET, folder)
    artifact = folder / "static_w8a8.tflite"
    copy = _copy(artifact)
    report = folder / "demo.json"
    report.unlink(missing_ok=True)
    # On the loopback the page wants no token unless there is one.
    environment = {k: v for k, v in os.environ.items() if k != "CEN_DEMO_TOKEN"}
    samples: list[Sample] = []
    viewers: list[Viewer] = []
    exchanges = 0
    ended: dict[str, Any] = {"exit_code": None, "ends_within_s": None, "failed": None}
    with DroppingCamera(_pictures(), RATE, UP, DOWN) as camera:
        arguments = ["--artifact", str(artifact), "--also", str(copy), "--threads", "1"]
        arguments += ["--source", f"camera:{camera.url}", "--serve", "0", "--json", str(report)]
        terminal = Terminal([*_DEPLOY, "demo", *arguments], "the demo", environment)
        try:
            page = terminal.wait_for(_URL, _STARTS_WITHIN).decode()
            viewers += [Viewer(page, layout) for layout in LAYOUTS]
            try:
                for _ in _watch(terminal, viewers, 60 * minutes, samples, say):
                    exchanges += choose(page, 1 - exchanges % 2)
                start = time.monotonic()
                terminal.type(b"\x03")
                ended["exit_code"] = terminal.wait(_ENDS_WITHIN)
                ended["ends_within_s"] = time.monotonic() - start
            except InputError as error:
                ended["failed"] = str(error)
        finally:
            terminal.kill()
            write_samples(out / "demo_memory.csv", samples)
    return {
        "endurance": {
            "minutes": minutes,
            "viewers": len(viewers),
            "exchanges": exchanges,
            "drops": camera.drops,
            "settled_s": settled,
            **ranges([memory for at, memory in samples if at >= settled]),
            **_figures(report),
            "client_bytes": min((viewer.received for viewer in viewers), default=0),
            **ended,
        }
    }


def good(found: dict[str, Any]) -> bool:
    """Whether memory stayed, pictures were shown, and the demo ended as an interrupted command does."""
    figures = found["endurance"]
    return (
        figures["failed"] is None
        and figures["moved_mb"] is not None
        and figures["moved_mb"] <= MOST_MOVED
        and figures["grown_mb"] <= MOST_MOVED
        and figures["frames"] >= LEAST_SHOWN * RATE * 60 * figures["minutes"]
        and figures["client_bytes"] > 0
        and figures["exchanges"] >= int(60 * figures["minutes"] / EXCHANGE) - 1
        and figures["exit_code"] == INTERRUPTED
    )


def line(found: dict[str, Any]) -> str:
    """One line on what was found."""
    figures = found["endurance"]
    own, end = figures["own_mb"], f"failed: {figures['failed']}"
    if figures["failed"] is None:
        end = f"Ctrl-C ended it with exit code {figures['exit_code']} after "
        end += f"{figures['ends_within_s']:.2f} s"
    memory = "ended before its memory settled"
    if own is not None:
        memory = (
            f"its own memory after the first {figures['settled_s']:g} s between {own['least']:.1f} "
            f"and {own['most']:.1f} MB, so moved by {figures['moved_mb']:.1f} of {MOST_MOVED:g} MB; "
            f"with its libraries at most {figures['resident_mb']['most']:.1f} MB, grown by "
            f"{figures['grown_mb']:.1f}"
        )
    met = f"{figures['viewers']} viewers, {figures['exchanges']} exchanges of the engine, a camera that went away "
    met += f"{figures['drops']} times"
    return (
        f"{figures['frames']} frames in {figures['minutes']:g} minutes with {met}; {memory}; {end}"
    )


def export(preset: str, folder: Path) -> None:
    """Exports a preset in 8 bits to FOLDER/static_w8a8.tflite, in a process of its own.

    Raises:
        InputError: it failed; its last words.
    """
    words = ("export", f"preset:{preset}", "--scheme", "static_w8a8", "--out", str(folder))
    output_of([*_DEPLOY, *words], f"the export of {preset}")


def _copy(artifact: Path) -> Path:
    """A second copy of an artifact with its manifest, which the page offers as another one."""
    copy = artifact.with_name("again") / artifact.name
    copy.parent.mkdir(exist_ok=True)
    for file in (artifact, manifest_path(artifact)):
        shutil.copyfile(file, copy.with_name(file.name))
    return copy


def _pictures() -> list:
    rooms = open_dataset({"name": "rooms", "size": list(SIZE), "test": VIEWS}, "test")
    return [rooms[index]["rgb"] for index in range(VIEWS)]


def _watch(
    terminal: Terminal,
    viewers: list[Viewer],
    seconds: float,
    samples: list[Sample],
    say: Callable[[str], None],
) -> Iterator[None]:
    """Adds samples until the time is up.

    Yields:
        whenever it is time to exchange the engine, just after a sample.

    Raises:
        InputError: the demo or a stream ended before.
    """
    start, reported, exchanged = time.monotonic(), 0.0, 0.0
    while (at := time.monotonic() - start) < seconds:
        memory = terminal.memory()
        samples.append((at, memory))
        if any(viewer.ended for viewer in viewers):
            raise InputError(f"the stream ended after {at:.0f} s of {seconds:.0f}")
        if at - exchanged >= EXCHANGE:
            exchanged = at
            yield
        if at - reported >= 60:
            reported = at
            say(
                f"{memory.resident:.1f} MB, {memory.own:.1f} of its own; {(seconds - at) / 60:.0f} minutes left"
            )
        time.sleep(min(INTERVAL, max(0.0, seconds - at)))


def _figures(report: Path) -> dict[str, Any]:
    """The figures that the demo wrote when it ended."""
    if not report.is_file():
        return {"frames": 0, "dropped": None}
    figures = json.loads(report.read_text(encoding="utf-8"))
    return {"frames": figures["frames"], "dropped": figures["dropped"]}
