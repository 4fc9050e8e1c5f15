"""What a run folder's data.json must hold, before anything reads it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cen_keras.data.labels import checked_palette
from cen_keras.data.options import is_whole, is_words
from cen_keras.errors import InputError
from cen_keras.modalities import modality_of

NEEDED = ("task", "dataset", "modalities", "classes", "palette", "normalization", "image_shape")


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_shape(value: Any) -> bool:
    pair = isinstance(value, list) and len(value) == 2
    return value is None or (pair and all(is_whole(side, 1) for side in value))


_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "task": (lambda value: isinstance(value, str), "a word"),
    "dataset": (lambda value: value is None or isinstance(value, dict), "a data spec"),
    "modalities": (is_words, "a list of names"),
    "classes": (_is_list, "a list of names"),
    "normalization": (lambda value: isinstance(value, dict), "numbers by modality"),
    "descriptions": (lambda value: isinstance(value, dict), "configs by modality"),
    "image_shape": (_is_shape, "[height, width] or null"),
    "ignore": (lambda value: is_whole(value, -(2**31)), "a whole number"),
    "model": (lambda value: isinstance(value, str), "a path"),
    "target": (lambda value: isinstance(value, str), "a word"),
}


def check_data(file: Path, data: Any) -> None:
    """Refuses data that lack something, or hold something of another type.

    Args:
        file: for the message.
        data: its content.

    Raises:
        InputError: as above.
    """
    missing = [key for key in NEEDED if not isinstance(data, Mapping) or key not in data]
    if missing:
        raise InputError(f"{file}: {', '.join(missing)} missing; train again with this version")
    for key, value in data.items():
        check, wanted = _TYPES.get(key, (None, ""))
        if check is not None and not check(value):
            raise InputError(f"{file}: {key} is {value!r}, wanted {wanted}; train again")
    if data["classes"]:  # a translation has none
        checked_palette(data["palette"], len(data["classes"]), str(file))
    for name, config in data.get("descriptions", {}).items():
        if modality_of(config).name != name:
            raise InputError(f"{file}: the description of {name!r} is of another; train again")
