"""Where the demo's frames come from.

A source is a function of (argument, manifest, options) that gives `Frame`s one after the other; the
table SOURCES holds them by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame, check_depth_range, read_pair

RGB_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Options:
    """What the command line says about any source.

    Attributes:
        metres_per_count: metres of one count of a depth file.
        count: at most so many frames; None = all.
        seed: of generated frames.
    """

    metres_per_count: float = 0.001
    count: int | None = None
    seed: int = 0


def open_source(text: str, manifest: Manifest, options: Options) -> Iterator[Frame]:
    """Opens a source by its text on the command line.

    Args:
        text: "rooms" or "frames:FOLDER".
        manifest: of the artifact that the frames are for.
        options: see `Options`.

    Raises:
        InputError: the source is unknown or holds nothing fitting.
    """
    name, _, argument = text.partition(":")
    if name not in SOURCES:
        raise InputError(f"source {text!r} is unknown; choose rooms or frames:FOLDER")
    return SOURCES[name](argument, manifest, options)


def find_pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """Finds pairs of colour and depth images.

    Either `rgb/NAME.*` with `depth/NAME.png`, or `NAME_rgb.*` with `NAME_depth.png`.

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
        colours = {p.stem: p for p in _images(folder / "rgb", RGB_SUFFIXES)}
        places = {name: folder / "depth" / name for name in colours}
    else:
        colours = {
            p.stem[: -len("_rgb")]: p
            for p in _images(folder, RGB_SUFFIXES)
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


def _images(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in suffixes and p.is_file()]


def _frames(argument: str, manifest: Manifest, options: Options) -> Iterator[Frame]:
    """Pairs of files; each must have depths that the network was trained for."""
    if not argument:
        raise InputError("source frames: wanted frames:FOLDER")
    pairs = find_pairs(Path(argument))
    if not options.metres_per_count > 0:
        raise InputError(f"--depth-scale is {options.metres_per_count}, wanted metres per count")
    for name, rgb_path, depth_path in pairs[: options.count]:
        frame = read_pair(rgb_path, depth_path, options.metres_per_count)
        check_depth_range(
            frame.images["depth"], options.metres_per_count, manifest.depth_range, depth_path
        )
        yield Frame(name, frame.images)


def _rooms(argument: str, manifest: Manifest, options: Options) -> Iterator[Frame]:
    """Generated rooms that the training has not seen, of the size that it was trained on."""
    if argument:
        raise InputError(f"source rooms takes nothing behind it, found {argument!r}")
    try:
        from cen_keras.data.datasets import open_dataset
    except ImportError as error:
        raise InputError(
            f"source rooms needs the project's training part ({error}); on a board take "
            "frames:FOLDER"
        ) from error
    count = options.count or 8
    spec = {"name": "rooms", "size": list(manifest.image_shape)}
    if manifest.dataset is not None and manifest.dataset.get("name") == "rooms":
        spec = dict(manifest.dataset)
    views = open_dataset(dict(spec, val=count), "val")
    for index in range(min(count, len(views))):
        view = views[index]
        yield Frame(f"room_{index:03d}", {name: view[name] for name in manifest.inputs})


SOURCES: dict[str, Callable[[str, Manifest, Options], Iterator[Frame]]] = {
    "rooms": _rooms,
    "frames": _frames,
}
