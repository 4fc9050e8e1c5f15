"""What labels in files stand for: maps of their numbers, and tables of their colours."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cen_keras.errors import InputError

MOST = 2**31 - 1
"""Of a class number; views hold labels of 32 bits."""


def label_lookup(label_map: Mapping[Any, int] | None, name: str) -> dict[int, int]:
    """A label map with whole numbers; JSON has its keys as text.

    Raises:
        InputError: a key or a value is no whole number.
    """
    try:
        table = {int(key): int(value) for key, value in (label_map or {}).items()}
        if any(abs(value) > MOST for value in table.values()):
            raise ValueError("a class number is too large")
        return table
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f'{name}: label_map is {label_map!r}; wanted label -> class number, {{"255": 1}}.'
        ) from error


def mapped(label: np.ndarray, lookup: Mapping[int, int]) -> np.ndarray:
    """Labels with some numbers replaced, all at once: int32."""
    result = label.astype(np.int32)
    for old, new in lookup.items():
        result[label == old] = new
    return result


def colour_table(
    colours: Mapping[Any, int] | None, name: str
) -> dict[tuple[int, int, int], int] | None:
    """A table of colours: (r, g, b), "r,g,b" or "#rrggbb" -> class number.

    Raises:
        InputError: a colour is none.
    """
    if not colours:
        return None
    if not isinstance(colours, Mapping):
        raise InputError(f'{name}: colours is {colours!r}; wanted {{"r,g,b": class number}}.')
    table = {}
    for key, number in colours.items():
        try:
            if isinstance(key, str) and key.startswith("#"):
                parts = tuple(bytes.fromhex(key[1:]))
            else:
                parts = tuple(int(x) for x in (key.split(",") if isinstance(key, str) else key))
            if len(parts) != 3 or not all(0 <= x <= 255 for x in parts):
                raise ValueError
            table[parts] = int(number)
            if abs(table[parts]) > MOST:
                raise ValueError
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f'{name}: colours has {key!r}: {number!r}; wanted "r,g,b" or "#rrggbb" -> class '
                "number."
            ) from error
    return table
