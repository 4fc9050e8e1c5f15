"""Views for a translation from a folder with one sub-folder a domain: `rgb/NAME.png`,
`reshading/NAME.png`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from ..runtime.errors import InputError
from ..runtime.image_files import image_size
from ..runtime.image_kind import METRES
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame, read_depth, read_rgb
from .domains import DEPTHS, depth_image, parts_of
from .source_files import DEPTH_SUFFIXES, RGB_SUFFIXES, UnitCheck, images
from .sources import Options, Source, need_argument

LISTED = 20  # faults named in one message


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `frames:FOLDER` for a translation."""
    views = find_views(Path(need_argument(argument, "frames")), parts_of(manifest))
    views = views[: options.count]
    scale = options.depth_scale(METRES.unit_per_count)

    def start() -> Iterator[Frame]:
        checks = {domain: UnitCheck(scale, manifest, options) for domain in DEPTHS}
        for name, files in views:
            pictures = {}
            for domain, file in files.items():
                if domain in DEPTHS:
                    metres = read_depth(file, scale)
                    checks[domain](metres, file)
                    pictures[domain] = depth_image(metres)
                else:
                    pictures[domain] = read_rgb(file)
            yield Frame(name, pictures)

    return Source(f"frames:{argument}", start, rate=options.rate or 30.0)


def find_views(folder: Path, domains: Sequence[str]) -> list[tuple[str, dict[str, Path]]]:
    """Finds the views that have an image of every domain.

    Args:
        folder: has a sub-folder for each domain.
        domains: their names. Depth is in 16-bit files, the others are 8-bit pictures.

    Returns:
        (name, file by domain), sorted by name.

    Raises:
        InputError: a folder is missing, there is no image, or views lack a domain or have images of
            different sizes; all of them are named.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    wanted = f"wanted {', '.join(domain + '/NAME.png' for domain in domains)} with the same NAMEs"
    absent = [domain for domain in domains if not (folder / domain).is_dir()]
    if absent:
        raise InputError(f"{folder}: no folder {' and no '.join(absent)} in it; {wanted}")
    found = {
        domain: {
            path.stem: path
            for path in images(
                folder / domain, DEPTH_SUFFIXES if domain in DEPTHS else RGB_SUFFIXES
            )
        }
        for domain in domains
    }
    names = sorted(set().union(*found.values()))
    if not names:
        raise InputError(f"{folder}: no images; {wanted}")
    views, faults = [], []
    for name in names:
        files = {domain: found[domain][name] for domain in domains if name in found[domain]}
        fault = _fault(files, domains)
        if fault:
            faults.append(f"{name} {fault}")
        views.append((name, files))
    if faults:
        listed = "; ".join(faults[:LISTED])
        more = f"; and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        raise InputError(
            f"{folder}: {len(faults)} of {len(names)} views do not fit: {listed}{more}; {wanted}, "
            "the images of a view of one size"
        )
    return views


def _fault(files: dict[str, Path], domains: Sequence[str]) -> str:
    """What is wrong with a view's files; "" = nothing."""
    lacking = [domain for domain in domains if domain not in files]
    if lacking:
        return f"has no {' and no '.join(lacking)}"
    sizes = {}
    for domain, path in files.items():
        try:
            sizes[domain] = image_size(path)
        except InputError:
            return f"has a {domain} that is no image ({path.name})"
    if len(set(sizes.values())) > 1:
        return "has " + ", ".join(f"{domain} {w}x{h}" for domain, (h, w) in sizes.items())
    return ""
