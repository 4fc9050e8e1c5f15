"""Any folder of RGB-D pairs, with or without labels.

Two ways to name the files are understood: `rgb/NAME.*`, `depth/NAME.png` and `label/NAME.png`, or
`NAME_rgb.*`, `NAME_depth.png` and `NAME_label.png` beside each other. Depth is a 16-bit PNG of
whole numbers, `depth_scale` metres each; 0 and 65535 mean that nothing was measured.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cen_keras.data import labels, transforms
from cen_keras.data.views import Views
from cen_keras.errors import InputError

COLOUR_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")

MEDIAN_RANGE = (0.2, 15.0)
"""Metres between which the median depth of a room lies; outside it the scale is wrong."""

USUAL_SCALES = {
    0.001: "millimetres (Kinect, RealSense, Azure Kinect)",
    0.0002: "1/5000 m (TUM RGB-D, the authors' NYUDv2)",
    1 / 512: "1/512 m (Taskonomy)",
    0.0001: "1/10000 m (RealSense D405)",
    0.01: "centimetres",
    1 / 256: "1/256 m (KITTI)",
}


class FrameViews(Views):
    """A folder of RGB-D pairs.

    ```python
    views = FrameViews("captures", depth_scale=0.001)
    view = views[0]  # {"rgb": ..., "depth": ...}, and "label" if there are label files
    ```

    Args:
        root: the folder.
        depth_scale: metres per count of the depth files.
        classes: names of the classes; the 13 of NYUDv2 if not given.
        palette: RGB colour of each class, (n, 3).
        size: height and width to resize to, pixels; None keeps each file's own.

    Raises:
        InputError: the folder has no pairs, or a file lacks its partner.
    """

    name = "frames"

    def __init__(
        self,
        root: str | Path,
        *,
        depth_scale: float = 0.001,
        classes: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        size: Sequence[int] | None = None,
    ):
        if not depth_scale > 0:
            raise InputError(
                f"frames: depth_scale is {depth_scale}; give metres per count, above 0."
            )
        self.root = Path(root).expanduser()
        self.depth_scale = float(depth_scale)
        self.classes = tuple(classes) if classes else labels.NYU13_CLASSES
        self.palette = (
            np.asarray(palette, np.uint8) if palette else labels.palette(len(self.classes))
        )
        self.size = tuple(size) if size else None
        self.files = find_pairs(self.root)

    def __len__(self) -> int:
        return len(self.files)

    def source(self, index: int) -> str:
        """Colour file of a view."""
        return str(self.files[index]["rgb"])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view.

        Raises:
            IndexError: there is no such view.
            InputError: a file is damaged, or the files of a view do not fit each other.
        """
        if not -len(self.files) <= index < len(self.files):
            raise IndexError(f"{self.root} has {len(self.files)} pairs; there is no view {index}.")
        files = self.files[index]
        view = {
            "rgb": read_colour(files["rgb"]),
            "depth": read_depth(files["depth"], self.depth_scale),
        }
        if "label" in files:
            view["label"] = read_label(files["label"], len(self.classes))
        height, width = view["rgb"].shape[:2]
        for kind, picture in view.items():
            if picture.shape[:2] != (height, width):
                raise InputError(
                    f"{files[kind]}: is {picture.shape[1]}x{picture.shape[0]}, but "
                    f"{files['rgb'].name} is {width}x{height}; the pictures of a pair must be "
                    "registered to each other, pixel by pixel."
                )
        return transforms.resize(view, self.size) if self.size else view


def find_pairs(root: Path) -> list[dict[str, Path]]:
    """Finds the pairs in a folder.

    Args:
        root: the folder.

    Returns:
        for each pair, by name, the files `rgb`, `depth` and, where there are labels, `label`.

    Raises:
        InputError: there is no folder, there are no pairs, or a file lacks its partner.
    """
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; give one that holds rgb/ and depth/.")
    found: dict[str, dict[str, Path]] = {"rgb": {}, "depth": {}, "label": {}}
    in_folders = (root / "rgb").is_dir() and (root / "depth").is_dir()
    for kind, files in found.items():
        suffixes = COLOUR_SUFFIXES if kind == "rgb" else (".png",)
        folder = root / kind if in_folders else root
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            stem = path.stem
            if path.suffix.lower() not in suffixes or path.name.startswith("."):
                continue
            if not in_folders:
                if not stem.endswith(f"_{kind}"):
                    continue
                stem = stem.removesuffix(f"_{kind}")
            if stem in files:
                raise InputError(f"{path}: {files[stem].name} is the same frame; keep one of them.")
            files[stem] = path
    names = sorted(set(found["rgb"]) | set(found["depth"]))
    if not names:
        raise InputError(
            f"{root}: holds no pairs; wanted rgb/NAME.jpg or .png with depth/NAME.png, "
            "or NAME_rgb.jpg or .png with NAME_depth.png."
        )
    for name in names:
        for kind, partner in (("rgb", "depth"), ("depth", "rgb")):
            if name not in found[kind]:
                raise InputError(
                    f"{found[partner][name]}: has no partner; add the {kind} picture of {name!r} "
                    "or take the file away."
                )
    if found["label"]:
        for name in names:
            if name not in found["label"]:
                raise InputError(
                    f"{found['rgb'][name]}: has no label, though other frames do; add it "
                    "or take the frame away."
                )
    return [{kind: files[name] for kind, files in found.items() if name in files} for name in names]


def _read(path: Path, flags: int) -> np.ndarray:
    """An image file as it is; reading nothing or half of it is an error, as OpenCV has none."""
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path}: is empty; copy it again.")
    image = None if _cut_off(data) else cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise InputError(f"{path}: is damaged, cut off or no image; copy it again or take it away.")
    return image


def _cut_off(data: bytes) -> bool:
    """Whether a PNG or JPEG lacks its end; OpenCV would fill the rest with grey and say nothing."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-4096:]
    return False


def read_colour(path: Path) -> np.ndarray:
    """Reads a colour picture as uint8 (h, w, 3) RGB; grey is repeated, 16 bits become 8.

    Raises:
        InputError: it cannot be read.
        OSError: it is not there.
    """
    bgr = _read(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_depth(path: Path, scale: float) -> np.ndarray:
    """Reads a depth picture.

    Args:
        path: 16-bit PNG of one channel; 0 and 65535 mean missing.
        scale: metres per count.

    Returns:
        float32 (h, w), metres, 0 = missing.

    Raises:
        InputError: it cannot be read, has 8 bits or several channels, or the scale makes no sense.
        OSError: it is not there.
    """
    counts = _read(path, cv2.IMREAD_UNCHANGED)
    if counts.ndim != 2:
        raise InputError(
            f"{path}: has {counts.shape[2]} channels, must have one; a depth picture in false "
            "colours cannot be turned back into metres."
        )
    if counts.dtype != np.uint16:
        raise InputError(
            f"{path}: has {counts.dtype.itemsize * 8} bits, must have 16; at 8 bits the metres are "
            "lost. Save depth as 16-bit PNG, for example in millimetres."
        )
    counts = np.where(counts == 65535, 0, counts)
    measured = counts[counts > 0]
    if measured.size:
        median = float(np.median(measured))
        low, high = MEDIAN_RANGE
        if not low <= median * scale <= high:
            raise InputError(
                f"{path}: the median depth is {median * scale:.4g} m with depth_scale {scale:.6g}; "
                f"must lie between {low} and {high} m. {_propose(median)}"
            )
    return counts.astype(np.float32) * np.float32(scale)


def _propose(median: float) -> str:
    """Which of the usual scales would put the median where rooms have it, nearest to 2.5 m first."""
    fitting = [scale for scale in USUAL_SCALES if 0.5 <= median * scale <= 8]
    fitting.sort(key=lambda scale: abs(np.log(median * scale / 2.5)))
    if not fitting:
        return f"depth_scale {2.5 / median:.3g} would make it 2.5 m."
    told = [f"{scale:.6g} for {USUAL_SCALES[scale]}" for scale in fitting[:2]]
    return f"Try depth_scale {' or '.join(told)}."


def read_label(path: Path, num_classes: int) -> np.ndarray:
    """Reads labels: an 8-bit PNG of class numbers, 255 = ignored.

    Returns:
        uint8 (h, w).

    Raises:
        InputError: it cannot be read, has colours, or holds numbers that are no classes.
        OSError: it is not there.
    """
    label = _read_indices(path)
    if label.ndim != 2:
        raise InputError(
            f"{path}: has {label.shape[2]} channels, must have one that holds class numbers; "
            "map the colours to numbers first."
        )
    labels.check_labels(label, num_classes, str(path))
    return label.astype(np.uint8)


def _read_indices(path: Path) -> np.ndarray:
    """Class numbers of a grey or palette PNG; OpenCV would give the colours of a palette."""
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return image
    try:
        from PIL import Image
    except ImportError:
        return image
    with Image.open(path) as picture:
        return np.asarray(picture) if picture.mode == "P" else image
