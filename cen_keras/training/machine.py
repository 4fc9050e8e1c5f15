"""What a training or a measurement was made on and with: hardware, versions, commit, time spent."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""Of the checkout."""


def processor() -> str:
    """Returns the processor's name; on Linux `platform.processor()` knows the architecture only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> str:
    """Returns processor, cores and accelerators, for instance "AMD EPYC, 2 cores"."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join([processor(), f"{cores} cores", *accelerators()])


def accelerators() -> list[str]:
    """Returns the names of the GPUs that TensorFlow sees, where it is the backend."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in found]
    return [each.get("device_name", "GPU") for each in details]


def backend() -> str:
    """Returns backend and Keras with their versions, for instance "tensorflow 2.21, keras 3.15"."""
    import importlib

    import keras

    name = keras.backend.backend()
    version = getattr(importlib.import_module(name), "__version__", "")
    return f"{name} {version}, keras {keras.__version__}"


def versions() -> dict[str, str]:
    """Returns the versions of Python, this package and what a training's numbers depend on."""
    names = ("cen_keras", "keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless")
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def environment() -> dict[str, Any]:
    """Returns commit, versions, hardware, backend, system and time, for a run folder."""
    return {
        "time": now(),
        "commit": commit(),
        "hardware": hardware(),
        "system": f"{platform.system()} {platform.release()}",
        "backend": backend(),
        "versions": versions(),
    }


WRITTEN = (":(exclude)recipes/results", ":(exclude)docs/claims.md")
"""What `recipes.evidence` writes into the checkout, for git."""


def commit() -> str:
    """Returns the checkout's commit, "-dirty" behind it where tracked files differ from it.

    Those do not count that the evidence itself writes, or its second table would find the first.
    "unknown" outside a git checkout.
    """

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return "unknown"  # Installed below another project's checkout.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN)
        return git("rev-parse", "--short=10", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def now() -> str:
    """Returns the time, UTC, as "2026-11-21T12:00:00Z"."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Spent:
    """Seconds since it was made: `wall`, and `processor` of this process and finished children."""

    def __init__(self):
        self._wall, self._processor = time.perf_counter(), _processor_seconds()

    @property
    def wall(self) -> float:
        """By the clock."""
        return time.perf_counter() - self._wall

    @property
    def processor(self) -> float:
        """Of all threads."""
        return _processor_seconds() - self._processor


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
