"""The demo's source that is fed by topics: messages go in from ROS's thread, frames come out in the
capture thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Iterator, Mapping

from ..demo.slot import Closed, Slot
from ..demo.sources import Source
from ..runtime.preprocess import Frame
from .frames import Frames
from .synchroniser import Synchroniser


class Topics:
    """Holds the newest set of images; sets that nobody took are dropped.

    Args:
        topics: topic by modality, the one that leads first.
        frames: reads sets.
        say: takes one line for people.
        slop: seconds by which stamps of a set may differ.
        patience: seconds of silence after which a topic is not waited for.
        rate: at most so many sets a second; None = all.
        clock: seconds, rising.
    """

    def __init__(
        self,
        topics: Mapping[str, str],
        frames: Frames,
        say: Callable[[str], None],
        *,
        slop: float,
        patience: float = 1.0,
        rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.topics = dict(topics)
        self._frames, self._say, self._clock = frames, say, clock
        self._slop, self._rate = slop, rate
        self._synchroniser = Synchroniser(list(topics), slop, patience)
        self._lock = threading.Lock()
        self._slot = Slot()
        self._due = float("-inf")
        self._warned_apart = False

    @property
    def dropped(self) -> int:
        """Sets that a newer one replaced before anybody took them."""
        return self._slot.dropped

    def take(self, modality: str, message: Any) -> None:
        """Takes one message, in any thread."""
        stamp = message.header.stamp
        seconds = stamp.sec + 1e-9 * stamp.nanosec
        now = self._clock()
        with self._lock:
            found = self._synchroniser.add(modality, seconds, message, now)
            apart = self._synchroniser.apart
            if found is not None and self._rate is not None:
                # A tenth of a period early is on time: cameras are not clocks.
                if now < self._due - 0.1 / self._rate:
                    found = None
                else:
                    self._due = max(self._due, now) + 1 / self._rate
        self._warn_apart(apart)
        if found is not None:
            with contextlib.suppress(Closed):
                self._slot.put((found, now), wait=False)

    def source(self) -> Source:
        """The source that gives the frames."""
        name = ", ".join(f"{modality} {topic}" for modality, topic in self.topics.items())
        return Source(name, self._start, camera=True)

    def close(self) -> None:
        """Wakes whoever waits for a frame; nothing more will come."""
        self._slot.abort()

    def _start(self) -> Iterator[Frame]:
        while True:
            found, arrived = self._slot.take()
            frame = self._frames(found, arrived)
            if frame is not None:
                yield frame

    def _warn_apart(self, apart: float | None) -> None:
        if apart is None:
            self._warned_apart = False
        elif not self._warned_apart:
            self._warned_apart = True
            self._say(
                f"stamps of {' and '.join(self.topics.values())} are {apart:.3f} s apart or more, "
                f"wanted {self._slop:g} s: going on with the first that is there; set both cameras "
                "to one clock, or give --slop"
            )
