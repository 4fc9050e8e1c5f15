"""Any folder of views of any modalities, with or without labels.

Which files belong together `cen_keras.data.image_folders` says, what their numbers mean
`cen_keras.data.image_files`; both are the same on a board. Before anything else the whole
description is looked at, so that what does not fit is known before a training, not after it.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data import image_files, label_files, labels, transforms
from cen_keras.data.depth_registration import is_depth, register_frame, target_of
from cen_keras.data.folder_checks import check_label_files, check_units
from cen_keras.data.image_folders import LABEL, find_views
from cen_keras.data.label_tables import colour_table, label_lookup, mapped
from cen_keras.data.labels import IGNORE
from cen_keras.data.pinhole_cameras import PinholeCamera, read_cameras
from cen_keras.data.splits import chosen_names
from cen_keras.data.views import Views
from cen_keras.errors import InputError, suggestion
from cen_keras.modalities import READY, Modality, modality_of, several

_LOG = logging.getLogger(__name__)

SAME_VIEW = 0.02
"""Two pictures of one view differ in their proportions by rounding only."""
WAY_OUT = "where they do not, data.cameras registers them"


class FolderViews(Views):
    """A folder of views.

    ```python
    views = FolderViews("captures/train", ("rgb", "thermal"), classes=("floor", "ball"))
    view = views[0]  # {"rgb": ..., "thermal": ...}, and "label" if there are label files
    ```

    Args:
        root: the folder.
        modalities: names, or `Modality` objects or configs that say what is different: unit, limits,
            channels.
        classes: names of the classes, in the order of the label values; needed where there are
            labels.
        palette: RGB colour of each class, (n, 3).
        folders: modality, or "label" -> folder, or ending of the files ("_rgb"), where it is none
            of the usual.
        label_map: label in the files -> class number, or `ignore`; labels that are not in it stay.
        colours: (r, g, b) -> class number, of labels in colours.
        ignore: label of pixels that neither train nor count.
        size: height and width to resize to, pixels; None keeps each file's own.
        split: which part of the folder: "train", "val" or "test"; used with `lists` or `fractions`.
        lists: split -> text file with a view's name a line.
        fractions: split -> share of the views, drawn with `seed`.
        seed: of the draw.
        label: whether labels are read where there are some.
        cameras: modality -> intrinsics and extrinsics, or a JSON file of them, see `read_cameras`: depth of
            a camera of its own is registered to the colours; None scales depth of another size.

    Attributes:
        names: of the views, without endings.

    Raises:
        InputError: the folder has no such views, a file lacks its partner, or the description does
            not fit itself or the files.
    """

    name = "folder"

    def __init__(
        self,
        root: str | Path,
        modalities: Iterable[str | Modality | Mapping[str, Any]] = ("rgb", "depth"),
        *,
        classes: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | np.ndarray | None = None,
        folders: Mapping[str, str] | None = None,
        label_map: Mapping[Any, int] | None = None,
        colours: Mapping[Any, int] | None = None,
        ignore: int = IGNORE,
        size: Sequence[int] | None = None,
        split: str = "train",
        lists: Mapping[str, str] | None = None,
        fractions: Mapping[str, float] | None = None,
        seed: int = 0,
        label: bool = True,
        cameras: str | Path | Mapping[str, Mapping[str, Any] | PinholeCamera] | None = None,
    ):
        self.root = Path(root).expanduser()
        known = [modality_of(modality) for modality in several(modalities)]
        self.modalities = {modality.name: modality for modality in known}
        if not known or len(self.modalities) < len(known):
            raise InputError(
                f"{self.name}: modalities are {[m.name for m in known]}; name each once."
            )
        if LABEL in self.modalities:
            raise InputError(
                f"{self.name}: {LABEL!r} is what views have labels under, no modality."
            )
        self.size = labels.checked_size(size, self.name)
        if isinstance(ignore, bool) or not isinstance(ignore, int | np.integer):
            raise InputError(f"{self.name}: ignore is {ignore!r}; give the label that is ignored.")
        self.ignore = int(ignore)
        self._label_map = label_lookup(label_map, self.name)
        self._colours = colour_table(colours, self.name)
        self._cameras = read_cameras(cameras, f"{self.name}: cameras")
        self._refuse_unknown(folders, "folders")
        self._refuse_unknown(self._cameras, "cameras")
        self._target = next(iter(self.modalities))
        if self._cameras:
            self._target = target_of(self._cameras, self.modalities, f"{self.name}: cameras")
        views = find_views(self.root, self.modalities, folders, label)
        names = chosen_names([name for name, _ in views], self.root, split, lists, fractions, seed)
        self.names = [name for name, _ in views if name in names]
        self.files = [files for name, files in views if name in names]
        labelled = "label" in self.files[0]
        self.classes = labels.checked_classes(classes, self.name) if classes is not None else ()
        if labelled and not self.classes:
            raise InputError(
                f"{self.root}: has labels, but no classes are given; name them in the order of the "
                f'label values: classes ["floor", ...]. The labels of {self.files[0]["label"].name} '
                f"are {self._values_of_first()}."
            )
        self.palette = labels.checked_palette(palette, len(self.classes), self.name)
        self._warned: set[str] = set()
        check_units(self.files, self.modalities)
        if labelled:
            check_label_files(self)

    def __len__(self) -> int:
        return len(self.files)

    def source(self, index: int) -> str:
        """File of a view's first modality."""
        return str(self.files[index][next(iter(self.modalities))])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view.

        Raises:
            IndexError: there is no such view.
            InputError: a file is damaged, or the files of a view do not fit each other.
        """
        if not -len(self.files) <= index < len(self.files):
            raise IndexError(f"{self.root} has {len(self.files)} views; there is no view {index}.")
        files = self.files[index]
        view = {
            name: image_files.read_image(files[name], modality, name)
            for name, modality in self.modalities.items()
        }
        size = view[self._target].shape[:2]
        for name in view:
            view[name] = self._registered(view, name, files)
        if "label" in files:
            view["label"] = self.read_label(files["label"])
            if view["label"].shape != size:
                raise InputError(self._of_other_size("label", view["label"].shape, size, files))
        return transforms.resize(view, self.size, self._known()) if self.size else view

    def read_label(self, path: Path) -> np.ndarray:
        """Reads labels as class numbers and `ignore`: integers (h, w).

        Raises:
            InputError: they cannot be read, or some are neither.
        """
        label = label_files.read_label(path, self._colours)
        if self._label_map:
            label = mapped(label, self._label_map)
        labels.check_labels(label, len(self.classes), str(path), self.ignore)
        return label

    def _refuse_unknown(self, given: Any, option: str) -> None:
        """Refuses names that are nearly those of modalities; others may be for another net."""
        known = {LABEL: None, **self.modalities, **READY}
        for name in given if isinstance(given, Mapping) else ():
            if name in known:
                continue
            if str(name).lower() in known or suggestion(str(name), known):
                raise InputError(
                    f"{self.name}: {option} has {name!r}, which is no modality of the views; they have "
                    f"{', '.join(self.modalities)} and {LABEL}. Write one of these, or leave it out."
                )
            _LOG.warning("%s: %s has %r, which these views do not read.", self.name, option, name)

    def _known(self) -> transforms.Known:
        return transforms.Known(self.modalities.values(), self.ignore)

    def _registered(self, view, name, files):
        """A picture at the target's size: registered where its camera is known, else scaled."""
        picture, size = view[name], view[self._target].shape[:2]
        if name in self._cameras and is_depth(self.modalities[name]):
            return register_frame(view, name, self._cameras, self._target, files)
        if picture.shape[:2] == size:
            return picture
        height, width = picture.shape[:2]
        if abs(width * size[0] / (height * size[1]) - 1) > SAME_VIEW:
            raise InputError(self._of_other_size(name, (height, width), size, files))
        if name not in self._warned:
            self._warned.add(name)
            sizes = (
                f"{width}x{height}, scaled to the {size[1]}x{size[0]} of {files[self._target].name}"
            )
            _LOG.warning("%s: is %s, as if both showed the same; %s", files[name], sizes, WAY_OUT)
        return transforms.resize({name: picture}, size, self._known())[name]

    def _of_other_size(self, name, found, size, files) -> str:
        first = files[self._target]
        return (
            f"{files[name]}: is {found[1]}x{found[0]}, but {first.name} is {size[1]}x{size[0]}; the "
            "pictures of a view must be registered to each other, pixel by pixel, or cameras say how"
            + image_files.orientation_note(first)
        )

    def _values_of_first(self) -> str:
        label = label_files.read_label(self.files[0]["label"], self._colours)
        values = np.unique(label)
        return ", ".join(map(str, values[:20])) + (", ..." if len(values) > 20 else "")
