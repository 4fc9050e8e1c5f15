"""SUN RGB-D: 10,335 RGB-D pictures of four sensors (Song et al., CVPR 2015).

Read either from the tree as it is published or from PNG (see `cen_keras.data.pair_lists`), which
`python -m recipes.prepare.sunrgbd` makes of the former. A frame of the published tree is a folder

    image/*.jpg    depth/*.png  depth_bfx/*.png    seg.mat    intrinsics.txt  scene.txt

whose depth is 16-bit PNG with its bits rotated: metres = ((v >> 3) | (v << 13)) / 1000. `seg.mat`
holds a number per pixel and the names that the numbers stand for, as the annotators wrote them;
names that are none of the 37 classes of the benchmark are ignored. The benchmark's own labels are in
one file of the toolbox (see `cen_keras.data.sunrgbd_labels`), read with `"labels": "toolbox"`; the
two are not the same, so run folders and scores say which it was. The official split (5285 to train,
5050 to test) is the toolbox's traintestSUNRGBD/allsplit.mat.
"""

import re
from pathlib import Path

import numpy as np

from cen_keras.data import labels
from cen_keras.data.image_files import SUFFIXES, read_array, read_colour
from cen_keras.data.image_folders import located
from cen_keras.data.pair_lists import open_pair_list
from cen_keras.data.sunrgbd_labels import ToolboxLabels, find_labels, relative_folder
from cen_keras.data.views import Views
from cen_keras.errors import InputError

SUN37_CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror"),
    *("floor_mat", "clothes", "ceiling", "books", "fridge", "tv", "paper", "towel"),
    *("shower_curtain", "box", "whiteboard", "person", "night_stand", "toilet", "sink", "lamp"),
    *("bathtub", "bag"),
)
"""The 37 classes in the order of the toolbox's seg37list."""

MAX_DEPTH = 8.0
"""Metres at which the toolbox clips depth."""

DEPTHS = {"filled": "depth_bfx", "raw": "depth"}
"""What may be read as depth -> its folder: filled in and smoothed by the authors, or as measured."""

SPLIT_KEYS = {"train": "alltrain", "val": "alltest"}

_SPLIT_PLACES = (
    "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat",
    "traintestSUNRGBD/allsplit.mat",
    "allsplit.mat",
)


def decode_depth(counts: np.ndarray) -> np.ndarray:
    """Metres of a depth picture of the published tree.

    Args:
        counts: uint16 (h, w), the three lowest bits of a number of millimetres moved to the top.

    Returns:
        float32 (h, w), metres, at most `MAX_DEPTH`; 0 = missing.
    """
    millimetres = (counts >> np.uint16(3)) | (counts << np.uint16(13))
    return np.minimum(millimetres.astype(np.float32) / np.float32(1000), np.float32(MAX_DEPTH))


def read_rotated_depth(path: Path) -> np.ndarray:
    """Reads a depth file of the published tree; see `decode_depth`.

    Raises:
        InputError: it cannot be read, or is not a 16-bit picture of one channel.
        OSError: it is not there.
    """
    counts = read_array(path)
    if counts.ndim != 2 or counts.dtype != np.uint16:
        raise InputError(
            f"{path}: has {counts.dtype.itemsize * 8} bits and {counts.ndim - 1} channel axes; "
            "SUN RGB-D's depth is a 16-bit PNG of one channel. Copy the file again."
        )
    return decode_depth(counts)


def class_of(name: str) -> int:
    """Number of a class by an annotator's name, 255 where it is none of the 37.

    Case, and whether words are joined by a space, "_" or "-", make no difference.
    """
    return _NUMBERS.get(re.sub(r"[\s_-]+", "_", name.strip().lower()), labels.IGNORE)


_NUMBERS = {name: number for number, name in enumerate(SUN37_CLASSES)}


def read_mat(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray | list[str]]:
    """Reads variables of a MATLAB file of either kind, cells of strings as lists of strings.

    Raises:
        InputError: it is no MATLAB file, is cut off, or lacks a variable.
        FileNotFoundError: it is not there.
    """
    import h5py
    import scipy.io

    if not path.is_file():
        raise FileNotFoundError(f"{path}: is missing; unpack SUN RGB-D again.")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                found = {name: _hdf5_value(file, name) for name in names if name in file}
        else:
            content = scipy.io.loadmat(path, variable_names=names)
            found = {name: _mat_value(content[name]) for name in names if name in content}
    except Exception as error:  # A damaged file makes SciPy raise nearly anything.
        raise InputError(
            f"{path}: is damaged or no MATLAB file ({error}); copy it again."
        ) from error
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: has no variable {missing[0]!r}; it is not the file wanted here.")
    return found


def _mat_value(value: np.ndarray) -> np.ndarray | list[str]:
    if value.dtype != object:
        return value
    return [str(np.asarray(item).ravel()[0]) if np.size(item) else "" for item in value.ravel()]


def _hdf5_value(file, name: str) -> np.ndarray | list[str]:
    value = np.asarray(file[name])
    if value.dtype != object:
        return value.T
    return ["".join(map(chr, np.asarray(file[item]).ravel())) for item in value.ravel(order="F")]


def read_segmentation(path: Path) -> np.ndarray:
    """Reads a frame's seg.mat.

    Returns:
        uint8 (h, w), class numbers, 255 = ignored.

    Raises:
        InputError: it is damaged, or holds a number without a name.
        FileNotFoundError: it is not there.
    """
    found = read_mat(path, ("seglabel", "names"))
    numbers, names = found["seglabel"], found["names"]
    # Number 0 is a pixel that nobody labelled.
    lookup = np.array([labels.IGNORE, *(class_of(name) for name in names)], np.uint8)
    if numbers.max(initial=0) >= len(lookup):
        raise InputError(
            f"{path}: has number {numbers.max()}, but {len(names)} names; copy it again."
        )
    return lookup[numbers.astype(np.int64)]


def read_split(path: Path, split: str) -> list[str]:
    """Reads the official split.

    Args:
        path: allsplit.mat.
        split: "train", or "val" for the official test frames.

    Returns:
        folders of the frames, relative to the tree ("kv1/NYUdata/NYU0001").

    Raises:
        InputError: it is not the split file.
        FileNotFoundError: it is not there.
    """
    key = SPLIT_KEYS["train" if split == "train" else "val"]
    folders = read_mat(path, (key,))[key]
    relative = [relative_folder(path) for path in folders] if isinstance(folders, list) else []
    if not relative:
        raise InputError(f"{path}: {key} names no folders; give the toolbox's allsplit.mat.")
    return relative


def find_split_file(root: Path, given: str | Path | None) -> Path:
    """The split file: as given, or in one of its usual places in or beside the tree.

    Raises:
        FileNotFoundError: it is in none of them.
    """
    if given is not None:
        return Path(given).expanduser()
    for folder in (root, root.parent):
        for place in _SPLIT_PLACES:
            if (folder / place).is_file():
                return folder / place
    raise FileNotFoundError(
        f"{root}: found no allsplit.mat in or beside it; unpack SUNRGBDtoolbox.zip there or name "
        "the file with split_file."
    )


class TreeViews(Views):
    """A split of the published tree.

    Args:
        root: the folder that holds kv1, kv2, realsense and xtion.
        split: "train", or "val" for the official test frames.
        split_file: allsplit.mat; None looks for it in and beside the tree.
        depth: "filled" or "raw".
        labels: "frames" for the seg.mat of each frame, "toolbox" for the benchmark's own, looked for
            in and beside the tree, or the path of that SUNRGBD2Dseg.mat.

    Raises:
        InputError: the split names folders that are not there, or an option is unknown.
        FileNotFoundError: the tree or the split file is not there.
    """

    name = "sunrgbd"
    classes = SUN37_CLASSES
    palette = labels.palette(len(SUN37_CLASSES))

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        split_file: str | Path | None = None,
        depth: str = "filled",
        labels: str | Path = "frames",
    ):
        if depth not in DEPTHS:
            raise InputError(f"sunrgbd: depth is {depth!r}; choose {' or '.join(DEPTHS)}.")
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"{located(self.root)}: is not a folder; give the SUNRGBD that holds kv1, kv2, realsense "
                "and xtion."
            )
        self.depth = depth
        self._toolbox = None
        self.label_source = "seg.mat of each frame"
        if labels != "frames":
            file = find_labels(self.root) if labels == "toolbox" else Path(labels)
            self._toolbox = ToolboxLabels(file, len(SUN37_CLASSES))
            self.label_source = "SUNRGBD2Dseg.mat, the benchmark's"
        path = find_split_file(self.root, split_file)
        self.folders = read_split(path, split)
        missing = [folder for folder in self.folders if not (self.root / folder).is_dir()]
        if missing:
            raise InputError(
                f"{path}: {len(missing)} of {len(self.folders)} folders that it names are not in "
                f"{self.root} ({', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}); "
                "unpack SUNRGBD.zip there."
            )

    def __len__(self) -> int:
        return len(self.folders)

    def source(self, index: int) -> str:
        """Folder of a frame."""
        return str(self.root / self.folders[index])

    def colour_file(self, index: int) -> Path:
        """Colour file of a frame.

        Raises:
            FileNotFoundError: there is none.
        """
        return _only_file(self.root / self.folders[index] / "image", SUFFIXES)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view.

        Raises:
            IndexError: there is no such view.
            InputError: a file is damaged, or the files of a frame do not fit each other.
            FileNotFoundError: a file is not there.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.root} has {len(self)} views; there is no view {index}.")
        folder = self.root / self.folders[index]
        view = {
            "rgb": read_colour(self.colour_file(index)),
            "depth": read_rotated_depth(_only_file(folder / DEPTHS[self.depth], (".png",))),
            "label": self._label(self.folders[index], folder),
        }
        sizes = {name: picture.shape[:2] for name, picture in view.items()}
        if len(set(sizes.values())) != 1:
            raise InputError(f"{folder}: sizes differ, {sizes}; copy the frame again.")
        return view

    def _label(self, name: str, folder: Path) -> np.ndarray:
        return self._toolbox(name) if self._toolbox else read_segmentation(folder / "seg.mat")


def _only_file(folder: Path, suffixes: tuple[str, ...]) -> Path:
    files = sorted(
        file
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.suffix.lower() in suffixes and not file.name.startswith(".")
    )
    if not files:
        raise FileNotFoundError(f"{folder}: holds no {suffixes[0]} file; unpack SUN RGB-D again.")
    return files[0]


def open_sunrgbd(spec: dict, split: str) -> Views:
    """Opens a spec: with "raw" the published tree, with "root" the PNG layout.

    Raises:
        InputError: neither or both are given, or the data do not fit.
    """
    if ("raw" in spec) == ("root" in spec):
        raise InputError(
            'sunrgbd: give either "raw", the published tree with kv1, kv2, realsense and xtion, '
            'or "root", the folder of the PNG layout.'
        )
    if "raw" in spec:
        options = {name: spec[name] for name in ("split_file", "depth", "labels") if name in spec}
        return TreeViews(spec["raw"], split, **options)
    return open_pair_list(spec, split, "sunrgbd", SUN37_CLASSES)
