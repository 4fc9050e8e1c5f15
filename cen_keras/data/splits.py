"""Which views of a folder belong to a split: by list files, or by a draw that repeats itself."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cen_keras.data.text_files import lines_of
from cen_keras.errors import InputError

SPLITS = ("train", "val", "test")
FOLDERS = {"val": ("val", "valid", "validation")}
"""Split -> usual names of its folder, where they are not the split's."""


def of_split(path: str, split: str) -> str:
    """A path with the folder of a split for "{split}"; without val/ that of val is valid/ or validation/.

    Raises:
        InputError: both of these are there.
    """
    if "{split}" not in path:
        return path
    paths = [path.replace("{split}", name) for name in FOLDERS.get(split, (split,))]
    there = [path for path in paths if Path(path).expanduser().exists()]
    if len(there) > 1 and there[0] != paths[0]:
        raise InputError(f"{there[0]} and {there[1]}: may both be {split}; rename one of them.")
    return (there or paths)[0]


def chosen_names(
    names: Sequence[str],
    root: Path,
    split: str,
    lists: Mapping[str, str] | None = None,
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
) -> set[str]:
    """Names of the views of a split.

    Args:
        names: of all views, sorted.
        root: to which list files are relative.
        split: "train", "val" or "test".
        lists: split -> text file with a name a line, endings of files as one likes.
        fractions: split -> share; splits not named share nothing.
        seed: of the draw.

    Returns:
        all of them where neither is given.

    Raises:
        InputError: both are given, the split is none of them, a list names views that are not
            there, or shares make more than 1.
    """
    if lists and fractions:
        raise InputError(f"{root}: give lists or fractions, not both.")
    given = lists or fractions
    if not given:
        return set(names)
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise InputError(f'{root}: a split is {given!r}; wanted {{"train": ..., "val": ...}}.')
    if split not in given:
        raise InputError(f"{root}: there is no split {split!r}; known are {', '.join(given)}.")
    if lists:
        return _listed(names, root / Path(str(lists[split])).expanduser())
    return _drawn(names, root, split, fractions, seed)


def _listed(names: Sequence[str], path: Path) -> set[str]:
    known = set(names)
    wanted = [line for line in lines_of(path) if line and not line.startswith("#")]
    found = {line if line in known else line.rsplit(".", 1)[0] for line in wanted}
    absent = sorted(found - known)
    if absent or not found:
        raise InputError(
            f"{path}: {len(absent)} of its {len(wanted)} names are no views"
            + (f", the first {absent[0]!r}" if absent else "")
            + f"; views are called {', '.join(map(repr, list(names)[:3]))}."
        )
    return found


def _drawn(
    names: Sequence[str], root: Path, split: str, fractions: Mapping[str, float], seed: int
) -> set[str]:
    try:
        shares = {name: float(share) for name, share in fractions.items()}
        seed = int(seed)
        if seed < 0:
            raise ValueError("the seed is below 0")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{root}: fractions are {fractions!r}, the seed is {seed!r}; wanted shares and a whole "
            "number."
        ) from error
    wrong = [name for name in shares if name not in SPLITS or not 0 <= shares[name] <= 1]
    # Rounding of a sum of three floats.
    if wrong or sum(shares.values()) > 1 + 1e-9:
        raise InputError(f"{root}: fractions are {shares}; wanted shares of {SPLITS}, 1 in all.")
    # By a hash of each name, so that a picture that is added moves hardly another one into another split.
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    ends = np.round(np.cumsum([shares.get(name, 0.0) for name in SPLITS]) * len(names)).astype(int)
    start = 0 if split == SPLITS[0] else ends[SPLITS.index(split) - 1]
    found = set(order[start : ends[SPLITS.index(split)]])
    if not found:
        raise InputError(f"{root}: {len(names)} views leave none for {split!r}, {shares[split]}.")
    return found
