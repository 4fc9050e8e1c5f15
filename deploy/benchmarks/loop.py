"""The whole loop of a demo, timed: preprocess, infer, the class of every pixel, the overlay.

Frames are rendered before, as a capture thread would have them ready.
"""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from cen_keras.data.datasets import open_dataset

from ..demo.steady_memory import keep_freed_memory
from ..runtime.pictures import colorize, overlay
from ..runtime.postprocess import class_map
from ..runtime.preprocess import Frame, Preprocessor
from ..runtime.runner import PHASES, Runner, open_runner

FRAMES = 8
IN_A_ROW = 5


class _Loop:
    """A frame's way through one artifact, timed.

    Args:
        runner: the opened artifact.
        frames: taken in turn.
        drawn: codes of the ensemble to draw in place of the artifact's own, or None.
    """

    def __init__(self, runner: Runner, frames: list[Frame], drawn: np.ndarray | None = None):
        self._runner, self._frames, self._drawn = runner, frames, drawn
        self._prepare = Preprocessor(runner.inputs)
        self._next = 0

    def codes(self, frame: Frame) -> np.ndarray:
        """Codes of the ensemble."""
        return np.array(self._runner.run_raw(self._prepare(frame))["ensemble"])

    def once(self) -> tuple[float, float, float]:
        """Seconds of preprocessing, inference, and class map with overlay."""
        frame = self._frames[self._next % len(self._frames)]
        self._next += 1
        start = time.perf_counter()
        feeds = self._prepare(frame)
        fed = time.perf_counter()
        codes = self._runner.run_raw(feeds)["ensemble"]
        ran = time.perf_counter()
        codes = codes if self._drawn is None else self._drawn
        rgb = frame.images["rgb"]
        classes = class_map(codes[0], *rgb.shape[:2])
        overlay(rgb, colorize(classes, self._runner.manifest.palette))
        return fed - start, ran - fed, time.perf_counter() - ran


def fastest_apart(
    artifacts: dict[str, Path], trained: list[str], rounds: int
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """`fastest` in a process of its own, as a demo is: beside TensorFlow all but the engine is slower."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        return apart.submit(fastest, artifacts, trained, rounds).result()


def fastest(
    artifacts: dict[str, Path], trained: list[str], rounds: int
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Times artifacts side by side with one thread and with two.

    Each takes a few frames in a row, as it would in a demo that runs nothing else, then the next.

    Args:
        artifacts: by name, of one input size.
        trained: names of those whose classes are no noise; the others draw the logits of the first.
        rounds: frames for each.

    Returns:
        Medians in milliseconds by name and phase ("total" included), of the faster number of
        threads; and that number by name.
    """
    keep_freed_memory()
    threads = sorted({1, min(2, os.cpu_count() or 1)})
    runners = {(name, n): open_runner(path, n) for name, path in artifacts.items() for n in threads}
    size = list(next(iter(runners.values())).manifest.image_shape)
    rooms = open_dataset({"name": "rooms", "size": size, "test": FRAMES}, "test")
    frames = [Frame(f"frame {i}", rooms[i]) for i in range(FRAMES)]
    drawn = _Loop(runners[trained[0], 1], frames).codes(frames[0]) if trained else None
    loops = {
        key: _Loop(runner, frames, None if key[0] in trained else drawn)
        for key, runner in runners.items()
    }
    rows: dict[tuple[str, int], list[tuple[float, ...]]] = {key: [] for key in loops}
    keys = list(loops)
    for block in range(-1, -(-rounds // IN_A_ROW)):  # the first one warms up
        start = block % len(keys)
        for key in keys[start:] + keys[:start]:
            times = [loops[key].once() for _ in range(IN_A_ROW)]
            if block >= 0:
                rows[key] += [(*phases, sum(phases)) for phases in times]
    medians = {
        key: dict(
            zip(
                (*PHASES, "total"),
                (1e3 * np.median(np.array(r), axis=0)).tolist(),
                strict=True,
            )
        )
        for key, r in rows.items()
    }
    chosen = {name: min(threads, key=lambda n: medians[name, n]["total"]) for name in artifacts}
    return {name: medians[name, chosen[name]] for name in artifacts}, chosen
