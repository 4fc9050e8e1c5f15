"""The whole way in one go, step by step as a user would take it: train, verify, export, bench,
report.

Every step is a command of its own in a process of its own. What a step was given and what it left
is written down with checksums (`steps.json`); a step is skipped when both are as they were, so that
an interrupted walk goes on where it stopped.
"""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bench import COMPARED_THREADS
from .runtime.console import CHECK_FAILED, GOOD, INTERRUPTED
from .runtime.files import beside, sha256, write_json
from .runtime.manifest import manifest_path
from .schemes import SHORT_NAMES

CONTROLS = {"rgb_only": "rgb", "depth_only": "depth"}


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: under which its seconds are reported.
        command: arguments behind `python -m`.
        inputs: files that it reads; another content makes it run again.
        outputs: files that it must leave.
    """

    name: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]


@dataclass(frozen=True)
class Places:
    """Where everything goes below one folder."""

    root: Path

    @property
    def run(self) -> Path:
        """Run folder of the CEN."""
        return self.root / "cen"

    def control(self, name: str) -> Path:
        """Run folder of a control."""
        return self.root / name

    def artifact(self, name: str) -> Path:
        """The frozen artifact with all outputs; `name` is "fp32" or "int8"."""
        return self.run / "tflite" / (SHORT_NAMES[name] + ".tflite")

    @property
    def latency(self) -> Path:
        """What the interleaved measurement left."""
        return self.run / "bench" / "latency.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"


def plan(
    places: Places,
    recipe: str = "rooms_tiny",
    settings: tuple[str, ...] = (),
    threads: int = COMPARED_THREADS,
) -> list[Step]:
    """Lists the steps.

    Args:
        places: where everything goes.
        recipe: of the CEN; the controls are RECIPE_rgb and RECIPE_depth.
        settings: `key=value` for every training.
        threads: of the engine in measurements.
    """
    changes = tuple(part for setting in settings for part in ("--set", setting))
    run, best = places.run, places.run / "best.keras"

    def training(step: str, name: str, folder: Path) -> Step:
        command = ("recipes.train", name, "--run", str(folder), *changes)
        return Step(step, command, (), (folder / "best.keras", folder / "scores.json"))

    steps = [training("train", recipe, run)]
    for control, modality in CONTROLS.items():
        name = f"{recipe}_{modality}"
        steps.append(training(f"train_{control}", name, places.control(control)))
    frozen = ("deploy", "verify", str(run))
    steps.append(Step("verify_frozen", frozen, (best,), (run / "frozen.verify.json",)))
    for name, scheme in SHORT_NAMES.items():
        path = places.artifact(name)
        exported = ("deploy", "export", str(run), "--target", "tflite", "--scheme", scheme)
        steps.append(Step(f"export_{name}", exported, (best,), (path, manifest_path(path))))
    for name in SHORT_NAMES:
        path = places.artifact(name)
        kept = beside(path, ".verify.json")
        steps.append(Step(f"verify_{name}", ("deploy", "verify", str(path)), (best, path), (kept,)))
    both = tuple(places.artifact(name) for name in SHORT_NAMES)
    timing = ("deploy", "bench", str(both[0]), "--compare", str(both[1]), "--threads", str(threads))
    timed = tuple(beside(path, ".bench.json") for path in both)
    steps.append(Step("bench_artifacts", timing, both, timed))
    latency = ("deploy", "bench", str(run), "--threads", str(threads))
    steps.append(Step("bench_exchange", latency, (best,), (places.latency,)))
    pictures = places.root / "pictures"
    demo = ("deploy", "demo", "--artifact", str(both[1]), "--source", "rooms")
    demo += ("--out", str(pictures))
    steps.append(Step("demo", demo, (both[1],), (pictures / "room_000.png",)))
    read = (*both, *timed, places.latency, run / "frozen.verify.json", run / "scores.json")
    read += tuple(beside(path, ".verify.json") for path in both)
    read += tuple(places.control(name) / "scores.json" for name in CONTROLS)
    page = ("deploy", "report", str(run), "--out", str(places.report), "--title", "CEN on rooms")
    for name in CONTROLS:
        page += ("--control", f"{name}={places.control(name)}")
    steps.append(Step("report", page, read, (places.report,)))
    return steps


class Walkthrough:
    """Runs steps and remembers which are done.

    Args:
        folder: where `steps.json` is kept.
        say: takes one line of progress.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self._path = folder / "steps.json"
        self._say = say
        self._done: dict[str, Any] = {}
        if self._path.is_file():
            try:
                self._done = json.loads(self._path.read_text(encoding="utf-8"))
            except ValueError:
                say(f"{self._path} is damaged; every step is taken again")

    def run(self, steps: list[Step]) -> int:
        """Takes the steps in order.

        Returns:
            0; 1 when a step's check failed (the others were taken); otherwise the exit code of the
            step at which the walk ended.
        """
        result = GOOD
        for number, step in enumerate(steps, 1):
            head = f"[{number}/{len(steps)}] {step.name}"
            if self._is_done(step):
                self._say(f"{head}: as on {self._done[step.name]['finished']}, kept")
                continue
            self._say(f"{head}: python -m {' '.join(step.command)}")
            start = time.perf_counter()
            code = _execute(step.command)
            if code not in (GOOD, CHECK_FAILED):
                self._say(f"{head}: ended with exit code {code}")
                return code
            missing = [str(path) for path in step.outputs if not path.is_file()]
            if missing:
                self._say(f"{head}: it did not leave {', '.join(missing)}")
                return CHECK_FAILED
            seconds = time.perf_counter() - start
            self._say(f"{head}: {seconds:.0f} s")
            self._note(step, seconds, code)
            result = max(result, code)
        return result

    def seconds(self) -> dict[str, float]:
        """How long each step took, when it was last taken."""
        return {name: step["seconds"] for name, step in self._done.items()}

    def _is_done(self, step: Step) -> bool:
        note = self._done.get(step.name)
        return (
            note is not None
            and note["exit_code"] == GOOD
            and note["command"] == list(step.command)
            and note["inputs"] == _checksums(step.inputs)
            and note["outputs"] == _checksums(step.outputs)
        )

    def _note(self, step: Step, seconds: float, code: int) -> None:
        self._done[step.name] = {
            "command": list(step.command),
            "inputs": _checksums(step.inputs),
            "outputs": _checksums(step.outputs),
            "seconds": seconds,
            "exit_code": code,
            "finished": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }
        write_json(self._path, self._done)


def _checksums(paths: tuple[Path, ...]) -> dict[str, str | None]:
    return {str(path): sha256(path) if path.is_file() else None for path in paths}


def _execute(command: tuple[str, ...]) -> int:
    """Runs `python -m COMMAND`; Ctrl-C reaches the child by itself, which then has time to end."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    child = subprocess.Popen([sys.executable, "-m", *command], env=environment)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.wait()
        return INTERRUPTED
    return INTERRUPTED if code == -signal.SIGINT else code
