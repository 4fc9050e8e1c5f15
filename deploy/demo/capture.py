"""The capture thread's work: frames of a source one after the other, whatever happens to it."""

from __future__ import annotations

import threading
import time
from typing import Callable, Iterator, Sequence

from ..runtime.errors import InputError
from ..runtime.preprocess import Frame
from .sources import Source, SourceLost
from .timing import Statistics

STALL_SECONDS = 5.0
RECONNECT_SECONDS = (1.0, 2.0, 4.0, 8.0)


class Capture:
    """Takes frames: a recording once, or over again at its own rate; a camera for ever, opened
    again when it is lost.

    Attributes:
        status: "starting", "running", "stalled", "reconnecting" or "ended".

    Args:
        source: where frames come from.
        statistics: counts them.
        say: takes one line for people.
        live: play a recording at its own rate and over again.
        stall: seconds without a frame until that is reported.
        retries: seconds between two tries to open a lost camera again, the last one for ever.
    """

    def __init__(
        self,
        source: Source,
        statistics: Statistics,
        say: Callable[[str], None],
        *,
        live: bool,
        stall: float = STALL_SECONDS,
        retries: Sequence[float] = RECONNECT_SECONDS,
    ):
        self.source, self.status = source, "starting"
        self._statistics, self._say, self._live = statistics, say, live
        # A recording that is played slowly is not stalled.
        self._stall = stall if source.camera or not live else max(stall, 3 / source.rate)
        self._retries = tuple(retries)
        self._stop = threading.Event()
        self._frame_at = time.monotonic()

    def stop(self) -> None:
        """Ends `frames` soon."""
        self._stop.set()

    def look_for_stall(self) -> None:
        """Tells, once, that no frame has come for too long; called from another thread while
        frames are waited for.
        """
        quiet = time.monotonic() - self._frame_at
        if self.status in ("running", "starting") and quiet > self._stall:
            self.status = "stalled"
            self._say(f"{self.source.name}: no frame for {quiet:.0f} s")

    def frames(self) -> Iterator[Frame]:
        """The frames of the source; over again for a live recording, opened again for a camera."""
        tries, rounds = 0, 0
        while True:
            try:
                for frame in self._round():
                    tries = 0
                    yield frame
                lost = "the camera has ended"
            except SourceLost as error:
                lost = str(error)
            if self._stop.is_set():
                return
            if self.source.camera:
                wait = self._retries[min(tries, len(self._retries) - 1)]
                tries += 1
                self.status = "reconnecting"
                self._say(f"{self.source.name}: {lost}; trying again in {wait:g} s")
                self._statistics.count("reconnects")
                if self._stop.wait(wait):
                    return
            elif not self._live:
                return
            else:
                rounds += 1
                if not self._statistics.counted("captured"):
                    raise InputError(f"{self.source.name}: gave no frame")
                if rounds == 1:
                    self._say(f"{self.source.name}: has ended; playing it over again")

    def _round(self) -> Iterator[Frame]:
        """One round of the source, its time counted; a live recording at its own rate."""
        frames = self.source.start()
        due = time.perf_counter()
        try:
            while not self._stop.is_set():
                started = time.perf_counter()
                try:
                    frame = next(frames)
                except StopIteration:
                    return
                now = time.perf_counter()
                self._statistics.took("capture", now - started)
                self._statistics.count("captured")
                if self.status in ("stalled", "reconnecting"):
                    quiet = time.monotonic() - self._frame_at
                    self._say(f"{self.source.name}: frames again after {quiet:.0f} s")
                self._frame_at = time.monotonic()
                self.status = "running"
                if self._live and not self.source.camera:
                    due = max(due + 1 / self.source.rate, now - 1 / self.source.rate)
                    if self._stop.wait(max(0.0, due - now)):
                        return
                yield frame
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
