"""Whether the options of a data set's spec have the types that they must have.

A spec comes from a recipe, from `--set` or from JSON. What is of another type is refused here,
before a reader meets it.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError


def is_path(value: Any) -> bool:
    """Whether it can be the name of a file or folder."""
    return isinstance(value, str | Path) and bool(str(value)) and "\0" not in str(value)


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether it is a whole number, at least so large, that NumPy can index with."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and least <= value < 2**63


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return real and math.isfinite(value)


def is_words(value: Any) -> bool:
    """Whether it is a list of words, at least one."""
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_word, value))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_size(value: Any) -> bool:
    pair = isinstance(value, list | tuple | np.ndarray) and len(value) == 2
    return pair and all(is_whole(side, 1) for side in value)


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_PATH = (is_path, "a path")
_COUNT = (lambda value: is_whole(value, 1), "a whole number from 1")
_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("root", "mat", "raw"), _PATH),
    **dict.fromkeys(("split_file", "train_list", "val_list", "test_list"), _PATH),
    **dict.fromkeys(("train", "val", "test", "views_per_room"), _COUNT),
    **dict.fromkeys(("seed", "workers"), (is_whole, "a whole number from 0")),
    **dict.fromkeys(("depth", "labels", "decor"), (_is_word, "a word")),
    "cache": (_or_none(is_path), "a path, or null"),
    "depth_scale": (
        _or_none(lambda value: is_number(value) and value > 0),
        "metres per count, above 0",
    ),
    "domains": (is_words, "a list of names"),
    "sensor": (lambda value: isinstance(value, bool), "true or false"),
    "size": (_or_none(_is_size), "[height, width], pixels"),
    "crop": (_or_none(_is_size), "[height, width], pixels, or null"),
}
"""Option -> whether a value can be it, and what is wanted; others their readers check."""


def check_options(name: str, spec: Mapping[str, Any], known: set[str]) -> None:
    """Refuses options that a data set does not have, and values of another type.

    Args:
        name: of the data set, for the message.
        spec: with the name among its keys.
        known: the options that there are.

    Raises:
        InputError: as above.
    """
    unknown = sorted(map(str, set(spec) - known - {"name"}))
    if unknown:
        raise InputError(
            f"{name}: the spec has an unknown option {unknown[0]!r}; "
            f"known are {', '.join(sorted(known))}."
        )
    for key, value in spec.items():
        check, wanted = _TYPES.get(key, (None, ""))
        if check is not None and not check(value):
            raise InputError(f"{name}: {key} is {value!r}; wanted {wanted}.")
