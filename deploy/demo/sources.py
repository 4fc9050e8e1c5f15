"""Where the demo's frames come from.

A source is opened by its text on the command line, NAME or NAME:ARGUMENT. The table SOURCES holds
for each name the module and the function (argument, manifest, options) -> `Source`; modules are
imported when asked for, since some need what a board does not have.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import Callable, Iterator, Mapping, Sequence

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.pinhole_cameras import PinholeCamera
from ..runtime.preprocess import Frame

# Name -> (module, what stands behind it on the command line).
SOURCES = {
    "rooms": ("rooms", "rooms or rooms:NUMBER"),
    "frames": ("files", "frames:FOLDER"),
    "tum": ("tum", "tum:FOLDER"),
    "video": ("video", "video:RGB,DEPTH"),
    "bag": ("bag", "bag:FILE or bag:FILE,MODALITY=TOPIC,..."),
    "camera": ("camera", "camera:WHAT or camera:WHAT+depth:WHAT"),
    "realsense": ("realsense", "realsense or realsense:SERIAL"),
    "orbbec": ("orbbec", "orbbec or orbbec:SERIAL"),
    "oak": ("oak", "oak or oak:ID"),
    "kinect": ("kinect", "kinect or kinect:NUMBER"),
}
# Of depth whose unit the source does not say itself.
OF_DEPTH = ("--depth-scale", "--depth-range", "--no-unit-check")
# Source -> options that would change nothing for it.
_IDLE = {
    "rooms": OF_DEPTH,
    "frames": ("--size",),
    "tum": ("--size",),
    "video": ("--size",),
    "bag": ("--size",),
    "kinect": ("--size",),
}
# Those that have other domains than colour and depth, for a translation: name -> module.
DOMAIN_SOURCES = {"rooms": "rooms", "frames": "domains"}


class SourceLost(Exception):
    """A camera gives nothing more; opening it again may help."""


def _nobody(text: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Options:
    """What the command line says about any source.

    Attributes:
        metres_per_count: metres of one count of depth files; None = as is usual for the source.
        count: at most so many frames; None = all.
        size: height and width of frames that are made or asked of a camera; None = the network's.
        rate: frames per second of a camera or of a recording that is played; None = its own.
        seed: of generated frames.
        depth_range: metres between which the median depth lies; None = as the artifact says.
        unit_check: hold the first depth image against what the network was trained on.
        warn: takes a warning about a source, for people.
        cameras: of the rig that a folder of frames is from, by modality: registers its depth.
    """

    metres_per_count: float | None = None
    count: int | None = None
    size: tuple[int, int] | None = None
    rate: float | None = None
    seed: int = 0
    depth_range: tuple[float, float] | None = None
    unit_check: bool = True
    warn: Callable[[str], None] = _nobody
    cameras: Mapping[str, PinholeCamera] = field(default_factory=dict)

    def given(self, names: Sequence[str]) -> list[str]:
        """Those of these options that were given."""
        is_given = {
            "--size": self.size is not None,
            "--depth-scale": self.metres_per_count is not None,
            "--depth-range": self.depth_range is not None,
            "--no-unit-check": not self.unit_check,
        }
        return [name for name in names if is_given[name]]

    def applied_to(self, manifest: Manifest) -> Manifest:
        """The manifest with the depth range of the command line, or with none.

        Raises:
            InputError: it is none.
        """
        if self.depth_range is None and self.unit_check:
            return manifest
        limits = self.depth_range if self.unit_check else None
        if limits is not None and not 0 <= limits[0] < limits[1] < float("inf"):
            raise InputError(
                f"--depth-range is {limits[0]},{limits[1]}; wanted LEAST,LARGEST in metres"
            )
        inputs = {
            name: replace(spec, kind=replace(spec.kind, limits=limits, medians=None))
            if spec.kind.limits is not None
            else spec
            for name, spec in manifest.inputs.items()
        }
        return replace(manifest, inputs=inputs)

    def depth_scale(self, usual: float) -> float:
        """Metres per count of depth files.

        Raises:
            InputError: the number given is none.
        """
        scale = usual if self.metres_per_count is None else self.metres_per_count
        if not 0 < scale < float("inf"):
            raise InputError(f"--depth-scale is {scale}, wanted metres per count")
        return scale


@dataclass(frozen=True)
class Source:
    """Something that gives frames.

    Attributes:
        name: its text on the command line.
        start: gives the frames from the first one on; closing the iterator frees the device. A
            modality that a frame lacks is missing at that moment.
        camera: whether it goes on whether anybody looks or not; a camera that is lost (`SourceLost`
            or the end of its frames) is opened again.
        rate: frames per second at which a recording is played where pictures are shown live.
        note: what to say of it before the first frame; "" = nothing.
        gives: the modalities that it can give; empty where it was asked for the artifact's.
    """

    name: str
    start: Callable[[], Iterator[Frame]]
    camera: bool = False
    rate: float = 30.0
    note: str = ""
    gives: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Frame]:
        return self.start()


def open_source(text: str, manifest: Manifest, options: Options) -> Source:
    """Opens a source by its text on the command line.

    Args:
        text: "rooms", "frames:FOLDER", ...: see `SOURCES`.
        manifest: of the artifact that the frames are for.
        options: see `Options`.

    Raises:
        InputError: the source is unknown, has not what the artifact needs, holds nothing fitting,
            needs a library that is not installed, or an option would change nothing for it.
    """
    name, _, argument = text.partition(":")
    if name not in SOURCES:
        usage = ", ".join(use for _, use in SOURCES.values())
        raise InputError(f"source {text!r} is unknown; choose one of {usage}")
    module_name = SOURCES[name][0]
    if options.cameras and (name != "frames" or manifest.task == "translation"):
        raise InputError(
            f"source {text!r}: --cameras registers the depth of frames:FOLDER for a segmentation; "
            "leave it"
        )
    _refuse_idle(text, name, manifest, options)
    if manifest.task == "translation":
        if name not in DOMAIN_SOURCES:
            raise InputError(
                f"source {text!r}: the artifact is a translation, which takes "
                f"{' or '.join(SOURCES[known][1] for known in DOMAIN_SOURCES)}"
            )
        module_name = DOMAIN_SOURCES[name]
    module = importlib.import_module(".source_" + module_name, __package__)
    source = module.open_source(argument, options.applied_to(manifest), options)
    lacking = [name for name in manifest.inputs if source.gives and name not in source.gives]
    if lacking:
        raise InputError(
            f"source {text!r}: gives {' and '.join(source.gives)}, but the artifact takes "
            f"{', '.join(manifest.inputs)}; take frames:FOLDER with {lacking[0]}/NAME.png"
        )
    return source


def _refuse_idle(text: str, name: str, manifest: Manifest, options: Options) -> None:
    """Refuses options that would change nothing for a source or its artifact."""
    idle = options.given(_IDLE.get(name, ()))
    if idle:
        raise InputError(
            f"source {text!r}: {' and '.join(idle)} would change nothing; leave that out"
        )
    if manifest.task == "translation":
        return
    kinds = [spec.kind for spec in manifest.inputs.values()]
    # These read no depth but the artifact's.
    unread = name in ("frames", "bag") and not any(kind.unit == "m" for kind in kinds)
    if unread and options.given(("--depth-scale",)):
        raise InputError(
            f"source {text!r}: --depth-scale would change nothing, since the artifact takes "
            f"{', '.join(manifest.inputs)}; leave that out"
        )
    unchecked = not any(kind.limits for kind in kinds)
    idle = options.given(("--depth-range", "--no-unit-check"))
    if idle and unchecked:
        raise InputError(
            f"{' and '.join(idle)}: the artifact takes {', '.join(manifest.inputs)}, of which nothing is "
            "held against a range; leave that out"
        )


def need_argument(argument: str, name: str) -> str:
    """What stands behind the colon.

    Raises:
        InputError: nothing does.
    """
    if not argument:
        raise InputError(f"source {name}: wanted {SOURCES[name][1]}")
    return argument
