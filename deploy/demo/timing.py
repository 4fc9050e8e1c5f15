"""How long each stage takes and how many frames pass, over the last few seconds and in all."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable

import numpy as np

KEPT = 300  # times of a stage, ten seconds at 30 frames a second
WINDOW = 3.0  # seconds over which the frame rate is counted


class Statistics:
    """Counted by the stages' threads, read by others; its size does not grow.

    Args:
        clock: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque] = {}
        self._passed: deque = deque(maxlen=1000)
        self._counts: dict[str, int] = {}
        self._begun = clock()
        self._last = self._begun

    def begin(self) -> None:
        """The run begins now."""
        with self._lock:
            self._begun = self._last = self._clock()

    def took(self, stage: str, seconds: float) -> None:
        """Adds one duration of a stage."""
        with self._lock:
            self._times.setdefault(stage, deque(maxlen=KEPT)).append(seconds)

    def count(self, what: str, number: int = 1) -> None:
        """Adds to a counter."""
        with self._lock:
            self._counts[what] = self._counts.get(what, 0) + number

    def counted(self, what: str) -> int:
        """A counter's state."""
        with self._lock:
            return self._counts.get(what, 0)

    def passed(self) -> None:
        """One more frame has been seen by the network."""
        now = self._clock()
        with self._lock:
            self._last = now
            self._passed.append(now)

    def fps(self) -> float:
        """Frames per second over the last few seconds; 0 when none came."""
        now = self._clock()
        with self._lock:
            recent = [t for t in self._passed if t > now - WINDOW]
            # A young run, or more frames than are kept, spans less than the window.
            since = max(now - WINDOW, self._begun)
            if len(recent) == self._passed.maxlen:
                since = recent[0]
            return len(recent) / max(now - since, 1e-3)

    def mean_fps(self) -> float:
        """Frames seen per second, from the beginning to the last of them."""
        with self._lock:
            return self._counts.get("seen", 0) / max(self._last - self._begun, 1e-9)

    def summary(self) -> dict[str, dict[str, float]]:
        """Milliseconds, {"p50", "p95"} by stage, of the last frames."""
        with self._lock:
            times = {stage: list(values) for stage, values in self._times.items()}
        return {
            stage: {
                "p50": 1e3 * float(np.percentile(values, 50)),
                "p95": 1e3 * float(np.percentile(values, 95)),
            }
            for stage, values in times.items()
        }
