"""NYU Depth V2: 1449 labelled RGB-D pictures of rooms (Silberman et al., ECCV 2012).

Read either from `nyu_depth_v2_labeled.mat` itself or from the PNG layout of CEN's official code (see
`cen_keras.data.pair_lists`), which `python -m recipes.prepare.nyudv2` unpacks the former to. The
894 names of the file become the 40 classes of Gupta et al. (CVPR 2013) or the 13 of Couprie et al.
(2013), by name, with the table in nyudv2_classes.csv; nyudv2_split.csv holds the official split of
795 training and 654 test pictures. Both were made from the files that the data sets' authors
publish (classMapping40.mat, class13Mapping.mat, splits.mat).
"""

import csv
import functools
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cen_keras.data import labels
from cen_keras.data.options import is_whole
from cen_keras.data.pair_lists import centre_crop, open_pair_list
from cen_keras.data.views import Views
from cen_keras.errors import InputError

NYU40_CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror"),
    *("floor mat", "clothes", "ceiling", "books", "refridgerator", "television", "paper", "towel"),
    *("shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp"),
    *("bathtub", "bag", "otherstructure", "otherfurniture", "otherprop"),
)
"""The 40 classes in the order of their numbers, spelt as the official table spells them."""

OFFICIAL_MASK_SIZE = (468, 625)
"""Height and width of the official masks: the pictures' border, which has no depth, is cut off."""

DEPTHS = {"filled": "depths", "raw": "rawDepths"}
"""What may be read as depth -> the name in the file: with holes filled in, or as measured."""

CLASSES = {40: NYU40_CLASSES, 13: labels.NYU13_CLASSES}


@functools.cache
def class_table() -> dict[str, dict[int, int]]:
    """The official mapping: a name of the file -> {40: class, 13: class}, counted from 0."""
    numbers40 = {name: number for number, name in enumerate(NYU40_CLASSES)}
    numbers13 = {name.lower(): number for number, name in enumerate(labels.NYU13_CLASSES)}
    with open(Path(__file__).with_name("nyudv2_classes.csv"), newline="", encoding="utf-8") as file:
        return {
            row["name"]: {40: numbers40[row["class40"]], 13: numbers13[row["class13"]]}
            for row in csv.DictReader(file)
        }


@functools.cache
def official_split() -> dict[str, tuple[int, ...]]:
    """The official split: "train" (795) and "val" (654) -> numbers of the pictures, from 1."""
    split: dict[str, list[int]] = {"train": [], "val": []}
    with open(Path(__file__).with_name("nyudv2_split.csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            split[row["split"]].append(int(row["image"]))
    return {name: tuple(numbers) for name, numbers in split.items()}


def label_lookup(names: Sequence[str], num_classes: int, source: str) -> np.ndarray:
    """The table that turns labels of the file into classes.

    Args:
        names: the file's names; label i + 1 means `names[i]`, label 0 is unlabelled.
        num_classes: 40 or 13.
        source: file, for the message.

    Returns:
        uint8 (len(names) + 1,); entry 0 is 255, ignored.

    Raises:
        InputError: a name is not among the 894, or there is no mapping to so many classes.
    """
    if num_classes not in CLASSES:
        raise InputError(f"nyudv2: classes is {num_classes}; there are mappings to 40 and 13.")
    table = class_table()
    unknown = [name for name in names if name not in table]
    if unknown:
        raise InputError(
            f"{source}: {len(unknown)} of its {len(names)} class names are none of the 894 of NYU "
            f"Depth V2, among them {', '.join(map(repr, unknown[:5]))}; give the labelled data "
            "set, nyu_depth_v2_labeled.mat."
        )
    return np.array([labels.IGNORE, *(table[name][num_classes] for name in names)], np.uint8)


class LabeledMat:
    """`nyu_depth_v2_labeled.mat`, read picture by picture.

    MATLAB stores columns first, so seen from Python every axis order is reversed: `images` is
    (n, 3, w, h) uint8, `depths` and `rawDepths` (n, w, h) float32 in metres, `labels` (n, w, h)
    uint16. Several threads may read at once.

    Args:
        path: the file.

    Raises:
        InputError: it is no MATLAB 7.3 file, is cut off, or is not the labelled data set.
        FileNotFoundError: it is not there.
    """

    WANTED = {"images": 4, "depths": 3, "rawDepths": 3, "labels": 3, "names": 2}

    def __init__(self, path: str | Path):
        import h5py

        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise FileNotFoundError(
                f"{self.path}: is missing; download nyu_depth_v2_labeled.mat (2.8 GB) from the "
                "page of NYU Depth V2."
            )
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(
                f"{self.path}: is damaged, cut off or no MATLAB 7.3 file ({error}); download "
                "nyu_depth_v2_labeled.mat again."
            ) from error
        for name, rank in self.WANTED.items():
            found = self._file.get(name)
            if not isinstance(found, h5py.Dataset) or found.ndim != rank:
                names = ", ".join(list(self._file)[:8]) or "nothing"
                self._file.close()
                raise InputError(
                    f"{self.path}: has no {name!r} of {rank} axes, so it is not the labelled data "
                    f"set; it holds {names}. Give nyu_depth_v2_labeled.mat."
                )
        self._lock = threading.Lock()
        self.names = tuple(
            "".join(map(chr, np.asarray(self._file[reference]).ravel()))
            for reference in np.asarray(self._file["names"]).ravel()
        )
        shapes = {name: self._file[name].shape for name in ("images", "depths", "labels")}
        count, channels, *size = shapes["images"]
        if channels != 3 or {shapes["depths"], shapes["labels"]} != {(count, *size)}:
            raise InputError(
                f"{self.path}: images {shapes['images']}, depths {shapes['depths']} and labels "
                f"{shapes['labels']} do not fit each other; download the file again."
            )
        self.count = count

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def read(self, number: int, depth: str = "filled") -> dict[str, np.ndarray]:
        """Reads a picture.

        Args:
            number: of the picture, from 1 as in the official split.
            depth: a key of `DEPTHS`.

        Returns:
            `rgb` uint8 (h, w, 3); `depth` float32 (h, w), metres, 0 = missing; `labels` uint16
            (h, w), as in the file.

        Raises:
            InputError: this part of the file is damaged.
        """
        try:
            with self._lock:
                rgb = self._file["images"][number - 1]
                metres = self._file[DEPTHS[depth]][number - 1]
                label = self._file["labels"][number - 1]
        except OSError as error:
            raise InputError(
                f"{self.path}: picture {number} cannot be read ({error}); download it again."
            ) from error
        metres = np.where(np.isfinite(metres) & (metres > 0), metres, 0)
        return {
            "rgb": np.ascontiguousarray(rgb.transpose(2, 1, 0)),
            "depth": np.ascontiguousarray(metres.T, np.float32),
            "labels": np.ascontiguousarray(label.T),
        }


class MatViews(Views):
    """A split of `nyu_depth_v2_labeled.mat`.

    Args:
        path: the file.
        split: "train", or "val" for the official test pictures.
        classes: 40 or 13.
        depth: "filled" or "raw".
        crop: height and width to which everything is cut around its middle; None for whole
            pictures.

    Raises:
        InputError: the file is not the labelled data set, or an option is unknown.
        FileNotFoundError: it is not there.
    """

    name = "nyudv2"

    def __init__(
        self,
        path: str | Path,
        split: str,
        *,
        classes: int = 40,
        depth: str = "filled",
        crop: Sequence[int] | None = OFFICIAL_MASK_SIZE,
    ):
        if depth not in DEPTHS:
            raise InputError(f"nyudv2: depth is {depth!r}; choose {' or '.join(DEPTHS)}.")
        self.mat = LabeledMat(path)
        self.lookup = label_lookup(self.mat.names, classes, str(path))
        self.classes = CLASSES[classes]
        self.palette = labels.palette(classes)
        self.depth = depth
        self.crop = tuple(crop) if crop else None
        self.numbers = numbers_of(split, self.mat)

    def __len__(self) -> int:
        return len(self.numbers)

    def source(self, index: int) -> str:
        """File and number of a picture."""
        return f"{self.mat.path} picture {self.numbers[index]}"

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view.

        Raises:
            IndexError: there is no such view.
            InputError: the file is damaged there, or holds labels without a name.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.mat.path} has {len(self)} views; there is no view {index}.")
        view = self.mat.read(self.numbers[index], self.depth)
        view["label"] = map_labels(view.pop("labels"), self.lookup, self.source(index))
        if self.crop:
            view = {k: centre_crop(v, self.crop, self.source(index)) for k, v in view.items()}
        return view


def numbers_of(split: str, mat: LabeledMat) -> tuple[int, ...]:
    """Numbers of the pictures of a split, from 1; "test" means the same as "val".

    Raises:
        InputError: the file has fewer pictures than the split names.
    """
    numbers = official_split()["train" if split == "train" else "val"]
    if mat.count < numbers[-1]:
        raise InputError(
            f"{mat.path}: has {mat.count} pictures, the official split names {numbers[-1]}; give "
            "the whole nyu_depth_v2_labeled.mat."
        )
    return numbers


def map_labels(label: np.ndarray, lookup: np.ndarray, source: str) -> np.ndarray:
    """Labels of the file as classes: uint8, 255 = ignored.

    Raises:
        InputError: a label has no name.
    """
    if label.max(initial=0) >= len(lookup):
        raise InputError(
            f"{source}: has label {label.max()}, but the file names {len(lookup) - 1} classes; "
            "it is damaged or not the labelled data set."
        )
    return lookup[label]


def classes_of_masks(masks: int, wanted: int) -> dict[int, int] | None:
    """What masks of 40 classes are in 13; None where masks have the classes that are wanted.

    Raises:
        InputError: masks of 13 classes do not tell the 40, or there is no mapping to so many.
    """
    if masks == wanted:
        return None
    if (masks, wanted) != (40, 13):
        raise InputError(
            f"nyudv2: mask_classes is {masks!r} and classes {wanted}; masks of 40 classes can be read as 13, "
            "others as they are."
        )
    return {classes[40]: classes[13] for classes in class_table().values()}


def open_nyudv2(spec: dict, split: str) -> Views:
    """Opens a spec: with "mat" the MATLAB file, with "root" the PNG layout, whose masks may have more classes.

    Raises:
        InputError: neither or both are given, or the data do not fit.
    """
    if ("mat" in spec) == ("root" in spec):
        raise InputError(
            'nyudv2: give either "mat", the path of nyu_depth_v2_labeled.mat, or "root", the '
            "folder of the PNG layout."
        )
    classes = spec.get("classes", 40)
    if not is_whole(classes) or classes not in CLASSES:
        raise InputError(f"nyudv2: classes is {classes!r}; there are mappings to 40 and 13.")
    if "mat" in spec:
        crop = spec.get("crop", OFFICIAL_MASK_SIZE)
        depth = spec.get("depth", "filled")
        return MatViews(spec["mat"], split, classes=classes, depth=depth, crop=crop)
    label_map = classes_of_masks(spec.get("mask_classes", classes), classes)
    return open_pair_list(spec, split, "nyudv2", CLASSES[classes], label_map)
