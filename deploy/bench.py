"""Latency of artifacts: preprocessing, inference and postprocessing apart, several artifacts
interleaved.

Two artifacts measured one after the other are compared across whatever else the machine did
meanwhile. Here every round runs each of them once, in turning order, so that all see the same
disturbances, and what is reported is the ratio.
"""

from __future__ import annotations

import csv
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .runtime.errors import InputError
from .runtime.files import PathLike, write_csv
from .runtime.postprocess import class_map, image_values
from .runtime.preprocess import Frame, Preprocessor, resize_image, resize_nearest
from .runtime.runner import PHASES, Runner

COMPARED_THREADS = 1
"""Threads of the engine where two exports are compared. With as many threads as the machine has
cores every operator waits for the slowest of them, and whatever else runs decides: eight benches of
`make demo`'s run on two virtual cores gave frozen to as trained 0.93 in float32 and 0.56 in int8
each time with one thread, 0.94 to 1.31 and 0.35 to 0.56 with two
(docs/measurements/exchange_latency.csv)."""


def measure(
    runners: dict[str, Runner],
    rounds: int = 50,
    warm_up: int = 5,
    frame_shape: tuple[int, int] | None = None,
    view: Mapping[str, np.ndarray] | None = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Times opened artifacts side by side.

    Args:
        runners: opened artifacts by a name of your choice.
        rounds: timed rounds; each runs every artifact once.
        warm_up: untimed rounds before.
        frame_shape: height and width of the camera's frame; None = each artifact's input size.
        view: what the camera shows, images by modality at any size; None = `drawn_view`. Values do
            not change the time of these networks, but that of a class map: noise has a border of
            classes at every pixel, a room along the edges of its things.

    Returns:
        By name and phase ("pre", "infer", "post", "total"): p50, p95, mean and min in milliseconds.
    """
    prepared = {name: _Timed(runner, frame_shape, view) for name, runner in runners.items()}
    names = list(prepared)
    for _ in range(warm_up):
        for name in names:
            prepared[name].once()
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for index in range(rounds):
        start = index % len(names)
        for name in names[start:] + names[:start]:
            times[name].append(prepared[name].once())
    return {name: _statistics(np.array(rows) * 1e3) for name, rows in times.items()}


def provenance(runner: Runner, threads: int | None, rounds: int) -> dict[str, Any]:
    """What a number must be read with: the machine, the engine and the artifact."""
    manifest = runner.manifest
    height, width = manifest.image_shape
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.system() + " " + platform.release(),
        "python": platform.python_version(),
        "engine": runner.engine,
        "artifact": runner.path.name,
        "sha256": manifest.file_sha256[:12],
        "bytes": manifest.file_bytes,
        "target": manifest.target,
        "scheme": manifest.scheme,
        "note": manifest.note,
        "input": f"{height}x{width}",
        "threads": threads,
        "rounds": rounds,
    }


def append_rows(path: PathLike, rows: list[dict[str, Any]]) -> None:
    """Appends rows to a CSV file; the file is replaced whole, and columns that it lacks are added.

    Args:
        path: the file; made when missing.
        rows: flat dicts.

    Raises:
        InputError: the file is no such table; it is left alone.
        OSError: full disk, no permission; the file is then as it was.
    """
    path = Path(path)
    known: list[dict[str, Any]] = []
    if path.is_file():
        refusal = InputError(f"{path}: is no table of this command; name another file")
        try:
            with open(str(path), newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                known = list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise refusal from error
        columns = reader.fieldnames or rows[0]
        # A line with more cells than the header has them under the key None.
        if not set(columns) & set(rows[0]) or any(None in row for row in known):
            raise refusal
    write_csv(path, [*known, *rows])


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, kilobytes elsewhere.
    return peak / 1e6 if platform.system() == "Darwin" else peak / 1e3


class _Timed:
    """One artifact with a frame to run it on."""

    def __init__(
        self,
        runner: Runner,
        frame_shape: tuple[int, int] | None,
        view: Mapping[str, np.ndarray] | None,
    ):
        self._runner = runner
        self._preprocess = Preprocessor(runner.inputs)
        self._shape = frame_shape or runner.manifest.image_shape
        self._frame = _frame(runner, self._shape, view)
        names = list(runner.outputs)
        self._shown = "ensemble" if "ensemble" in names else names[0]

    def once(self) -> tuple[float, float, float]:
        """Seconds of preprocessing, inference, and class map or image of the shown output."""
        start = time.perf_counter()
        feeds = self._preprocess(self._frame)
        fed = time.perf_counter()
        codes = self._runner.run_raw(feeds)[self._shown]
        ran = time.perf_counter()
        if self._runner.outputs[self._shown].content == "image":
            image_values(codes[0])
        else:
            class_map(codes[0], *self._shape)
        return fed - start, ran - fed, time.perf_counter() - ran


def drawn_view(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """A wall, a floor and three boxes before it: areas with edges, as a room has them.

    Args:
        shape: height and width.

    Returns:
        "rgb" uint8 (h, w, 3) and "depth" float32 (h, w) in metres.
    """
    height, width = shape
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    floor = y > 0.6
    depth = np.where(floor, 1.8 / np.maximum(y, 0.6), 3.0).astype(np.float32)
    rgb = np.where(floor[..., None], (120.0, 90.0, 60.0), (200.0, 195.0, 180.0)).astype(np.float32)
    boxes = ((0.1, 0.35, 0.3, 0.9, 2.2), (0.4, 0.65, 0.5, 0.8, 1.7), (0.75, 0.95, 0.2, 0.85, 2.6))
    for number, (left, right, top, bottom, metres) in enumerate(boxes):
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        depth[inside] = metres
        rgb[inside] = np.roll((40.0, 90.0, 160.0), number)
    shade = 0.8 + 0.2 * x[..., None]
    return {"rgb": (rgb * shade).astype(np.uint8), "depth": depth}


def _frame(runner: Runner, shape: tuple[int, int], view: Mapping[str, np.ndarray] | None) -> Frame:
    """The view at a size; inputs that it lacks show its colours, or its first channel."""
    given = dict(view or drawn_view(shape))
    images = {}
    for name, spec in runner.inputs.items():
        channels = spec.hwc[2]
        image = given.get(name)
        if image is None:
            image = np.resize(
                resize_nearest(next(iter(given.values())), *shape).T, (channels, *shape[::-1])
            ).T
            image = np.ascontiguousarray(image, np.uint8 if spec.kind.unit is None else np.float32)
            if spec.kind.unit is not None and spec.kind.limits is not None:
                low, high = spec.kind.limits
                image = np.float32(low) + image / np.float32(255) * np.float32(high - low)
            image = image[..., 0] if channels == 1 else image
        resize = resize_image if image.ndim == 3 and image.dtype == np.uint8 else resize_nearest
        images[name] = resize(image, *shape)
    return Frame("view", images)


def _statistics(times: np.ndarray) -> dict[str, dict[str, float]]:
    columns = {phase: times[:, i] for i, phase in enumerate(PHASES)}
    columns["total"] = times.sum(axis=1)
    return {
        phase: {
            "p50": float(np.percentile(column, 50)),
            "p95": float(np.percentile(column, 95)),
            "mean": float(column.mean()),
            "min": float(column.min()),
        }
        for phase, column in columns.items()
    }


def processor() -> str:
    """The processor's name; on Linux `platform.processor()` knows the architecture only."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.lower().startswith(("model name", "hardware")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
