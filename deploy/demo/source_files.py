"""Frames from a folder of pairs: `rgb/NAME.*` with `depth/NAME.png`, or `NAME_rgb.*` with
`NAME_depth.png`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import numpy as np

from ..runtime.errors import InputError
from ..runtime.files import PathLike
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame, check_depth_range, read_pair
from .sources import Options, Source, need_argument

RGB_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff")
MILLIMETRES = 0.001


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `frames:FOLDER`."""
    pairs = find_pairs(Path(need_argument(argument, "frames")))[: options.count]
    scale = options.depth_scale(MILLIMETRES)

    def start() -> Iterator[Frame]:
        return read_pairs(pairs, scale, manifest)

    return Source(f"frames:{argument}", start, rate=options.rate or 30.0)


def read_pairs(
    pairs: list[tuple[str, Path, Path]], scale: float, manifest: Manifest
) -> Iterator[Frame]:
    """Reads pairs of files one after the other.

    Args:
        pairs: (name, colour, depth).
        scale: metres per count of the depth files.
        manifest: of the artifact, for the depths it was trained for.

    Raises:
        InputError: a file is none, or the depth is in another unit.
    """
    check = UnitCheck(scale, manifest)
    for name, rgb_path, depth_path in pairs:
        frame = read_pair(rgb_path, depth_path, scale)
        check(frame.images["depth"], depth_path)
        yield Frame(name, frame.images)


class UnitCheck:
    """Refuses a recording whose depth is in another unit than was said.

    The first image with a depth on a tenth of its pixels or more decides: later a hand before the
    camera is no reason to stop, and a sensor that sees nothing at all is reported as missing.
    """

    def __init__(self, scale: float, manifest: Manifest):
        self._scale, self._range = scale, manifest.depth_range
        self._decided = False

    def __call__(self, depth: np.ndarray, source: PathLike) -> None:
        """Looks at one depth image (metres, 0 = missing); `source` names it in the message."""
        if self._decided or np.count_nonzero(depth) < 0.1 * depth.size:
            return
        check_depth_range(depth, self._scale, self._range, source)
        self._decided = True


def find_pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """Finds pairs of colour and depth images.

    Args:
        folder: where to look.

    Returns:
        (name, colour, depth) sorted by name.

    Raises:
        InputError: there is no such folder, no colour image, or one without its depth.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if (folder / "rgb").is_dir():
        colours = {p.stem: p for p in images(folder / "rgb", RGB_SUFFIXES)}
        places = {name: folder / "depth" / name for name in colours}
    else:
        colours = {
            p.stem[: -len("_rgb")]: p
            for p in images(folder, RGB_SUFFIXES)
            if p.stem.endswith("_rgb")
        }
        places = {name: folder / (name + "_depth") for name in colours}
    if not colours:
        raise InputError(
            f"{folder}: no pairs; wanted rgb/NAME.* with depth/NAME.png, or NAME_rgb.* with "
            "NAME_depth.png"
        )
    pairs = []
    for name in sorted(colours):
        # Not with_suffix(): a name may hold dots itself, as time stamps do.
        files = [Path(str(places[name]) + suffix) for suffix in DEPTH_SUFFIXES]
        found = [file for file in files if file.is_file()]
        if not found:
            raise InputError(f"{colours[name]}: its depth image {files[0]} is missing")
        pairs.append((name, colours[name], found[0]))
    return pairs


def images(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The images of a folder in the order of their names."""
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in suffixes and p.is_file()]
