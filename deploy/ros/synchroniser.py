"""Brings images of several topics together by the times in their headers.

A set is one image of every topic, all within `slop` seconds of the one that came last; it is given as
soon as it is complete. A topic that is silent for `patience` seconds is no longer waited for. Where
all speak and still no set comes together in that time, as with cameras whose clocks differ, the first
topic goes on alone.

ROS's own message_filters does the first half only, and is not there for every Python.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Sequence

KEPT = 10  # images of a topic that wait for the others


@dataclass
class _Waiting:
    stamp: float
    message: Any
    given: bool = False


class Synchroniser:
    """Takes images one by one and gives sets.

    Attributes:
        apart: while nothing comes together, the smallest distance in seconds between the stamps of
            two topics that was seen; None otherwise.

    Args:
        topics: names, the one that leads first.
        slop: seconds by which the stamps of a set may differ.
        patience: seconds of silence after which a topic is not waited for.
    """

    def __init__(self, topics: Sequence[str], slop: float = 0.02, patience: float = 1.0):
        self._slop, self._patience = slop, patience
        self._queues: dict[str, deque] = {name: deque(maxlen=KEPT) for name in topics}
        self._heard: dict[str, float] = {}
        self._since: float | None = None  # the last set, or the first image of all
        self.apart: float | None = None

    def add(self, topic: str, stamp: float, message: Any, now: float) -> dict[str, Any] | None:
        """Takes one image.

        Args:
            topic: its name.
            stamp: seconds of its header.
            message: the image, whatever it is.
            now: seconds of a clock that rises, when it came.

        Returns:
            A set, (stamp, message) by topic; None where it has to wait.
        """
        if self._since is None:
            self._since = now
            self._heard = dict.fromkeys(self._queues, now)
        queue = self._queues[topic]
        if queue and stamp < queue[-1].stamp - self._patience:  # played over again
            self._forget()
        self._heard[topic] = now
        arrived = _Waiting(stamp, message)
        queue.append(arrived)
        awake = self._awake(now)
        found, apart = self._nearest(topic, stamp, awake)
        if found is not None:
            return self._give({**found, topic: arrived}, now)
        if now - self._since > self._patience and topic == awake[0]:
            self.apart = apart if self.apart is None or apart is None else min(self.apart, apart)
            arrived.given = True
            return {topic: (stamp, message)}
        return None

    def _awake(self, now: float) -> list[str]:
        """The topics to wait for."""
        return [name for name, heard in self._heard.items() if now - heard <= self._patience]

    def _nearest(
        self, topic: str, stamp: float, awake: Sequence[str]
    ) -> tuple[dict[str, _Waiting] | None, float | None]:
        """Of each other topic the image nearest in time, where all are near enough; and the distance of
        the farthest of them.
        """
        found, apart = {}, None
        for name in awake:
            if name == topic:
                continue
            if not self._queues[name]:
                return None, None
            best = min(self._queues[name], key=lambda waiting: abs(waiting.stamp - stamp))
            distance = abs(best.stamp - stamp)
            apart = distance if apart is None else max(apart, distance)
            found[name] = best
        # A stamp in seconds as float64 is good to a microsecond.
        near = apart is None or apart <= self._slop + 1e-6
        return (found if near else None), apart

    def _give(self, found: dict[str, _Waiting], now: float) -> dict[str, Any] | None:
        self._since, self.apart = now, None
        for name, waiting in found.items():
            queue = self._queues[name]
            while queue and queue[0].stamp <= waiting.stamp:
                queue.popleft()
        if any(waiting.given for waiting in found.values()):
            return None  # its first topic went on alone; from the next set on it is whole again
        return {
            name: (found[name].stamp, found[name].message) for name in self._queues if name in found
        }

    def _forget(self) -> None:
        for queue in self._queues.values():
            queue.clear()
