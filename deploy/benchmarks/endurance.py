"""The demo for an hour: whether its memory stays as it is, and whether Ctrl-C ends it in good order.

The demo runs in a terminal of its own, as somebody would start it, with one client of its stream from
the first answer on. When the time is up Ctrl-C is typed. Linux only: memory is read from /proc.
"""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..runtime.console import INTERRUPTED
from ..runtime.errors import InputError
from ..runtime.files import atomic_path
from .terminal import Terminal

PRESET = "cen_edge_m_rooms"
SIZE = "480x640"
RATE = 4
"""Frames a second; what is kept of one would be kept of all."""
INTERVAL = 5.0
SETTLED = 60.0
"""Seconds until what the first frames set up is there."""
MOST_MOVED = 5.0
"""Megabytes between the smallest and largest sample after that."""
_DEPLOY = (sys.executable, "-m", "deploy")
_URL = re.compile(rb"live page: (http://\S+?)/?\s")
_START = 120.0


def measure(
    out: Path, say: Callable[[str], None], minutes: float = 60.0, settled: float = SETTLED
) -> dict[str, Any]:
    """Runs the demo.

    Args:
        out: folder for the artifact, the demo's own figures and `demo_memory.csv`.
        say: takes one line of progress.
        minutes: how long.
        settled: seconds after which memory is held to `MOST_MOVED`.

    Returns:
        `endurance`: `minutes`, `settled_s`, `resident_mb` (`first`, `least`, `most` and `last` of the
        samples after `settled`), `moved_mb`, `frames`, `dropped`, `client_bytes`, `exit_code` and
        `ends_within_s`.

    Raises:
        InputError: the export or the demo failed, or the system has no /proc.
    """
    if not Path("/proc/self/status").is_file():
        raise InputError("memory is read from /proc/PID/status, which this system does not have")
    folder = out / "endurance"
    say(f"exporting {PRESET}")
    _deploy("export", f"preset:{PRESET}", "--scheme", "static_w8a8", "--out", str(folder))
    told = folder / "demo.json"
    arguments = ["--artifact", str(folder / "static_w8a8.tflite"), "--source", "rooms"]
    arguments += ["--size", SIZE, "--rate", str(RATE), "--threads", "1", "--serve", "0"]
    terminal = Terminal([*_DEPLOY, "demo", *arguments, "--json", str(told)], "the demo")
    try:
        client = Client(terminal.wait_for(_URL, _START).decode() + "/stream.mjpg")
        samples = list(_watch(terminal, client, 60 * minutes, say))
        start = time.monotonic()
        terminal.type(b"\x03")
        code = terminal.wait(_START)
        seconds = time.monotonic() - start
    finally:
        terminal.kill()
    with atomic_path(out / "demo_memory.csv") as temporary:
        rows = [f"{at:.0f},{resident:.1f},{peak:.1f}" for at, resident, peak in samples]
        temporary.write_text(
            "\n".join(["seconds,resident_mb,peak_mb", *rows, ""]), encoding="utf-8"
        )
    after = [resident for at, resident, _ in samples if at >= settled]
    figures = json.loads(told.read_text(encoding="utf-8"))
    return {
        "endurance": {
            "minutes": minutes,
            "settled_s": settled,
            "resident_mb": {
                "first": after[0],
                "least": min(after),
                "most": max(after),
                "last": after[-1],
            },
            "moved_mb": max(after) - min(after),
            "frames": figures["frames"],
            "dropped": figures["dropped"],
            "client_bytes": client.received,
            "exit_code": code,
            "ends_within_s": seconds,
        }
    }


def _deploy(*arguments: str) -> None:
    ended = subprocess.run([*_DEPLOY, *arguments], capture_output=True, text=True)
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise InputError(f"deploy {arguments[0]} failed: {said[-1]}")


def _watch(
    terminal: Terminal, client: "Client", seconds: float, say: Callable[[str], None]
) -> Iterator[tuple[float, float, float]]:
    """Yields (seconds since the client came, resident megabytes, peak)."""
    start, told = time.monotonic(), 0.0
    while (at := time.monotonic() - start) < seconds:
        if client.ended:
            raise InputError(f"the stream ended after {at:.0f} s of {seconds:.0f}")
        resident, peak = terminal.memory()
        yield at, resident, peak
        if at - told >= 60:
            told = at
            say(f"{resident:.1f} MB; {(seconds - at) / 60:.0f} minutes left")
        time.sleep(min(INTERVAL, max(0.0, seconds - at)))


def good(found: dict[str, Any]) -> bool:
    """Whether memory stayed and the demo ended as an interrupted command does."""
    figures = found["endurance"]
    return figures["moved_mb"] <= MOST_MOVED and figures["exit_code"] == INTERRUPTED


def line(found: dict[str, Any]) -> str:
    """One line on what was found."""
    figures = found["endurance"]
    resident = figures["resident_mb"]
    return (
        f"{figures['frames']} frames in {figures['minutes']:g} minutes; memory after the first "
        f"{figures['settled_s']:g} s between {resident['least']:.1f} and {resident['most']:.1f} MB, "
        f"so moved by {figures['moved_mb']:.1f} of {MOST_MOVED:g} MB; Ctrl-C ended it with exit code "
        f"{figures['exit_code']} after {figures['ends_within_s']:.2f} s"
    )


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
        try:
            with urllib.request.urlopen(url, timeout=60) as stream:
                while content := stream.read(1 << 16):
                    self.received += len(content)
        except OSError:
            pass
        self.ended = True
