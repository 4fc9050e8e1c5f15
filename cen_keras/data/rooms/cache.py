"""Rendered views on disk: one memory-mapped record file for each 64 views.

A file appears whole or not at all, so an interrupted filling goes on with the next missing file.
The folder's name is a hash of everything that decides the pictures, the renderer's version
included.
"""

import dataclasses
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from cen_keras.data.rooms import spec as rooms
from cen_keras.files import atomic_path, write_json

SHARD = 64
"""Views in a file."""

_LOG = logging.getLogger(__name__)

# A worker needs NumPy and the renderer; the package's own __init__ would load the training backend
# into each worker, which takes longer than a file of pictures. So the worker enters the package
# under an empty name.
_WORKER = (
    "import sys, types; package = types.ModuleType('cen_keras'); "
    "package.__path__ = [sys.argv[1]]; "
    "sys.modules['cen_keras'] = package; "
    "from cen_keras.data.rooms.cache import work; work(sys.argv[2])"
)


class Cache:
    """Files of rendered views.

    Args:
        folder: where caches are stored; this one gets a sub-folder.
        spec: what decides the pictures.
        count: number of views wanted; a later, larger count keeps what is there.
        workers: processes that render; 0 renders in this one.
    """

    def __init__(self, folder: Path, spec: rooms.RoomSpec, count: int, workers: int = 2):
        self.folder = folder / f"rooms-{spec.split}-{spec_key(spec)}"
        self.spec = spec
        self.count = count
        self.workers = workers
        self.complete = False
        self._files: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def path(self, shard: int) -> Path:
        """File that holds views 64 * shard and on."""
        return self.folder / f"{shard:05d}.npy"

    def missing(self) -> list[int]:
        """Files that are not there yet, or too short for the number of views wanted."""
        return [
            shard
            for shard in range(-(-self.count // SHARD))
            if _records(self.path(shard), self.spec.dtype()) < self._length(shard)
        ]

    def _length(self, shard: int) -> int:
        return min(SHARD, self.count - shard * SHARD)

    def fill(self, progress: bool = True) -> None:
        """Renders what is missing.

        Args:
            progress: whether to show a bar with the time left.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
            RuntimeError: a worker ended without its pictures, and not for lack of space.
        """
        missing = self.missing()
        if missing:
            self.folder.mkdir(parents=True, exist_ok=True)
            spec = dataclasses.asdict(self.spec)
            write_json(self.folder / "spec.json", spec | {"renderer": rooms.RENDERER_VERSION})
            jobs = [(shard, self._length(shard)) for shard in missing]
            with _Bar(sum(length for _, length in jobs), self.spec, progress) as bar:
                # Starting a process takes about as long as rendering twenty views.
                if self.workers < 2 or sum(length for _, length in jobs) < 40:
                    for shard, length in jobs:
                        fill_shard(self.path(shard), self.spec, shard, length, bar.step)
                else:
                    _fill_in_processes(self, jobs, bar.step)
        self.complete = True

    def read(self, index: int) -> dict[str, np.ndarray]:
        """A copy of view `index`; `fill` must have run."""
        shard, offset = divmod(index, SHARD)
        with self._lock:
            if shard not in self._files:
                self._files[shard] = np.load(self.path(shard), mmap_mode="r")
            record = self._files[shard][offset]
        return {name: np.array(record[name]) for name in self.spec.domains}


def spec_key(spec: rooms.RoomSpec) -> str:
    """Hash of everything that decides the pictures, 12 hexadecimal digits."""
    parts = dataclasses.asdict(spec) | {"renderer": rooms.RENDERER_VERSION}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _records(path: Path, dtype: np.dtype) -> int:
    """Number of whole records in a file; 0 where it is missing or something else."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return 0
    return len(array) if array.dtype == dtype and array.ndim == 1 else 0


def fill_shard(path: Path, spec: rooms.RoomSpec, shard: int, length: int, step) -> None:
    """Renders one file.

    Args:
        path: the file.
        spec: what decides the pictures.
        shard: number of the file.
        length: number of views in it.
        step: called after each view.
    """
    records = np.empty(length, spec.dtype())
    for offset in range(length):
        view = rooms.render_view(spec, shard * SHARD + offset)
        for name in spec.domains:
            records[name][offset] = view[name]
        step()
    with atomic_path(path) as temporary:
        np.save(temporary, records)


def _fill_in_processes(cache: Cache, jobs: list[tuple[int, int]], step) -> None:
    """Deals the files out to processes of their own and counts the views they report."""
    count = min(cache.workers, len(jobs))
    package = str(Path(__file__).resolve().parents[2])
    # One thread each: the workers fill the cores, and NumPy's and OpenCV's pools would only get in
    # their way.
    single = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    workers, listeners, messages = [], [], [[] for _ in range(count)]
    try:
        for number in range(count):
            job = {
                "spec": dataclasses.asdict(cache.spec),
                "jobs": [(str(cache.path(s)), s, length) for s, length in jobs[number::count]],
            }
            process = subprocess.Popen(
                [sys.executable, "-c", _WORKER, package, json.dumps(job)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                env=os.environ | single,
            )
            workers.append(process)
            listener = threading.Thread(
                target=_read_output, args=(process, step, messages[number]), daemon=True
            )
            listener.start()
            listeners.append(listener)
        for process, listener in zip(workers, listeners, strict=True):
            process.wait()
            listener.join()
    finally:
        for process in workers:
            if process.poll() is None:
                process.terminate()
                process.wait()
    for process, output in zip(workers, messages, strict=True):
        if process.returncode:
            _raise(output, cache.folder)


def _read_output(process, step, output: list[str]) -> None:
    for line in process.stdout:
        if line == ".\n":
            step()
        else:
            output.append(line.rstrip())


def _raise(output: list[str], folder: Path) -> None:
    """Turns what a worker printed last into an error of this process."""
    for line in output:
        if line.startswith("errno "):
            number = int(line.split()[1])
            raise OSError(number, os.strerror(number), str(folder))
    raise RuntimeError("Rendering rooms failed in a worker process:\n" + "\n".join(output[-20:]))


def work(message: str) -> None:
    """Runs in a worker: renders the files that the JSON names and writes a dot after each view."""
    job = json.loads(message)
    fields = job["spec"] | {name: tuple(job["spec"][name]) for name in ("size", "domains")}
    spec = rooms.RoomSpec(**fields)

    def step():
        sys.stdout.write(".\n")
        sys.stdout.flush()

    try:
        for path, shard, length in job["jobs"]:
            fill_shard(Path(path), spec, shard, length, step)
    except OSError as error:
        sys.stdout.write(f"errno {error.errno or 5}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


class _Bar:
    """A progress line with the time left; without `rich` or when not wanted, a line in the log."""

    def __init__(self, total: int, spec, wanted: bool):
        self.total, self.spec, self.bar = total, spec, None
        if wanted and total > 8:
            try:
                from rich.progress import (
                    BarColumn,
                    MofNCompleteColumn,
                    Progress,
                    TimeRemainingColumn,
                )
            except ImportError:
                return
            from rich.console import Console

            self.bar = Progress(
                "[progress.description]{task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                "views, left:",
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self):
        self.start = time.monotonic()
        if self.bar:
            self.bar.start()
            self.task = self.bar.add_task(f"rendering rooms ({self.spec.split})", total=self.total)
        return self

    def step(self) -> None:
        if self.bar:
            self.bar.advance(self.task)

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()
        seconds = time.monotonic() - self.start
        _LOG.info("rendered %d room views in %.1f s", self.total, seconds)
