"""Folders of Taskonomy (Zamir et al., CVPR 2018): several domains of each view, as PNG files.

The layout of CEN's official code: a folder, and in it a list with one view a line, a path relative
to the folder in which `{domain}` stands for the domain's name:

    {domain}/point_407_view_2_domain_{domain}.png

Files of 8 bits are colour pictures. Files of 16 bits are numbers, which become float32 in a unit:

    depth_euclidean, depth_zbuffer    counts of 1/512 m; metres
    edge_texture, edge_occlusion      counts of which the official code takes 11355 and 11584 for
                                      the largest; 0..1, larger ones are 1

65535 means that nothing was rendered; it becomes 0, this project's missing depth. (The official code
takes the logarithm of 1 + 65535, which in 16 bits overflows to log(0), or is the largest depth where
it does not.)
"""

import struct
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from cen_keras.data.text_files import lines_of
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.modalities import modality_of

COLOUR = (
    "rgb",
    "normal",
    "reshading",
    "principal_curvature",
    "segment_unsup2d",
    "segment_unsup25d",
)
NUMBERS = ("depth_euclidean", "depth_zbuffer", "edge_texture", "edge_occlusion")
"""Domains of 16 bits; the unit of a count is their modality's."""
PLACEHOLDER = "{domain}"
SHOWN = 5
_KINDS = {0: "grey", 2: "colour", 3: "palette", 4: "grey with alpha", 6: "colour with alpha"}


class TaskonomyViews(Views):
    """The views of a list file, in the domains wanted.

    A view is a dict: domain -> uint8 (h, w, 3), or float32 (h, w) in the domain's unit.

    Args:
        root: the folder to which the paths of the list are relative.
        list_file: the list, relative to `root` or not.
        domains: names of the domains, for instance ("rgb", "normal", "depth_euclidean").

    Raises:
        InputError: an unknown domain, no list, a line without `{domain}`; or files that are
            missing, of another size than the view's others, or of another kind than their domain
            has - all of them counted, the first ones named.
    """

    name = "taskonomy"

    def __init__(self, root: str | Path, list_file: str | Path, domains: Iterable[str]):
        self.root = Path(root).expanduser()
        self.domains = tuple(domains)
        known = (*COLOUR, *NUMBERS)
        unknown = [domain for domain in self.domains if domain not in known]
        if unknown or not self.domains:
            raise InputError(
                f"taskonomy: domain {unknown[0] if unknown else ''!r} is unknown; choose from "
                f"{', '.join(known)}."
            )
        path = self.root / Path(list_file).expanduser()
        self.files = [
            {domain: self.root / line.replace(PLACEHOLDER, domain) for domain in self.domains}
            for line in read_domain_list(path)
        ]
        problems = check_files(self.files)
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise InputError(
                f"{path}: {len(problems)} files of its {len(self.files)} views in "
                f"{len(self.domains)} domains do not fit: {'; '.join(problems[:SHOWN])}{more}. "
                "Unpack the domains that are missing or damaged again, or take their views off "
                "the list."
            )

    def __len__(self) -> int:
        return len(self.files)

    def source(self, index: int) -> str:
        """File of a view's first domain."""
        return str(self.files[index][self.domains[0]])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view.

        Raises:
            IndexError: there is no such view.
            InputError: a file is damaged.
        """
        if not -len(self.files) <= index < len(self.files):
            raise IndexError(f"{self.root} has {len(self.files)} views; there is no view {index}.")
        return {
            domain: read_domain(path, domain) for domain, path in self.files[int(index)].items()
        }


def read_domain_list(path: Path) -> list[str]:
    """Reads a list of paths with `{domain}` in the place of the domain.

    Raises:
        InputError: there is no such list, it is empty, or a line has no `{domain}`.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: is missing; wanted a text file with a path such as "
            f"{PLACEHOLDER}/point_0_view_0_domain_{PLACEHOLDER}.png a line (the official "
            "repository has data/train_domain.txt and data/val_domain.txt)."
        )
    found = []
    for number, line in enumerate(lines_of(path), 1):
        if not line:
            continue
        if PLACEHOLDER not in line:
            raise InputError(f"{path}, line {number}: has no {PLACEHOLDER}; found {line[:80]!r}.")
        found.append(line)
    if not found:
        raise InputError(f"{path}: names no views.")
    return found


def png_header(path: Path) -> tuple[int, int, int, int] | None:
    """Returns (height, width, bits per channel, kind of colour) of a PNG file, None if it is none."""
    with open(path, "rb") as file:
        head = file.read(26)
    if len(head) < 26 or head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        return None
    width, height, bits, kind = struct.unpack(">IIBB", head[16:26])
    return height, width, bits, kind


def check_files(views: list[dict[str, Path]]) -> list[str]:
    """Looks at every file's header; returns a sentence for each that does not fit."""
    problems = []
    for files in views:
        size = None
        for domain, path in files.items():
            try:
                header = png_header(path)
            except OSError:
                problems.append(f"{path} is missing or cannot be read")
                continue
            if header is None:
                problems.append(f"{path} is no PNG file")
                continue
            height, width, bits, kind = header
            wanted = (16, 0) if domain in NUMBERS else (8, 2)
            if (bits, kind) != wanted:
                problems.append(
                    f"{path} is {bits}-bit {_KINDS.get(kind, 'unknown')}, where {domain} is "
                    f"{wanted[0]}-bit {_KINDS[wanted[1]]}"
                )
            elif size is not None and size != (height, width):
                problems.append(
                    f"{path} is {height}x{width}, its view's other domains {size[0]}x{size[1]}"
                )
            else:
                size = size or (height, width)
    return problems


def read_domain(path: Path, domain: str) -> np.ndarray:
    """Reads one picture.

    Returns:
        uint8 (h, w, 3) RGB, or float32 (h, w) in the domain's unit, 0 where nothing was rendered.

    Raises:
        InputError: the file is damaged, or of another kind than its domain.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise InputError(f"{path}: cannot be read as a picture; unpack it again.")
    if domain in NUMBERS:
        if picture.dtype != np.uint16 or picture.ndim != 2:
            raise InputError(
                f"{path}: {domain} is a 16-bit grey picture; found {picture.dtype}, shape "
                f"{picture.shape}."
            )
        # To float before anything is computed: 1 + 65535 is 0 in 16 bits.
        modality = modality_of(domain)
        missing = np.isin(picture, modality.missing_counts)
        values = np.where(missing, 0, picture).astype(np.float32)
        values /= np.float32(round(1 / modality.unit_per_count))
        return np.minimum(values, 1) if modality.stretch == "unit" else values
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(
            f"{path}: {domain} is an 8-bit picture of three channels; found {picture.dtype}, shape "
            f"{picture.shape}. Save a grey picture as colour."
        )
    return np.ascontiguousarray(picture[..., ::-1])
