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
from typing import Callable, Sequence

from ..runtime.errors import InputError
from .capture import RECONNECT_SECONDS, STALL_SECONDS, Capture
from .missing import PATIENCE, MissingWatch
from .network import AUTO, Choice, Network, Result
from .slot import Closed, Slot
from .sources import Source
from .timing import Statistics


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
        stall: seconds without a frame until that is reported.
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
        self._lossless = not live and not source.camera
        self.statistics = Statistics()
        # A view to translate is whole, and all black where there are no edges.
        self.watch = MissingWatch({} if network.translates else network.kinds, patience)
        self._say, self._count, self._threads = say, count, threads
        self._capture = Capture(
            source, self.statistics, say, live=live, stall=stall, retries=retries
        )
        self._stop, self._done = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._next: Network | None = None
        self._before: Network | None = None
        self._opening = False
        self._frames = Slot()
        self._slots = [Slot() for _ in self.sinks]
        self._working: list[threading.Thread] = []

    @property
    def status(self) -> str:
        """Of the source: see `Capture`."""
        return self._capture.status

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
            InputError: as source, network or sinks say, those that are interrupted too.
        """
        self.statistics.begin()
        self._start("capture", self._take)
        self._start("network", self._infer)
        for sink, slot in zip(self.sinks, self._slots):  # noqa: B905 - Python 3.8
            self._start(sink.name, self._drain, sink, slot)
        reported = time.monotonic()
        try:
            while any(thread.is_alive() for thread in self._working):
                self._done.wait(0.2)
                self._done.clear()
                # A waiting slot is the network's or a sink's slowness, not the source's.
                if not self._frames.full:
                    self._capture.look_for_stall()
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
            if not any(thread.is_alive() for thread in self._working):
                for network in (self.network, self._next, self._before):
                    if network is not None:
                        network.close()
            # Here, since an interrupt must not hide that a file is not whole.
            if self._error is not None:
                raise self._error

    def stop(self) -> None:
        """Ends everything soon; what a sink is writing is finished."""
        self._stop.set()
        self._capture.stop()
        for slot in (self._frames, *self._slots):
            slot.abort()

    def exchange(self, choice: Choice) -> None:
        """Opens another artifact beside the running one and puts it in its place when it is ready.

        The one that was at work stays open until a third is opened, so that to go back takes no time.
        Returns at once. What fails is reported, and the artifact at work stays.

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
            with self._lock:
                network, self._before = self._before, None
            if network is not None and not network.is_still(choice):
                network.close()
                network = None
            if network is None:
                network = Network(choice, self._threads)
            if network.translates:
                network.close()
                raise InputError("is a translation; the live page shows segmentations")
            with self._lock:
                passed_over, self._next = self._next, network
            if passed_over is not None:
                passed_over.close()
        except Exception as error:  # each engine has errors of its own
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

    def _take(self) -> None:
        first = None
        for number, frame in enumerate(self._capture.frames(), 1):
            # A camera's frames come when they come, a recording's at its rate.
            now = time.monotonic() if self.source.camera else number / self.source.rate
            first = now if first is None else first
            for news in self.watch.look(frame.images):
                self._say(news)
            self._frames.put((number, frame, now - first), wait=self._lossless)
            if number == self._count:
                break
        for news in self.watch.end():
            self._say(news)
        self._capture.status = "ended"
        self._frames.end()

    def _infer(self) -> None:
        try:
            while True:
                number, frame, at = self._frames.take()
                self._exchanged()
                result = self.network.see(frame, self._output(), self.watch.missing, number, at)
                for stage, seconds in result.seconds.items():
                    self.statistics.took(stage, seconds)
                self.statistics.count("seen")
                self.statistics.passed()
                for sink, slot in zip(self.sinks, self._slots):  # noqa: B905 - Python 3.8
                    slot.put(result, wait=sink.wait and self._lossless)
        except Closed:
            # After any other error a slot that has ended would look like a good end to its sink.
            for slot in self._slots:
                slot.end()
            raise

    def _exchanged(self) -> None:
        """Puts an artifact that has been opened to work."""
        with self._lock:
            waiting, self._next = self._next, None
        if waiting is None:
            return
        with self._lock:
            late, self._before, self.network = self._before, self.network, waiting
        if late is not None:  # two were opened before a frame came
            late.close()
        if not waiting.translates:
            self.watch.add(waiting.kinds)
        self._say(f"now at work: {waiting.choice.label}, {waiting.runner.engine}")

    def _output(self) -> str:
        """The output to show. One that was chosen before may be none of the artifact at work."""
        chosen, outputs = self.stream, list(self.network.manifest.outputs)
        # Assigned only then: a viewer may choose at any moment.
        if chosen == AUTO or chosen in outputs:
            return chosen
        self.stream = AUTO
        self._say(
            f"{self.network.choice.label} has no output {chosen!r}, but {', '.join(outputs)}: "
            f"showing {AUTO}"
        )
        return AUTO

    def _drain(self, sink: Sink, slot: Slot) -> None:
        whole = False
        try:
            while True:
                result = slot.take()
                started = time.perf_counter()
                sink.show(result)
                self.statistics.took("draw", time.perf_counter() - started)
        except Closed:
            # An error of another stage closes the slots, too.
            whole = self._error is None
        finally:
            sink.close(whole)
