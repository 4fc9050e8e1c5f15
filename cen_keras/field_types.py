"""Whether the fields of a dataclass hold what their annotations say: settings that users write."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from cen_keras.errors import InputError

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    dict: "a section of names and values",
    types.NoneType: "null",
}


def check_fields(value: Any, section: str = "") -> None:
    """Checks a dataclass, field by field; to be called in its `__post_init__`.

    Numbers have to be finite, lists are as good as tuples.

    Args:
        value: the dataclass.
        section: what stands before the names in the message, for instance "optimizer.".

    Raises:
        InputError: a field is of another type; the message names it, its value and what is wanted.
    """
    for name, hint in _hints(type(value)).items():
        check_value(f"{section}{name}", getattr(value, name), hint)


def check_value(name: str, value: Any, hint: Any) -> None:
    """Checks one argument, as `check_fields` does all fields.

    Raises:
        InputError: it is of another type; the message has its name and value, and what is wanted.
    """
    if not _fits(value, hint):
        raise InputError(f"{name} is {value!r}; wanted {_wanted(hint)}.")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _options(hint: Any) -> tuple:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    if origin is Any:
        return True
    if isinstance(value, bool | np.bool_):
        return origin is bool
    if origin is int:
        return isinstance(value, int | np.integer)
    if origin is float:
        return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)
    if origin is dict:
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if origin is not tuple:
        return isinstance(value, origin)
    if not isinstance(value, list | tuple):
        return False
    inner = typing.get_args(hint)
    if inner[-1] is Ellipsis:
        inner = inner[:1] * len(value)
    return len(value) == len(inner) and all(map(_fits, value, inner))


def _wanted(hint: Any) -> str:
    return " or ".join(map(_word, _options(hint)))


def _word(hint: Any) -> str:
    origin = typing.get_origin(hint) or hint
    if origin is not tuple:
        return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))
    inner = typing.get_args(hint)
    kind = _wanted(inner[0])
    return f"a list, each {kind}" if inner[-1] is Ellipsis else f"{len(inner)} values, each {kind}"
