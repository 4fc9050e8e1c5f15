"""Which modalities a folder holds, by the names of its folders or the endings of its files."""

import re
from collections.abc import Sequence
from pathlib import Path

from cen_keras.data.image_files import read_array
from cen_keras.data.image_folders import LABEL, LABEL_NAMES, images_in
from cen_keras.errors import InputError
from cen_keras.modalities import READY, Modality, modality_of

FIRST = ("rgb", "depth")
"""The usual order of a net's inputs; others follow by name."""


def kinds_in(root: Path, wanted: Sequence[str] | None = None) -> tuple[list[Modality], list[str]]:
    """Finds the modalities of a folder of views.

    A folder whose name is none of the usual is a modality of its own where it has as many images as
    the usual ones.

    Args:
        root: holds a folder for each modality, or files that end with their names.
        wanted: names; None for all that are there.

    Returns:
        the modalities, rgb and depth in front; and names of folders that were left out.

    Raises:
        InputError: there are none, or not one of those wanted.
    """
    folders = {path: images_in(path) for path in sorted(root.iterdir()) if path.is_dir()}
    folders = {path: files for path, files in folders.items() if files and path.name[0] not in "._"}
    usual = {path: usual_name(path.name) for path in folders}
    found = {name: None for name in usual.values() if name and name != LABEL}
    counts = {len(folders[path]) for path, name in usual.items() if name}
    left = []
    for path in (path for path, name in usual.items() if name is None):
        fits = re.fullmatch(r"[A-Za-z]\w*", path.name) and (
            not counts or len(folders[path]) in counts
        )
        if wanted is not None:
            fits = path.name in wanted
        if fits:
            found[path.name] = folders[path][0]
        else:
            left.append(path.name)
    if not found:
        endings = {path.stem.rpartition("_")[2] for path in images_in(root, deep=False)}
        found = {name: None for end in endings if (name := usual_name(end)) and name != LABEL}
    absent = [name for name in wanted or () if name not in found]
    if absent or not found:
        inside = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise InputError(
            f"{root}: holds no images of {absent[0] if absent else 'any modality'}; wanted a folder "
            f"for each, rgb/NAME.png with depth/NAME.png and label/NAME.png; it holds {inside}."
        )
    if wanted is not None:
        left += [name for name in found if name not in wanted]
        found = {name: found[name] for name in wanted}
    names = list(wanted or [*(n for n in FIRST if n in found), *sorted(set(found) - set(FIRST))])
    return [_modality(name, found[name]) for name in names], left


def usual_name(word: str) -> str | None:
    """The modality, or "label", that a folder or an ending of this name holds; None: no usual one."""
    word = word.lower()
    if word in (LABEL, *LABEL_NAMES):
        return LABEL
    for name, modality in READY.items():
        if word in (name, *modality.aliases, name + "s"):
            return name
    return None


def _modality(name: str, example: Path | None) -> Modality:
    """A ready modality, or one with the channels of a file."""
    if example is None or name in READY:
        return modality_of(name)
    image = read_array(example)
    channels = image.shape[2] if image.ndim == 3 else 1
    # Values of an unknown kind are not averaged.
    return Modality(name, channels=channels, interpolation="nearest")
