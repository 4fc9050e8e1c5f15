"""An artifact at work in the demo: from a frame to the class of every pixel, stage by stage."""

from __future__ import annotations

import importlib.util
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest, manifest_path
from ..runtime.postprocess import class_map
from ..runtime.preprocess import Frame, Preprocessor
from ..runtime.runner import ENGINES, Runner, open_runner
from .missing import complete

AUTO = "auto"
STAGES = ("pre", "infer", "post")
_LIBRARIES = {"ort": ("onnxruntime",), "tensorrt": ("tensorrt",)}
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
        classes: uint8 (h, w), at the network's size.
        stream: the output that was taken.
        manifest: of the artifact.
        missing: modalities that are missing.
        seconds: by stage.
        number: how many frames the source had given, this one included.
    """

    frame: Frame
    classes: np.ndarray
    stream: str
    manifest: Manifest
    missing: tuple[str, ...]
    seconds: dict[str, float]
    number: int


class Network:
    """An opened artifact.

    Args:
        choice: what to open.
        threads: of the engine.

    Raises:
        InputError: as for `open_runner`.
    """

    def __init__(self, choice: Choice, threads: int | None = None):
        self.choice = choice
        self.runner: Runner = open_runner(choice.artifact, threads, choice.engine)
        if self.manifest.task != "segmentation":
            raise InputError(
                f"{choice.artifact}: is a {self.manifest.task}; the demo shows segmentations"
            )
        self._prepare = Preprocessor(self.runner.inputs)
        # The first run of an engine prepares its kernels; no frame shall wait for that.
        height, width = self.manifest.image_shape
        blank = Frame("warm-up", {"rgb": np.zeros((height, width, 3), np.uint8)})
        self.runner.run(self._prepare(complete(blank, tuple(self.runner.inputs))))

    @property
    def manifest(self) -> Manifest:
        """The artifact's manifest."""
        return self.runner.manifest

    def close(self) -> None:
        """Gives back what the engine holds, where it has a way to."""
        close = getattr(self.runner, "close", None)
        if close is not None:
            close()

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

    def see(self, frame: Frame, wanted: str, missing: tuple[str, ...], number: int) -> Result:
        """Runs one frame; see `Result` for the arguments."""
        shown = self.stream(wanted, missing)
        started = time.perf_counter()
        arrays = self._prepare(complete(frame, tuple(self.manifest.inputs)))
        prepared = time.perf_counter()
        logits = self.runner.run(arrays)[shown][0]
        inferred = time.perf_counter()
        classes = class_map(logits, *self.manifest.image_shape)
        ended = time.perf_counter()
        seconds = dict(
            zip(STAGES, (prepared - started, inferred - prepared, ended - inferred))  # noqa: B905
        )
        return Result(frame, classes, shown, self.manifest, missing, seconds, number)


def choices(first: Choice, others: Sequence[Path]) -> list[Choice]:
    """What a viewer may choose from: the given artifact, its neighbours, and their engines.

    Args:
        first: the one given.
        others: further artifacts; besides them all that lie in the folder of the first one.

    Returns:
        the first one, then each artifact with a manifest, with every engine that this machine has.
    """
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


def _installed(engine: str) -> bool:
    for prefix, libraries in _LIBRARIES.items():
        if engine.startswith(prefix) and not all(map(importlib.util.find_spec, libraries)):
            return False
    if engine in _PROVIDERS:
        if "onnxruntime" not in sys.modules:
            import onnxruntime  # noqa: F401
        return _PROVIDERS[engine] in sys.modules["onnxruntime"].get_available_providers()
    return True
