"""Capture, inference and drawing side by side.

    source -> capture thread -> slot -> network thread -> a slot for each sink -> its thread

Each slot holds one frame. A camera's frames replace each other there, so that a slow network works
on the newest one and a slow sink never slows the network; what was replaced is counted. For a
recording that is written to files the slots wait instead, and nothing is lost.
"""

from __future__ import annotations

import abc
import threading
import time
from typing import Callable, Iterator, Sequence

from ..runtime.errors import InputError
from ..runtime.preprocess import Frame
from .missing import PATIENCE, MissingWatch
from .network import AUTO, Choice, Network, Result
from .slot import Closed, Slot
from .sources import Source, SourceLost
from .timing import Statistics

STALL_SECONDS = 5.0
RECONNECT_SECONDS = (1.0, 2.0, 4.0, 8.0)


class Sink(abc.ABC):
    """Takes results in a thread of its own.

    Attributes:
        name: for messages.
        wait: whether each result must come, at the price of slowing a recording down.
    """

    name = ""
    wait = False

    @abc.abstractmethod
    def show(self, result: Result) -> None:
        """Takes one result."""

    @abc.abstractmethod
    def close(self, whole: bool) -> None:
        """Nothing more will come; `whole` is False after an error."""


class Pipeline:
    """Runs a source through a network into sinks.

    Args:
        source: where frames come from.
        network: what sees them.
        sinks: where results go.
        say: takes one line for people, from any thread.
        stream: the output to show; see `Network.stream`.
        live: play a recording at its own rate and over again; otherwise as fast as it goes, once.
        count: at most so many frames; None = all.
        threads: of the engine of a network that is opened later.
        patience: frames until a modality counts as missing.
        stall: seconds without a frame until that is told.
        retries: seconds between two tries to open a lost camera again, the last one for ever.
    """

    def __init__(
        self,
        source: Source,
        network: Network,
        sinks: Sequence[Sink],
        say: Callable[[str], None],
        *,
        stream: str,
        live: bool,
        count: int | None = None,
        threads: int | None = None,
        patience: int = PATIENCE,
        stall: float = STALL_SECONDS,
        retries: Sequence[float] = RECONNECT_SECONDS,
    ):
        network.stream(stream, ())  # an unknown one is refused before anything starts
        self.source, self.network, self.sinks = source, network, list(sinks)
        self.stream, self.live = stream, live
        self.statistics = Statistics()
        # A modality of no input is watched too: another artifact may want it.
        self.watch = MissingWatch(("rgb", "depth"), patience)
        self.status = "starting"
        self._say, self._count, self._threads = say, count, threads
        self._stall, self._retries = stall, tuple(retries)
        self._stop, self._done = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._next: Network | None = None
        self._opening = False
        self._captured_at = time.monotonic()
        self._frames = Slot()
        self._slots = [Slot() for _ in self.sinks]
        self._working: list[threading.Thread] = []

    @property
    def dropped(self) -> dict[str, int]:
        """Frames that were replaced before they were taken: in front of the network, and in front
        of each sink.
        """
        counts = {"network": self._frames.dropped}
        for sink, slot in zip(self.sinks, self._slots):  # noqa: B905 - Python 3.8
            counts[sink.name] = slot.dropped
        return counts

    @property
    def opening(self) -> bool:
        """Whether another artifact is being opened."""
        return self._opening

    def run(self, every: float = 0.0, report: Callable[[], None] = lambda: None) -> None:
        """Runs until the source ends, `count` frames have come, or somebody interrupts.

        Args:
            every: seconds between two calls of `report`; 0 = none.
            report: called from this thread while it runs.

        Raises:
            KeyboardInterrupt: after everything has been closed; files are whole.
            InputError: as source, network or sinks say.
        """
        self.statistics.begin()
        self._captured_at = time.monotonic()
        self._start("capture", self._capture)
        self._start("network", self._infer)
        for sink, slot in zip(self.sinks, self._slots):  # noqa: B905 - Python 3.8
            self._start(sink.name, self._drain, sink, slot)
        reported = time.monotonic()
        try:
            while any(thread.is_alive() for thread in self._working):
                self._done.wait(0.2)
                self._look_for_stall()
                if every and time.monotonic() - reported >= every:
                    reported = time.monotonic()
                    report()
                if self._stop.is_set():
                    break
        finally:
            self.stop()
            for thread in self._working:
                # A camera's driver may hang; the thread is a daemon and goes with the process.
                thread.join(10)
            self.network.close()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Ends everything soon; what a sink is writing is finished."""
        self._stop.set()
        for slot in (self._frames, *self._slots):
            slot.abort()

    def exchange(self, choice: Choice) -> None:
        """Opens another artifact beside the running one and puts it in its place when it is ready.

        Returns at once. What fails is told, and the artifact at work stays.

        Raises:
            InputError: one is being opened already.
        """
        with self._lock:
            if self._opening:
                raise InputError("another artifact is being opened; wait for it")
            self._opening = True
        threading.Thread(target=self._open, args=(choice,), daemon=True).start()

    def _open(self, choice: Choice) -> None:
        try:
            network = Network(choice, self._threads)
            with self._lock:
                self._next = network
        except (InputError, OSError) as error:
            self._say(f"{choice.label}: {error}")
        finally:
            self._opening = False

    def _start(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        def guarded() -> None:
            try:
                work(*arguments)
            except Closed:
                pass
            except BaseException as error:
                if self._error is None:
                    self._error = error
                self.stop()
            self._done.set()

        thread = threading.Thread(target=guarded, name=f"demo-{name}", daemon=True)
        self._working.append(thread)
        thread.start()

    def _capture(self) -> None:
        lossless = not self.live and not self.source.camera
        for number, frame in enumerate(self._endless(), 1):
            for news in self.watch.look(frame.images):
                self._say(news)
            self._frames.put((number, frame), wait=lossless)
            if number == self._count:
                break
        self.status = "ended"
        self._frames.end()

    def _endless(self) -> Iterator[Frame]:
        """The frames of the source; over again for a live recording, opened again for a camera."""
        tries, rounds = 0, 0
        while True:
            try:
                for frame in self._timed():
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
                self.statistics.count("reconnects")
                if self._stop.wait(wait):
                    return
            elif not self.live:
                return
            else:
                rounds += 1
                if not self.statistics.counted("captured"):
                    raise InputError(f"{self.source.name}: gave no frame")
                if rounds == 1:
                    self._say(f"{self.source.name}: has ended; playing it over again")

    def _timed(self) -> Iterator[Frame]:
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
                self.statistics.took("capture", now - started)
                self.statistics.count("captured")
                if self.status in ("stalled", "reconnecting"):
                    quiet = time.monotonic() - self._captured_at
                    self._say(f"{self.source.name}: frames again after {quiet:.0f} s")
                self._captured_at = time.monotonic()
                self.status = "running"
                if self.live and not self.source.camera:
                    due = max(due + 1 / self.source.rate, now - 1 / self.source.rate)
                    if self._stop.wait(max(0.0, due - now)):
                        return
                yield frame
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()

    def _infer(self) -> None:
        try:
            while True:
                number, frame = self._frames.take()
                with self._lock:
                    waiting, self._next = self._next, None
                if waiting is not None:
                    before, self.network = self.network, waiting
                    before.close()
                    self._say(f"now at work: {waiting.choice.label}, {waiting.runner.engine}")
                # The stream chosen before may be none of the artifact that came after.
                if self.stream not in self.network.manifest.outputs:
                    self.stream = AUTO
                result = self.network.see(frame, self.stream, self.watch.missing, number)
                for stage, seconds in result.seconds.items():
                    self.statistics.took(stage, seconds)
                self.statistics.count("seen")
                self.statistics.passed()
                for sink, slot in zip(self.sinks, self._slots):  # noqa: B905 - Python 3.8
                    slot.put(result, wait=sink.wait and not self.live and not self.source.camera)
        finally:
            for slot in self._slots:
                slot.end()

    def _drain(self, sink: Sink, slot: Slot) -> None:
        whole = False
        try:
            while True:
                result = slot.take()
                started = time.perf_counter()
                sink.show(result)
                self.statistics.took("draw", time.perf_counter() - started)
        except Closed:
            whole = True
        finally:
            sink.close(whole)

    def _look_for_stall(self) -> None:
        quiet = time.monotonic() - self._captured_at
        if self.status in ("running", "starting") and quiet > self._stall:
            # A waiting slot is the network's or a sink's slowness, not the source's.
            if not self._frames.full:
                self.status = "stalled"
                self._say(f"{self.source.name}: no frame for {quiet:.0f} s")
