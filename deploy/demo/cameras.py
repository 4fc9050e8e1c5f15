"""What a camera of colour and depth has to do to be a source: `Camera`, three methods.

docs/add_a_camera.md shows how a new one is added.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import numpy as np

from ..runtime.errors import InputError
from ..runtime.image_kind import METRES
from ..runtime.preprocess import Frame
from .sources import OF_DEPTH, Options, Source, SourceLost

USUAL_SIZE, USUAL_RATE = (480, 640), 30
PATIENCE_MS = 2000


class Camera(abc.ABC):
    """One camera; made anew each time it is opened, so that a lost one can come back.

    Attributes:
        errors: what its library throws when it is unplugged, busy or silent.
    """

    errors: tuple = (RuntimeError,)

    @abc.abstractmethod
    def start(self) -> None:
        """Begins to record.

        Raises:
            SourceLost or one of `errors`: it is not there.
        """

    @abc.abstractmethod
    def read(self) -> dict[str, np.ndarray]:
        """Waits for the next view, at most PATIENCE_MS.

        Returns:
            "rgb" uint8 (h, w, 3) and "depth" float32 (h, w) in metres, 0 = missing, aligned to the
            colour image pixel on pixel; arrays that nobody writes to later. One that is not there at
            this moment is left out.

        Raises:
            SourceLost or one of `errors`: nothing came.
        """

    @abc.abstractmethod
    def stop(self) -> None:
        """Frees the device; called once after `start`, also when that has failed."""


def camera_source(name: str, make: Callable[[], Camera], rate: float, note: str = "") -> Source:
    """The source of a camera.

    Args:
        name: its text on the command line.
        make: gives a camera that has not been started.
        rate: frames a second that were asked of it.
        note: what to say of it before the first frame.
    """
    # Numbers go on where a camera is opened again: pictures are named by them.
    numbers = itertools.count()
    return Source(
        name,
        lambda: _frames(make(), numbers),
        camera=True,
        rate=rate,
        note=note,
        gives=("rgb", "depth"),
    )


def metres(counts: np.ndarray, unit: float) -> np.ndarray:
    """Depth of a sensor's counts: float32 metres, an array of its own.

    Args:
        counts: (h, w) whole numbers, 0 and 65535 = missing.
        unit: metres of one count.
    """
    counts = np.asarray(counts)
    depth = counts.astype(np.float32) * np.float32(unit)
    depth[np.isin(counts, METRES.missing_counts)] = 0
    return depth


def load(module: str, source: str, package: str) -> Any:
    """Imports a camera's library.

    Raises:
        InputError: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"source {source} needs {module}, which is not installed or does not load ({error}): pip "
            f"install {package}"
        ) from None


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a camera.

    Attributes:
        name: its text on the command line.
        size: height and width.
        rate: frames per second.
    """

    name: str
    size: tuple[int, int]
    rate: int


def asked(source: str, argument: str, options: Options, what: str) -> Asked:
    """What is asked of a camera that says the unit of its depth itself.

    Args:
        source: its name on the command line.
        argument: what stands behind it, "" where there is one camera only.
        options: of the command line.
        what: the camera, for messages: "an Azure Kinect".

    Raises:
        InputError: an option of the depth's unit was given, or a --rate that is no whole number.
    """
    idle = options.given(OF_DEPTH)
    if idle:
        raise InputError(f"{' and '.join(idle)}: {what} says its own unit; leave that out")
    rate = options.rate or USUAL_RATE
    if rate != int(rate):
        raise InputError(
            f"--rate is {rate:g}, wanted a whole number for {what}, such as {round(rate) or 1}"
        )
    name = f"{source}:{argument}" if argument else source
    return Asked(name, options.size or USUAL_SIZE, int(rate))


def _frames(camera: Camera, numbers: Iterator[int]) -> Iterator[Frame]:
    try:
        try:
            camera.start()
        except camera.errors as error:
            raise SourceLost(f"the camera does not start ({error})") from error
        while True:
            try:
                images = camera.read()
            except camera.errors as error:
                raise SourceLost(f"the camera gives no frames ({error})") from error
            if images:
                yield Frame(f"camera_{next(numbers):08d}", images)
    finally:
        with contextlib.suppress(*camera.errors):
            camera.stop()
