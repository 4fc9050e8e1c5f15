"""An artifact at work in the demo: from a frame to the class of every pixel or to the image that it
is translated to, stage by stage.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

from ..runtime.errors import InputError
from ..runtime.image_kind import ImageKind
from ..runtime.manifest import Manifest, manifest_path
from ..runtime.postprocess import class_map, dequantize, image_values
from ..runtime.preprocess import Frame, Preprocessor
from ..runtime.runner import ENGINES, PHASES, Runner, open_runner
from . import domains
from .missing import complete
from .steady_memory import large_blocks_apart, return_freed_memory

AUTO = "auto"
_NO_CLASSES = np.zeros((0, 0), np.uint8)
_LIBRARIES = {
    "ort": "onnxruntime",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt_rtx_bindings",
}
_PROVIDERS = {"ort-cuda": "CUDAExecutionProvider", "ort-tensorrt": "TensorrtExecutionProvider"}


@dataclass(frozen=True)
class Choice:
    """An artifact and the engine to run it with.

    Attributes:
        artifact: path of the file.
        engine: a name in `ENGINES`; None = the target's usual one.
    """

    artifact: Path
    engine: str | None = None

    @property
    def label(self) -> str:
        """For people: the file, and the engine where it is not the usual one."""
        return self.artifact.name + (f" ({self.engine})" if self.engine else "")


@dataclass(frozen=True)
class Result:
    """A frame and what the network saw in it.

    Attributes:
        frame: as the source gave it.
        classes: of a segmentation, uint8 (h, w), at the network's size; empty of a translation.
        stream: the output that was taken.
        manifest: of the artifact.
        missing: modalities that are missing.
        seconds: by stage.
        number: how many frames the source had given, this one included.
        image: of a translation, float32 (h, w, c), 0 to 255, at the network's size.
        at: seconds from the first frame to this one.
    """

    frame: Frame
    classes: np.ndarray
    stream: str
    manifest: Manifest
    missing: tuple[str, ...]
    seconds: dict[str, float]
    number: int
    image: np.ndarray | None = None
    at: float = 0.0


class Network:
    """An opened artifact.

    Args:
        choice: what to open.
        threads: of the engine.

    Raises:
        InputError: as for `open_runner`, or the artifact gives what the demo cannot show.
    """

    def __init__(self, choice: Choice, threads: int | None = None):
        self.choice = choice
        self._modified = _modified(choice.artifact)
        with large_blocks_apart():
            self.runner: Runner = open_runner(choice.artifact, threads, choice.engine)
            self._check()
            self._prepare = Preprocessor(self.runner.inputs)
            # The first run of an engine prepares its kernels; no frame shall wait for that.
            height, width = self.manifest.image_shape
            blank = Frame("warm-up", {"": np.zeros((height, width), np.uint8)})
            if self.translates:
                blank = domains.blank(self.manifest)
            self.runner.run_raw(self._feeds(blank))

    @property
    def manifest(self) -> Manifest:
        """The artifact's manifest."""
        return self.runner.manifest

    @property
    def kinds(self) -> dict[str, ImageKind]:
        """Of the inputs, by name."""
        return {name: spec.kind for name, spec in self.manifest.inputs.items()}

    @property
    def translates(self) -> bool:
        """Whether it gives images, not classes."""
        return self.manifest.task == "translation"

    def is_still(self, choice: Choice) -> bool:
        """Whether to open `choice` now would give this network: its files may have been written anew."""
        return choice == self.choice and _modified(choice.artifact) == self._modified

    def close(self) -> None:
        """Gives back what the engine holds."""
        self.runner.close()
        return_freed_memory()

    def stream(self, wanted: str, missing: Sequence[str]) -> str:
        """The output to show.

        Args:
            wanted: an output, or "auto": the ensemble, but while modalities are missing the stream
                of one that is there. The streams exchange channels, so a network that was not
                trained for it loses much either way; its own stream loses less.
            missing: modalities that are missing.

        Raises:
            InputError: there is no such output.
        """
        names = list(self.manifest.outputs)
        if wanted != AUTO:
            if wanted not in names:
                raise InputError(
                    f"--stream {wanted!r}: {self.choice.artifact} has {', '.join(names)}"
                )
            return wanted
        if any(name in self.manifest.inputs for name in missing):
            for name in self.manifest.inputs:
                if name not in missing and name in names:
                    return name
        return "ensemble" if "ensemble" in names else names[0]

    def see(
        self, frame: Frame, wanted: str, missing: tuple[str, ...], number: int, at: float = 0.0
    ) -> Result:
        """Runs one frame; see `Result` for the arguments."""
        shown = self.stream(wanted, missing)
        started = time.perf_counter()
        arrays = self._feeds(frame)
        prepared = time.perf_counter()
        codes = self.runner.run_raw(arrays)[shown][0]
        inferred = time.perf_counter()
        if codes.dtype.kind == "f" and not np.isfinite(codes).all():
            raise InputError(
                f"{self.choice.artifact}: its {shown} output of {frame.name} is not finite (NaN); the "
                "training diverged, or fp16 is too narrow for it"
            )
        if self.translates:
            real = dequantize(codes, self.runner.outputs[shown])
            classes, image = _NO_CLASSES, image_values(real)
        else:
            classes, image = class_map(codes, *self.manifest.image_shape), None
        ended = time.perf_counter()
        seconds = dict(
            zip(PHASES, (prepared - started, inferred - prepared, ended - inferred))  # noqa: B905
        )
        return Result(frame, classes, shown, self.manifest, missing, seconds, number, image, at)

    def _feeds(self, frame: Frame) -> dict[str, np.ndarray]:
        names = tuple(self.manifest.inputs)
        whole = (
            domains.joined(frame, names)
            if self.translates
            else complete(frame, self.manifest.inputs.values())
        )
        return self._prepare(whole)

    def _check(self) -> None:
        """Refuses what there is no picture of."""
        if self.manifest.task not in ("segmentation", "translation"):
            raise InputError(
                f"{self.choice.artifact}: is a {self.manifest.task}; the demo shows segmentations "
                "and translations"
            )
        for spec in self.runner.outputs.values():
            if self.translates and spec.hwc[2] not in (1, 3):
                raise InputError(
                    f"{self.choice.artifact}: gives images of {spec.hwc[2]} channels; the demo "
                    "shows one or three"
                )


def choices(first: Choice, others: Sequence[Path]) -> list[Choice]:
    """What a viewer may choose from: the given artifact, its neighbours, and their engines.

    Args:
        first: the one given.
        others: further artifacts; besides them all that lie in the folder of the first one.

    Returns:
        the first one, then each artifact with a manifest, with every engine that this machine has.

    Raises:
        InputError: one of `others` is no artifact.
    """
    for path in others:
        if (
            path.suffix[1:] not in ENGINES
            or not path.is_file()
            or not manifest_path(path).is_file()
        ):
            raise InputError(
                f"--also {path}: wanted an artifact ({', '.join(ENGINES)}) with its manifest beside it"
            )
    suffixes = {"." + target for target in ENGINES}
    neighbours = [p for p in sorted(first.artifact.parent.iterdir()) if p.suffix in suffixes]
    found = [first]
    for path in [first.artifact, *others, *neighbours]:
        if not manifest_path(path).is_file():
            continue
        engines = ENGINES.get(path.suffix[1:], {})
        for index, engine in enumerate(engines):
            choice = Choice(path, engine if index else None)
            twin = Choice(path, engine)
            if not {choice, twin} & set(found) and (not index or _installed(engine)):
                found.append(choice)
    return found


def _modified(artifact: Path) -> list[tuple[str, int]]:
    """When an artifact, its manifest and its engines were last written, nanoseconds."""
    files = [artifact, manifest_path(artifact), *artifact.parent.glob(f"{artifact.stem}*.engine")]
    return sorted((path.name, path.stat().st_mtime_ns) for path in files if path.is_file())


def _installed(engine: str) -> bool:
    library = _LIBRARIES.get(engine) or _LIBRARIES.get(engine.split("-")[0])
    if library is not None and importlib.util.find_spec(library) is None:
        return False
    if engine in _PROVIDERS:
        if "onnxruntime" not in sys.modules:
            import onnxruntime  # noqa: F401
        return _PROVIDERS[engine] in sys.modules["onnxruntime"].get_available_providers()
    return True
