"""Runs cells in processes of their own, a few at a time, and goes on where it was stopped."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean

from cen_keras.training.run_folder import read_json
from recipes.evidence.experiments.cells import FEATURES, Cell
from recipes.evidence.run.cell import CELL, features_folder, finished
from recipes.listing import recipe_of

POLL = 0.1
"""Seconds between two looks at the processes."""

PATIENCE = 60
"""Seconds that an interrupted process has to end by itself: a step may be under way."""


@dataclasses.dataclass
class Job:
    """A process to run.

    Attributes:
        name: for people.
        folder: its run folder; a cell.json there says that it is done.
        arguments: of `recipes.evidence.run`.
        kind: jobs of one kind take about as long as each other.
        first: others need what it makes, so it runs alone.
    """

    name: str
    folder: Path
    arguments: list[str]
    kind: str
    first: bool = False


@dataclasses.dataclass
class Running:
    """A job and its process."""

    job: Job
    process: subprocess.Popen
    since: float


@dataclasses.dataclass
class State:
    """How far a run is.

    Attributes:
        total: jobs in all.
        done: finished, before or now.
        failed: name -> why.
        waiting: not started.
        running: under way.
        seconds: kind -> what the finished ones took.
    """

    total: int
    done: int = 0
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    waiting: list[Job] = dataclasses.field(default_factory=list)
    running: list[Running] = dataclasses.field(default_factory=list)
    seconds: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    def estimate(self, job: Job) -> float | None:
        """Returns the seconds that a job will probably take, None where nothing tells."""
        known = self.seconds.get(job.kind) or [s for times in self.seconds.values() for s in times]
        return mean(known) if known else None

    def remaining(self, processes: int) -> float | None:
        """Returns the seconds that the rest will probably take, None where nothing tells."""
        now = time.monotonic()
        each = [self.estimate(job) for job in self.waiting]
        each += [
            None if (took := self.estimate(r.job)) is None else max(0.0, took - (now - r.since))
            for r in self.running
        ]
        return None if None in each else sum(each) / processes


def jobs_of(cells: Iterable[tuple[str, Cell]], runs: Path) -> list[Job]:
    """Returns the jobs of named cells in their order, each training once.

    What translations are scored with comes first, where any of them is not finished.
    """
    jobs: dict[Path, Job] = {}
    for name, cell in cells:
        folder = runs / cell.folder
        arguments = [*cell.arguments, "--runs", str(runs)]
        jobs.setdefault(folder, Job(name, folder, arguments, kind_of(cell)))
    waiting = {job.arguments[0] for job in jobs.values() if not finished(job.folder)}
    features = features_folder(runs)
    if any(recipe_of(name).task == "translation" for name in waiting) and not finished(features):
        arguments = [FEATURES.recipe, "--features", "--runs", str(runs)]
        return [Job("features", features, arguments, kind_of(FEATURES), first=True), *jobs.values()]
    return list(jobs.values())


def kind_of(cell: Cell) -> str:
    """Returns the name of the trainings that take about as long as a cell."""
    return f"{cell.recipe}, {cell.steps} steps"


def run(
    jobs: list[Job],
    processes: int = 1,
    threads: int = 2,
    budget: float | None = None,
    show: Callable[[State], None] = lambda state: None,
    command: Iterable[str] = (sys.executable, "-m", "recipes.evidence.run"),
) -> State:
    """Runs the jobs that are not finished; one that fails does not stop the others.

    Args:
        jobs: in the order in which they are started.
        processes: at once.
        threads: of each process.
        budget: seconds; no job is started that would probably end later. None for no end.
        show: called with the state several times a second.
        command: what the jobs' arguments are given to.

    Returns:
        The state at the end; `waiting` are those not started, for want of time.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the processes have ended.
    """
    state = State(len(jobs))
    for job in jobs:
        if finished(job.folder):
            _finish(state, job, read_json(job.folder / CELL).get("seconds"))
        else:
            state.waiting.append(job)
    started = time.monotonic()
    try:
        while state.waiting or state.running:
            while state.waiting and _has_room(state, processes):
                takes = state.estimate(state.waiting[0]) or 0.0
                if budget is not None and time.monotonic() - started + takes > budget:
                    break
                job = state.waiting.pop(0)
                state.running.append(Running(job, _start(job, command, threads), time.monotonic()))
            if not state.running:
                break
            show(state)
            time.sleep(POLL)
            for ended in [r for r in state.running if r.process.poll() is not None]:
                state.running.remove(ended)
                if finished(ended.job.folder):
                    _finish(state, ended.job, time.monotonic() - ended.since)
                else:
                    state.failed[ended.job.name] = _why(ended)
    except BaseException:
        _stop([r.process for r in state.running])
        raise
    show(state)
    return state


def _has_room(state: State, processes: int) -> bool:
    if any(r.job.first for r in state.running):
        return False
    return len(state.running) < processes


def _finish(state: State, job: Job, seconds: float | None) -> None:
    state.done += 1
    if seconds:
        state.seconds.setdefault(job.kind, []).append(seconds)


def _start(job: Job, command: Iterable[str], threads: int) -> subprocess.Popen:
    """Starts a job; what it says goes to cell.log in its folder, errors to cell.err."""
    job.folder.mkdir(parents=True, exist_ok=True)
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    limits = {name: str(threads) for name in names} | {"TF_NUM_INTEROP_THREADS": "1"}
    with open(job.folder / "cell.log", "ab") as log, open(job.folder / "cell.err", "wb") as errors:
        return subprocess.Popen(
            [*command, *job.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=errors,
            env=os.environ | limits,
            # Of its own, so that Ctrl-C reaches it once, from `_stop`.
            start_new_session=True,
        )


def _why(ended: Running) -> str:
    """Returns the last line of what a failed process wrote to standard error."""
    errors = (ended.job.folder / "cell.err").read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    code = ended.process.returncode
    return lines[-1] if lines else f"ended with {code} and said nothing"


def _stop(processes: list[subprocess.Popen]) -> None:
    """Interrupts processes and waits for them; kills what does not end, or all at a second Ctrl-C."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    patient = time.monotonic() + PATIENCE
    try:
        for process in processes:
            process.wait(max(0.0, patient - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
