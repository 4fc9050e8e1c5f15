"""Frames from a folder with a folder for each input of the artifact, `rgb/NAME.*` with
`depth/NAME.png`, or with files beside each other, `NAME_rgb.*` with `NAME_depth.png`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Iterator, Optional

import numpy as np

from ..runtime.depth_units import check_limits, explain, holds_floats
from ..runtime.errors import InputError
from ..runtime.files import PathLike
from ..runtime.image_files import SUFFIXES
from ..runtime.image_folders import find_views
from ..runtime.image_kind import METRES, USUAL, ImageKind
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame, read_frame
from .sources import Options, Source, need_argument

RGB_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in (".npy", ".exr", ".pfm"))
DEPTH_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in (".jpg", ".jpeg"))
NO_OPTIONS = Options()
DOUBTFUL, REFUSED = 1.5, 2.0
"""So many times beyond the training data's medians, a first image's is doubted and refused."""
# Shown beside the artifact's inputs where a folder has it.
_SHOWN = {"rgb": USUAL["image"]}


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `frames:FOLDER`."""
    folder = Path(need_argument(argument, "frames"))
    kinds = scaled_kinds(manifest, options)
    try:
        both = {**_SHOWN, **kinds}
        views, read = find_views(folder, both, label=False), both
    except InputError:
        views, read = find_views(folder, kinds, label=False), kinds
    # In the order of the inputs, colours first: the first one gives the size.
    chosen = [(name, {key: files[key] for key in (*kinds, *files)}) for name, files in views][
        : options.count
    ]

    def start() -> Iterator[Frame]:
        return read_views(chosen, read, manifest, options)

    return Source(f"frames:{argument}", start, rate=options.rate or 30.0)


def scaled_kinds(manifest: Manifest, options: Options) -> dict[str, ImageKind]:
    """The kinds of the artifact's inputs, with the metres per count of the command line.

    Without one, millimetres, as cameras and --record write, not the counts of the training's files.
    """
    return {
        name: replace(spec.kind, unit_per_count=options.depth_scale(METRES.unit_per_count))
        if spec.kind.unit == "m" and spec.kind.unit_per_count
        else spec.kind
        for name, spec in manifest.inputs.items()
    }


def read_views(
    views: list[tuple[str, dict[str, Path]]],
    kinds: dict[str, ImageKind],
    manifest: Manifest,
    options: Options = NO_OPTIONS,
) -> Iterator[Frame]:
    """Reads views one after the other.

    Args:
        views: (name, file by modality).
        kinds: by modality.
        manifest: of the artifact, for the depths it was trained for.
        options: see there.

    Raises:
        InputError: a file is none, or the depth is in another unit.
    """
    checks = {
        name: UnitCheck(kind.unit_per_count or 1.0, manifest, options, name)
        for name, kind in kinds.items()
        if kind.limits is not None and name in manifest.inputs
    }
    warned = set()

    def warn(modality: str, text: str) -> None:
        if modality not in warned:
            warned.add(modality)
            options.warn(f"warning: {text}")

    for name, files in views:
        frame = read_frame(name, files, kinds, options.cameras, warn)
        for modality, check in checks.items():
            check(frame.images[modality], files[modality])
        yield frame


def read_pairs(
    pairs: list[tuple[str, Path, Path]],
    scale: float,
    manifest: Manifest,
    options: Options = NO_OPTIONS,
) -> Iterator[Frame]:
    """Reads pairs of colour and depth files, (name, colour, depth), as `read_views` does."""
    kinds = {**_SHOWN, "depth": replace(METRES, unit_per_count=scale)}
    views = [(name, {"rgb": rgb, "depth": depth}) for name, rgb, depth in pairs]
    return read_views(views, kinds, manifest, options)


class UnitCheck:
    """Refuses a recording whose depth is in another unit than the stated one.

    The first image with a depth on a tenth of its pixels or more decides: later a hand before the
    camera is no reason to stop, and a sensor that sees nothing at all is reported as missing.

    Args:
        scale: metres per count.
        manifest: of the artifact.
        options: `unit_check` and `warn` are read.
        name: of the modality.
        otherwise: what to do where things are that far; the demo's options where it is None.
    """

    def __init__(
        self,
        scale: float,
        manifest: Manifest,
        options: Options = NO_OPTIONS,
        name: str = "depth",
        otherwise: Optional[str] = None,
    ):
        spec = manifest.inputs.get(name)
        # A translation takes depth as an image; its files are metres all the same.
        metres = spec is not None and spec.kind.limits is not None
        self._scale, self._kind = scale, spec.kind if metres else METRES
        self._limits = (options.depth_range if not metres else None) or self._kind.limits
        # Depth that the artifact does not take is no reason to refuse.
        checked = metres or manifest.task == "translation"
        self._warn, self._decided = options.warn, not (checked and options.unit_check)
        self._range_option = otherwise or "say --depth-range LEAST,LARGEST"
        self._off_option = otherwise or "--no-unit-check"

    def __call__(self, depth: np.ndarray, source: PathLike, floats: Optional[bool] = None) -> None:
        """Looks at one depth image.

        Args:
            depth: metres, 0 = missing.
            source: names it in the message.
            floats: whether it came in floats, which are metres; None = as a file of this name says.
        """
        if self._decided:
            return
        known = depth[np.isfinite(depth) & (depth != self._kind.blank)]
        if known.size < 0.1 * depth.size:
            return
        median = float(np.median(known))
        scale = None if (holds_floats(source) if floats is None else floats) else self._scale
        self._hold_against_training(median, source, scale)
        check_limits(
            [median],
            scale,
            self._limits,
            source,
            "--depth-scale",
            self._range_option,
        )
        self._decided = True

    def _hold_against_training(
        self, median: float, source: PathLike, scale: Optional[float]
    ) -> None:
        """Refuses or doubts a median that the training data's are far from."""
        if self._kind.medians is None:
            return
        low, high = self._kind.medians
        times = max(low / max(median, 1e-9), median / high)
        if times <= DOUBTFUL:
            return
        how, way = explain(median, scale, (low, high), "--depth-scale")
        found = (
            f"{source}: the median depth is {median:.3g} m {how}, that of the training data's images "
            f"{low:.3g} to {high:.3g} m; {way}"
        )
        if times > REFUSED:
            raise InputError(f"{found}; or, if that is how far things are, {self._off_option}")
        self._warn(f"warning: {found}, unless that is how far things are")


def images(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The images of a folder in the order of their names."""
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in suffixes and p.is_file()]
