"""Generated rooms as a data set, kept on disk if wanted."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.label_tables import label_lookup, mapped
from cen_keras.data.labels import NYU13_CLASSES, check_labels, checked_classes, palette
from cen_keras.data.rooms.cache import Cache
from cen_keras.data.rooms.shots import walk
from cen_keras.data.rooms.spec import DOMAINS, RoomSpec, render, render_view, room
from cen_keras.data.views import Views
from cen_keras.errors import InputError

__all__ = ["DOMAINS", "RoomSpec", "RoomViews", "render", "render_view", "room", "walk_through"]


class RoomViews(Views):
    """Generated rooms.

    ```python
    views = RoomViews(RoomSpec(seed=0, split="train"), count=1200, cache="~/.cache/cen_keras/rooms")
    views.prepare()  # renders what is missing; without it the first access does
    view = views[0]  # {"rgb": uint8 (96, 128, 3), "depth": float32 (96, 128), ...}
    ```

    Args:
        spec: what decides the pictures.
        count: number of views.
        cache: folder in which rendered views are kept; None renders on every access.
        workers: processes that fill the cache.
        classes: names of other classes, together with `label_map`.
        label_map: number of one of the 13 classes -> number of the other one; several may become one.

    Raises:
        InputError: `count` is below 1, or `classes` and `label_map` do not fit each other.
    """

    name = "rooms"

    def __init__(
        self,
        spec: RoomSpec,
        count: int,
        cache: str | Path | None = None,
        workers: int = 2,
        *,
        classes: Sequence[str] | None = None,
        label_map: Mapping[Any, int] | None = None,
    ):
        if count < 1:
            raise InputError(
                f"rooms: {count} views were asked for the {spec.split} split; at least 1."
            )
        self.spec = spec
        self.count = count
        self.cache = None
        if cache is not None:
            self.cache = Cache(Path(cache).expanduser(), spec, count, workers)
        self._lock = threading.Lock()
        self.classes = NYU13_CLASSES if classes is None else checked_classes(classes, self.name)
        self.palette = palette(len(self.classes))
        self._label_map = label_lookup(label_map, self.name)
        if classes is not None or label_map is not None:
            numbers = mapped(np.arange(len(NYU13_CLASSES)), self._label_map)
            check_labels(numbers, len(self.classes), f"{self.name}: label_map")

    def __len__(self) -> int:
        return self.count

    def prepare(self, progress: bool = True) -> None:
        """Fills the cache, if there is one; an interrupted filling goes on where it stopped.

        Args:
            progress: whether to show a bar with the time left.

        Raises:
            OSError: the cache cannot be written.
        """
        if self.cache is not None:
            with self._lock:
                self.cache.fill(progress)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        index = int(index)
        if not -self.count <= index < self.count:
            raise IndexError(f"rooms has {self.count} views; there is no view {index}.")
        view = self._read(index % self.count)
        if self._label_map and "label" in view:
            view["label"] = mapped(view["label"], self._label_map)
        return view

    def _read(self, index: int) -> dict[str, np.ndarray]:
        if self.cache is None:
            return render_view(self.spec, index)
        if not self.cache.complete:
            self.prepare()
        return self.cache.read(index)

    def source(self, index: int) -> str:
        """Seed, split and number of a view."""
        return f"rooms seed {self.spec.seed}, {self.spec.split} view {index}"


def walk_through(
    seed: int = 0,
    frames: int = 240,
    size: tuple[int, int] = (480, 640),
    *,
    split: str = "test",
    number: int = 0,
    sensed: bool = True,
    wanted: tuple[str, ...] = ("rgb", "depth", "label"),
):
    """Renders a smooth, closed walk through one room, frame by frame: a live source without a
    camera.

    Args:
        seed: which rooms.
        frames: length of the loop.
        size: height and width, pixels.
        split: split the room comes from.
        number: which room.
        sensed: whether rgb and depth have the sensor's noise; the exposure stays the same for the
            whole walk.
        wanted: keys of `DOMAINS`.

    Yields:
        one view a frame, `frames` of them.
    """
    scene = room(seed, split, number)
    for frame, camera in enumerate(walk(scene, frames, seed)):
        rng = np.random.default_rng([seed, number, frame]) if sensed else None
        yield render(scene, camera, size, wanted=wanted, rng=rng, steady=True)
