"""RGB-D data sets that a list file describes: rgb, masks and depth as PNG.

The layout of CEN's official code for NYUDv2: a folder, and in it a text file with one view a line,
three paths relative to the folder with tabs between them: rgb, masks, depth, in this order. Masks
may be smaller than the pictures, which are then cut to the masks' size around their middle.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cen_keras.data import labels
from cen_keras.data.folder_checks import check_units
from cen_keras.data.image_files import read_image
from cen_keras.data.image_folders import located
from cen_keras.data.label_files import read_label
from cen_keras.data.label_tables import mapped
from cen_keras.data.text_files import lines_of
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.modalities import modality_of

OFFICIAL_DEPTH_SCALE = 1 / 5000
"""Metres per count of the official depth files."""

COLUMNS = ("rgb", "label", "depth")


class PairListViews(Views):
    """The views of a list file.

    Args:
        root: the folder to which the paths of the list are relative.
        list_file: the list, relative to `root` or not.
        name: of the data set.
        classes: names of the classes.
        depth_scale: metres per count of the depth files, which are 16-bit PNG.
        depth_limits: metres between which the median depth lies; None for those of rooms.
        label_map: class of the masks -> class, where they are not the same: every one of them.

    Raises:
        InputError: the folder or the list is not there, a line has not three columns, or lines
            point to files that are not there.
    """

    def __init__(
        self,
        root: str | Path,
        list_file: str | Path,
        *,
        name: str,
        classes: Sequence[str],
        depth_scale: float = OFFICIAL_DEPTH_SCALE,
        depth_limits: Sequence[float] | None = None,
        label_map: Mapping[int, int] | None = None,
    ):
        if not depth_scale > 0:
            raise InputError(
                f"{name}: depth_scale is {depth_scale}; give metres per count, above 0."
            )
        self.root = Path(root).expanduser()
        self.name = name
        self.classes = tuple(classes)
        self._label_map = label_map or {}
        self.palette = labels.palette(len(self.classes))
        depth = {"name": "depth", "unit_per_count": float(depth_scale)}
        if depth_limits is not None:
            depth["limits"] = depth_limits
        self.modalities = {"rgb": modality_of("rgb"), "depth": modality_of(depth)}
        self.files = read_list(self.root, self.root / Path(list_file).expanduser())
        check_units(self.files, self.modalities)

    def __len__(self) -> int:
        return len(self.files)

    def source(self, index: int) -> str:
        """Colour file of a view."""
        return str(self.files[index]["rgb"])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view, all of it with the height and width of its mask.

        Raises:
            IndexError: there is no such view.
            InputError: a file is damaged, depth has not 16 bits, a label is no class, or a picture
                is smaller than its mask.
            OSError: a file is gone.
        """
        if not -len(self.files) <= index < len(self.files):
            raise IndexError(f"{self.root} has {len(self.files)} views; there is no view {index}.")
        files = self.files[index]
        label = read_label(files["label"])
        labels.check_labels(label, len(self._label_map) or len(self.classes), str(files["label"]))
        label = mapped(label, self._label_map)
        pictures = {k: read_image(files[k], m, k) for k, m in self.modalities.items()}
        cut = {k: centre_crop(v, label.shape, str(files[k])) for k, v in pictures.items()}
        return {**cut, "label": label}


def centre_crop(picture: np.ndarray, size: tuple[int, int], source: str) -> np.ndarray:
    """Cuts a picture around its middle; where that is half a pixel, one more is cut at the end.

    Args:
        picture: (h, w, ...).
        size: height and width of the result, pixels.
        source: file, for the message.

    Raises:
        InputError: the picture is smaller than `size`.
    """
    height, width = picture.shape[:2]
    if height < size[0] or width < size[1]:
        raise InputError(
            f"{source}: is {width}x{height}, smaller than its mask of {size[1]}x{size[0]}; all "
            "three files of a view must come from one picture."
        )
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return np.ascontiguousarray(picture[top : top + size[0], left : left + size[1]])


def read_list(root: Path, path: Path) -> list[dict[str, Path]]:
    """Reads a list file and checks that everything it names is there.

    Args:
        root: the folder to which its paths are relative.
        path: the list.

    Returns:
        the files `rgb`, `label` and `depth` of each view.

    Raises:
        InputError: see `PairListViews`.
    """
    if not root.is_dir():
        raise InputError(
            f"{located(root)}: is not a folder; give the one that holds rgb/, masks/ and depth/, as `python "
            "-m recipes.prepare.nyudv2` or `... .sunrgbd` writes it."
        )
    if not path.is_file():
        raise InputError(
            f"{path}: is missing; wanted a text file with the paths of rgb, masks and depth of one "
            "view a line, tabs between them."
        )
    views, missing = [], []
    for number, line in enumerate(lines_of(path), 1):
        if not line:
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != len(COLUMNS):
            raise InputError(
                f"{path}, line {number}: has {len(columns)} columns, must have three with tabs "
                f"between them (rgb, masks, depth); found {line[:80]!r}."
            )
        views.append({name: root / column for name, column in zip(COLUMNS, columns, strict=True)})
        missing += [(number, file) for file in views[-1].values() if not file.is_file()]
    if not views:
        raise InputError(f"{path}: names no views.")
    if missing:
        shown = "; ".join(f"line {number}: {file}" for number, file in missing[:5])
        raise InputError(
            f"{path}: {len(missing)} files that it names are not there ({shown}"
            f"{'; ...' if len(missing) > 5 else ''}). The paths are relative to {root}: unpack the "
            "data there, or give the folder that holds them."
        )
    return views


def open_pair_list(
    spec: dict,
    split: str,
    name: str,
    classes: Sequence[str],
    label_map: Mapping[int, int] | None = None,
) -> PairListViews:
    """Opens a spec with "root", the folder of the PNG layout.

    Args:
        spec: `root`, and as one likes `train_list`, `val_list`, `test_list`, `depth_scale` and
            `depth_limits`.
        split: "train", "val" or "test"; the last two share the official list `val.txt`.
        name: of the data set.
        classes: names of the classes.
        label_map: class of the masks -> class, where they are not the same.

    Raises:
        InputError: the data do not fit.
    """
    return PairListViews(
        spec["root"],
        spec.get(f"{split}_list", "train.txt" if split == "train" else "val.txt"),
        name=name,
        classes=classes,
        depth_scale=float(spec.get("depth_scale") or OFFICIAL_DEPTH_SCALE),
        depth_limits=spec.get("depth_limits"),
        label_map=label_map,
    )
