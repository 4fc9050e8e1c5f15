"""What a text means where a value of some type is wanted."""

import json
import types
import typing
from typing import Any

from cen_keras.errors import InputError


def convert(text: str, hint: Any, key: str) -> Any:
    """Returns the value that a text means where a type is wanted.

    Args:
        text: JSON ("1e-3", "true", "null", "[48, 64]"), or a bare word or words with commas.
        hint: bool, int, float, str, `tuple[x, ...]`, Any or a union of them, None included.
        key: for the message.

    Raises:
        InputError: the text means nothing of that type.
    """
    value = _json(text)
    if isinstance(value, str):
        # Python's words, which are no JSON.
        value = {"none": None, "true": True, "false": False}.get(text.lower(), value)
    # A bare word fits a string too, so what is null is null first.
    fits = [
        result
        for option in sorted(_options(hint), key=lambda option: option is not types.NoneType)
        if (result := _fit(value, text, option)) is not _NOTHING
    ]
    if not fits:
        wanted = " or ".join(getattr(o, "__name__", str(o)) for o in _options(hint))
        raise InputError(f"--set {key}={text}: wanted {wanted}.".replace("NoneType", "null"))
    return fits[0]


_NOTHING = object()


def _options(hint):
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return typing.get_args(hint)
    return (hint,)


def _fit(value, text, hint):
    """Returns `value` as `hint`, or _NOTHING if it is none."""
    if hint is Any:
        return tuple(value) if isinstance(value, list) else value
    if hint is types.NoneType:
        return None if value is None else _NOTHING
    if hint is str:
        return text if not isinstance(value, str) else value
    if hint is bool:
        return value if isinstance(value, bool) else _NOTHING
    if hint is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else _NOTHING
    if hint is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if number else _NOTHING
    if typing.get_origin(hint) is tuple:
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",") if part.strip()]
        elif isinstance(value, list):
            parts = [p if isinstance(p, str) else json.dumps(p) for p in value]
        else:
            return _NOTHING
        inner = typing.get_args(hint)[0]
        items = [convert(part, inner, "") for part in parts] if inner is Any else []
        if inner is not Any:
            items = [_fit(_json(part), part, inner) for part in parts]
        return _NOTHING if any(item is _NOTHING for item in items) else tuple(items)
    return _NOTHING


def _json(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
