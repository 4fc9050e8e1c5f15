"""A queue of length one between two threads."""

from __future__ import annotations

import threading
from typing import Any


class Closed(Exception):
    """Nothing more will come, or nobody takes anything more."""


class Slot:
    """Holds the newest item until it is taken.

    Attributes:
        dropped: items that were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Any] = []
        self._ended = self._aborted = False
        self.dropped = 0

    @property
    def full(self) -> bool:
        """Whether an item waits to be taken."""
        return bool(self._items)

    def put(self, item: Any, wait: bool) -> None:
        """Puts an item in.

        Args:
            item: anything.
            wait: until the item before has been taken; otherwise that one is dropped.

        Raises:
            Closed: nobody takes anything more.
        """
        with self._changed:
            while wait and self._items and not self._aborted:
                self._changed.wait()
            if self._aborted:
                raise Closed
            self.dropped += len(self._items)
            self._items = [item]
            self._changed.notify_all()

    def take(self) -> Any:
        """Waits for the next item and takes it out.

        Raises:
            Closed: nothing more will come.
        """
        with self._changed:
            while not self._items and not self._ended:
                self._changed.wait()
            if self._aborted or not self._items:
                raise Closed
            item = self._items.pop()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """Nothing more will be put in; what is in may still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Wakes both sides with `Closed`."""
        with self._changed:
            self._ended = self._aborted = True
            self._changed.notify_all()
