"""The demo for an hour: whether its memory stays as it is, and whether Ctrl-C ends it in good order.

The demo runs in a terminal of its own, as somebody would start it, with one client of its stream from
the first response on. When the time is up Ctrl-C is typed. Linux only: memory is read from /proc.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..runtime.console import INTERRUPTED
from ..runtime.errors import InputError
from ..runtime.files import atomic_path
from .terminal import Memory, Terminal

PRESET = "cen_edge_m_rooms"
SIZE = "480x640"
RATE = 4
"""Frames a second; what is kept of one would be kept of all."""
INTERVAL = 5.0
SETTLED = 60.0
"""Seconds until what the first frames set up is there."""
MOST_MOVED = 5.0
"""Megabytes between the smallest and largest sample of its own memory after that, and from the first
to the largest of all that is resident: pages of files that the system drops are not the demo's."""
LEAST_SHOWN = 0.5
"""Of the frames that the rate gives; a machine may be busy, but a demo that stands still is not good."""
_DEPLOY = (sys.executable, "-m", "deploy")
_URL = re.compile(rb"live page: (http://\S+?)/?\s")
_STARTS_WITHIN, _ENDS_WITHIN = 120.0, 60.0
"""Seconds."""

Sample = tuple[float, Memory]
"""Seconds, and the memory at that time."""


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
        `endurance`: `minutes`, `settled_s`, `resident_mb` and `own_mb` (each `first`, `least`, `most`
        and `last` of the samples after `settled`, None where there are none), `moved_mb`,
        `grown_mb`, `frames`, `dropped`, `client_bytes`, `exit_code`, `ends_within_s` and `failed`:
        what went wrong, or None.

    Raises:
        InputError: the time is too short, the export failed, the demo did not start, or the system
            has no /proc.
    """
    if not Path("/proc/self/status").is_file():
        raise InputError("memory is read from /proc/PID/status, which this system does not have")
    if 60 * minutes < settled + 2 * INTERVAL:
        raise InputError(
            f"{minutes:g} minutes are too short: memory is watched after {settled:g} s; give more"
        )
    folder = out / "endurance"
    say(f"exporting {PRESET}")
    _deploy("export", f"preset:{PRESET}", "--scheme", "static_w8a8", "--out", str(folder))
    told = folder / "demo.json"
    told.unlink(missing_ok=True)
    arguments = ["--artifact", str(folder / "static_w8a8.tflite"), "--source", "rooms"]
    arguments += ["--size", SIZE, "--rate", str(RATE), "--threads", "1", "--serve", "0"]
    # On the loopback the page wants no token unless there is one.
    environment = {k: v for k, v in os.environ.items() if k != "CEN_DEMO_TOKEN"}
    command = [*_DEPLOY, "demo", *arguments, "--json", str(told)]
    samples: list[Sample] = []
    ended: dict[str, Any] = {"exit_code": None, "ends_within_s": None, "failed": None}
    terminal = Terminal(command, "the demo", environment)
    try:
        client = Client(terminal.wait_for(_URL, _STARTS_WITHIN).decode() + "/stream.mjpg")
        try:
            _watch(terminal, client, 60 * minutes, samples, say)
            start = time.monotonic()
            terminal.type(b"\x03")
            ended["exit_code"] = terminal.wait(_ENDS_WITHIN)
            ended["ends_within_s"] = time.monotonic() - start
        except InputError as error:
            ended["failed"] = str(error)
    finally:
        terminal.kill()
        _write(out / "demo_memory.csv", samples)
    return {
        "endurance": {
            "minutes": minutes,
            "settled_s": settled,
            **_memory([memory for at, memory in samples if at >= settled]),
            **_figures(told),
            "client_bytes": client.received,
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
    return f"{figures['frames']} frames in {figures['minutes']:g} minutes; {memory}; {end}"


class Client:
    """Reads a stream until it ends.

    Args:
        url: of the stream.
    """

    def __init__(self, url: str):
        self.received = 0
        self.ended = False
        threading.Thread(target=self._read, args=(url,), daemon=True).start()

    def _read(self, url: str) -> None:
        # Not through a proxy that others are reached by.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=60) as stream:
                while content := stream.read(1 << 16):
                    self.received += len(content)
        except OSError:
            pass
        self.ended = True


def _deploy(*arguments: str) -> None:
    ended = subprocess.run([*_DEPLOY, *arguments], capture_output=True, text=True)
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise InputError(f"deploy {arguments[0]} failed: {said[-1]}")


def _watch(
    terminal: Terminal,
    client: Client,
    seconds: float,
    samples: list[Sample],
    say: Callable[[str], None],
) -> None:
    """Adds samples until the time is up.

    Raises:
        InputError: the demo or its stream ended before.
    """
    start, told = time.monotonic(), 0.0
    while (at := time.monotonic() - start) < seconds:
        memory = terminal.memory()
        samples.append((at, memory))
        if client.ended:
            raise InputError(f"the stream ended after {at:.0f} s of {seconds:.0f}")
        if at - told >= 60:
            told = at
            say(
                f"{memory.resident:.1f} MB, {memory.own:.1f} of its own; {(seconds - at) / 60:.0f} minutes left"
            )
        time.sleep(min(INTERVAL, max(0.0, seconds - at)))


def _write(path: Path, samples: list[Sample]) -> None:
    heads = ["seconds", *(f"{name}_mb" for name in Memory._fields)]
    rows = [",".join([f"{at:.0f}", *(f"{mb:.1f}" for mb in memory)]) for at, memory in samples]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([",".join(heads), *rows, ""]), encoding="utf-8")


def _memory(samples: list[Memory]) -> dict[str, Any]:
    if not samples:
        return dict.fromkeys(("resident_mb", "own_mb", "moved_mb", "grown_mb"))
    resident, own = (_ends([getattr(m, name) for m in samples]) for name in ("resident", "own"))
    return {
        "resident_mb": resident,
        "own_mb": own,
        "moved_mb": own["most"] - own["least"],
        "grown_mb": resident["most"] - resident["first"],
    }


def _ends(values: list[float]) -> dict[str, float]:
    return {"first": values[0], "least": min(values), "most": max(values), "last": values[-1]}


def _figures(told: Path) -> dict[str, Any]:
    """What the demo said of itself when it ended."""
    if not told.is_file():
        return {"frames": 0, "dropped": None}
    figures = json.loads(told.read_text(encoding="utf-8"))
    return {"frames": figures["frames"], "dropped": figures["dropped"]}
