"""The table of data sets: from a JSON-able spec to views."""

from collections.abc import Callable, Iterable
from typing import Any

from cen_keras.data.options import check_options
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.plugins import find


def _rooms(spec: dict, split: str) -> Views:
    """`{"name": "rooms", "seed": 0, "size": [96, 128], "train": 1200, "cache": "runs/cache"}`.

    With `"classes": [...], "label_map": {...}` of other classes than the 13, see `RoomViews`.
    """
    from cen_keras.data.rooms.views import RoomSpec, RoomViews

    counts = {"train": 1200, "val": 200, "test": 200}
    options = {"seed", "size", "sensor", "views_per_room", "domains", "decor"}
    labels = {"classes", "label_map"}
    check_options("rooms", spec, options | labels | set(counts) | {"cache", "workers"})
    fields = {name: spec[name] for name in options if spec.get(name) is not None}
    for name in ("size", "domains"):
        if name in fields:
            fields[name] = tuple(fields[name])
    room_spec = RoomSpec(split=split, **fields)
    return RoomViews(
        room_spec,
        spec.get(split, counts[split]),
        spec.get("cache"),
        spec.get("workers", 2),
        **{name: spec[name] for name in labels if name in spec},
    )


def _frames(spec: dict, split: str) -> Views:
    """`{"name": "frames", "root": "captures/{split}", "depth_scale": 0.001, "classes": [...]}`."""
    from cen_keras.data.frames import FrameViews
    from cen_keras.data.splits import of_split

    options = {"modalities", "depth_scale", "depth_limits"} | FOLDER_OPTIONS
    check_options("frames", spec, options | {"root"})
    if "root" not in spec:
        raise InputError('frames: the spec has no "root"; give the folder that holds the views.')
    fields = {name: spec[name] for name in options if name in spec}
    if isinstance(fields.get("cameras"), str):
        fields["cameras"] = of_split(fields["cameras"], split)
    return FrameViews(of_split(str(spec["root"]), split), split=split, **fields)


def _nyudv2(spec: dict, split: str) -> Views:
    """`{"name": "nyudv2", "root": "datasets/nyudv2"}` or `"mat": "nyu_depth_v2_labeled.mat"`."""
    from cen_keras.data.nyudv2 import open_nyudv2

    given = {"depth", "crop"} if "mat" in spec else LIST_OPTIONS | {"mask_classes"}
    check_options("nyudv2", spec, {"mat", "root", "classes"} | given)
    return open_nyudv2(spec, split)


def _sunrgbd(spec: dict, split: str) -> Views:
    """`{"name": "sunrgbd", "root": "datasets/sunrgbd"}` or `"raw": "SUNRGBD", "split_file": ...`."""
    from cen_keras.data.sunrgbd import open_sunrgbd

    given = {"split_file", "depth", "labels"} if "raw" in spec else LIST_OPTIONS
    check_options("sunrgbd", spec, {"raw", "root"} | given)
    return open_sunrgbd(spec, split)


def _taskonomy(spec: dict, split: str) -> Views:
    """`{"name": "taskonomy", "root": "datasets/taskonomy", "domains": ["rgb", "normal"]}`."""
    from cen_keras.data.taskonomy import TaskonomyViews

    check_options("taskonomy", spec, {"root", "domains", "train_list", "val_list", "test_list"})
    for key in ("root", "domains"):
        if key not in spec:
            raise InputError(f'taskonomy: the spec has no "{key}".')
    default = "train_domain.txt" if split == "train" else "val_domain.txt"
    return TaskonomyViews(spec["root"], spec.get(f"{split}_list", default), spec["domains"])


LIST_OPTIONS = {"train_list", "val_list", "test_list", "depth_scale", "depth_limits"}
"""Of a spec, what `cen_keras.data.pair_lists.open_pair_list` takes."""

FOLDER_OPTIONS = {
    *("classes", "palette", "folders", "label_map", "colours", "ignore", "size", "lists"),
    *("fractions", "seed", "cameras"),
}
"""Of a spec, arguments of `cen_keras.data.folder.FolderViews`."""

DATASETS: dict[str, Callable[[dict, str], Views]] = {
    "rooms": _rooms,
    "frames": _frames,
    "nyudv2": _nyudv2,
    "sunrgbd": _sunrgbd,
    "taskonomy": _taskonomy,
}
"""Name of a data set and the function that opens it from (spec, split)."""

ASKED = {"frames"}
"""Data sets that read the modalities and take the ignored label that they are asked for."""


def open_dataset(
    spec: dict,
    split: str,
    modalities: Iterable[Any] | None = None,
    ignore: int | None = None,
) -> Views:
    """Opens a data set.

    Args:
        spec: JSON-able; `name` is a key of `DATASETS` or of a plug-in, the rest depends on it.
        split: "train", "val" or "test".
        modalities: that a net takes, for data sets that read what they are asked for and whose spec
            does not say.
        ignore: label that does not count; likewise.

    Returns:
        the views.

    Raises:
        InputError: the name, the split or an option is unknown, or the data do not fit.
    """
    name = spec.get("name") if isinstance(spec, dict) else spec
    if not isinstance(spec, dict) or not isinstance(name, str):
        raise InputError(
            f"data set {name!r}: wanted a dict with a name; choose from {', '.join(sorted(DATASETS))}."
        )
    opened = find("dataset", name, DATASETS)
    if split not in ("train", "val", "test"):
        raise InputError(f"split {split!r} is unknown; choose train, val or test.")
    if name in ASKED:
        asked = {"modalities": modalities and list(modalities), "ignore": ignore}
        spec = {**{k: v for k, v in asked.items() if v is not None}, **spec}
    return opened(spec, split)
