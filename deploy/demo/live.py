"""The state of the live page: the newest picture for those who watch, and all figures."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Sequence

from ..runtime.errors import InputError
from ..runtime.runner import PHASES
from .network import AUTO, Choice, Result
from .pipeline import Pipeline, Sink
from .view import PANEL_LAYOUTS, Panels, jpeg, picture, png, shares

TIMES = ("capture", *PHASES, "draw")
MESSAGES = 6


class Live(Sink):
    """Draws a result where somebody watches, and hands it to each of them.

    Args:
        choices: artifacts to choose from.
    """

    name = "page"

    def __init__(self, choices: Sequence[Choice]):
        self._choices = list(choices)
        self._panels = Panels()
        self._changed = threading.Condition()
        self._result: Result | None = None
        self._pictures: dict[str, tuple[int, bytes]] = {}
        self._viewers = {layout: 0 for layout in PANEL_LAYOUTS}
        self._closed = False
        self._messages: deque = deque(maxlen=MESSAGES)
        self._snapshot = threading.Lock()
        self._started = time.monotonic()
        self.pipeline: Pipeline | None = None

    def say(self, text: str) -> None:
        """Keeps a line for the page."""
        self._messages.append({"at": time.strftime("%H:%M:%S"), "text": text})

    def show(self, result: Result) -> None:
        """Takes the newest result; pictures are made only where somebody watches them."""
        with self._changed:
            wanted = [layout for layout, viewers in self._viewers.items() if viewers]
        made = {}
        if wanted:
            panels = self._panels(result)
            made = {layout: (result.number, jpeg(panels, layout)) for layout in wanted}
        with self._changed:
            self._result = result
            self._pictures.update(made)
            self._changed.notify_all()

    def close(self, whole: bool) -> None:
        """Lets the viewers go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def pictures(self, layout: str, patience: float = 1.0):
        """The pictures of one viewer, the newest whenever it asks for the next.

        Yields:
            a JPEG; or None when none has come for `patience` seconds, so that a viewer who has gone
            is noticed.
        """
        seen = 0
        with self._changed:
            self._viewers[layout] += 1
            # What is kept may be from before the last viewer went.
            if self._viewers[layout] == 1:
                self._pictures.pop(layout, None)
        try:
            while True:
                with self._changed:
                    if self._pictures.get(layout, (0,))[0] <= seen and not self._closed:
                        self._changed.wait(patience)
                    if self._closed:
                        return
                    number, content = self._pictures.get(layout, (0, b""))
                # Woken by the picture of another layout, too.
                yield content if number > seen else None
                seen = max(seen, number)
        finally:
            with self._changed:
                self._viewers[layout] -= 1

    def snapshot(self) -> tuple[str, bytes] | None:
        """Name and PNG of the newest result as files have it, or None before the first."""
        result = self._result
        if result is None:
            return None
        with self._snapshot:  # one at a time: it costs as much as several frames
            return f"{result.frame.name}_{result.number}.png", png(picture(result, True))

    def choose(self, wanted: dict[str, Any]) -> None:
        """Changes what the page may change.

        Args:
            wanted: "artifact": index of a choice, or "stream": an output or "auto".

        Raises:
            InputError: there is no such choice, or it cannot be taken now.
        """
        pipeline = self._pipeline()
        if set(wanted) == {"artifact"}:
            index = wanted["artifact"]
            if type(index) is not int or not 0 <= index < len(self._choices):
                raise InputError(f"artifact {index!r:.20}: wanted 0 to {len(self._choices) - 1}")
            pipeline.exchange(self._choices[index])
        elif set(wanted) == {"stream"}:
            names = [AUTO, *pipeline.network.manifest.outputs]
            if wanted["stream"] not in names:
                raise InputError(f"stream {wanted['stream']!r:.20}: wanted {', '.join(names)}")
            pipeline.stream = wanted["stream"]
        else:
            raise InputError("wanted an object with 'artifact' or with 'stream'")

    def state(self) -> dict[str, Any]:
        """All that the page shows beside the picture."""
        pipeline, result = self._pipeline(), self._result
        network = pipeline.network
        manifest = result.manifest if result else network.manifest
        known = shares(result) if result else [0.0] * len(manifest.classes)
        times = pipeline.statistics.summary()
        dropped = pipeline.dropped
        return {
            "frame": result.number if result else 0,
            "name": result.frame.name if result else "",
            "fps": round(pipeline.statistics.fps(), 2),
            "seconds": round(time.monotonic() - self._started, 1),
            "source": pipeline.source.name,
            "status": pipeline.status,
            "dropped": dropped["network"],
            "undrawn": dropped.get(self.name, 0),
            "missing": list(pipeline.watch.missing),
            "panels": list(self._panels.names),
            "stages": [
                {"name": s, "p50": round(times[s]["p50"], 2), "p95": round(times[s]["p95"], 2)}
                for s in TIMES
                if s in times
            ],
            "classes": [
                {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour), "share": share}
                for name, colour, share in zip(manifest.classes, manifest.palette, known)  # noqa: B905
            ],
            "choices": self._labels(),
            "choice": self._index(network.choice),
            "opening": pipeline.opening,
            "streams": [AUTO, *network.manifest.outputs],
            "stream": pipeline.stream,
            "shown": result.stream if result else "",
            "engine": network.runner.engine,
            "scheme": network.manifest.scheme,
            "input": "{}x{}".format(*network.manifest.image_shape),
            "messages": list(self._messages),
        }

    def _pipeline(self) -> Pipeline:
        if self.pipeline is None:
            raise InputError("the demo has not started yet")
        return self.pipeline

    def _labels(self) -> list[str]:
        """Names of the choices; with the folder where two files have one name."""
        labels = [choice.label for choice in self._choices]
        return [
            label
            if labels.count(label) == 1
            else str(Path(choice.artifact.parent.name) / choice.label)
            for label, choice in zip(labels, self._choices)  # noqa: B905 - Python 3.8
        ]

    def _index(self, choice: Choice) -> int:
        return self._choices.index(choice) if choice in self._choices else 0
