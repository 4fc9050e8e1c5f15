"""`--set key=value`: changes of a recipe from the command line, checked against the recipe."""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Iterable
from typing import Any

from cen_keras.errors import InputError, close_to
from cen_keras.training.segmentation import Recipe

MAY_BE_ABSENT = ("augmentation", "decoder_options", "fusion_options", "input_channels")
"""Sections that a recipe may lack and whose parts can be set all the same."""

WORDS = ("model.fusion",)
"""Keys whose value is a word, "none" too."""


def apply_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Returns the recipe with `key=value` settings applied in order.

    Keys are dotted: `optimizer.learning_rate=1e-3`, `data.size=48,64`,
    `model.exchange_threshold=null`. A value takes the type that the recipe has there.

    Raises:
        InputError: a setting without "=", an unknown key (with the closest known one), or a value
            of another type.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InputError(
                f"--set {setting!r} has no '='; write key=value, for instance epochs=2."
            )
        recipe = _set(recipe, key.strip().split("."), text.strip(), key.strip())
    return recipe


def _set(value: Any, path: list[str], text: str, key: str) -> Any:
    """Returns `value`, a dataclass or dict, with the entry at `path` replaced."""
    name, rest = path[0], path[1:]
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value))
        known, hint = list(hints), hints.get(name)
    else:
        known, hint = list(value), None
        if name not in value:
            known += _more_keys(key.split(".")[: -len(path)], name, known)
    prefix = key[: len(key) - len(".".join(path))]
    if name not in known:
        raise InputError(
            f"--set {key}: there is no {prefix + name!r}{close_to(name, known)}; known: "
            f"{', '.join(prefix + other for other in known)}."
        )
    old = getattr(value, name) if dataclasses.is_dataclass(value) else value.get(name)
    if rest:
        old = {} if name in MAY_BE_ABSENT and old is None else old
        if not isinstance(old, dict) and not dataclasses.is_dataclass(old):
            raise InputError(f"--set {key}: {prefix + name} has no parts; found {old!r}.")
        new = _set(old, rest, text, key)
    elif dataclasses.is_dataclass(old) or isinstance(old, dict):
        raise InputError(
            f"--set {key}: it has parts; set one of {', '.join(f'{key}.{p}' for p in _parts(old))}."
        )
    else:
        hint = str if key in WORDS else hint
        new = convert(text, hint if hint is not None else _hint_of(old), key)
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(value, **{name: new})
    return {**value, name: new}


def _parts(value):
    return [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else value


def _more_keys(section: list[str], wanted: str, known: list[str]) -> list[str]:
    """Returns what a section of the recipe, by its path, takes beside the keys that it has."""
    if section == ["model", "decoder_options"]:
        from cen_keras.decoders import DECODERS, options_of

        names = dict.fromkeys(name for d in DECODERS.values() for name in options_of(d) or ())
        return [name for name in names if name not in known]
    if section == ["model", "fusion_options"]:
        from cen_keras.layers.fusion import OPTIONS

        names = dict.fromkeys(name for options in OPTIONS.values() for name in options)
        return [name for name in names if name not in known]
    if section == ["model", "input_channels"]:
        return [wanted]  # Any modality.
    if section == ["data"]:
        return [wanted]  # The data set checks its own options.
    if section == ["model"]:
        from cen_keras.models import Segmenter, Translator

        # A target has only the model of a translation.
        kind = Translator if "target" in known else Segmenter
        arguments = inspect.signature(kind.__init__).parameters
        return [name for name in arguments if name not in ("self", "kwargs", "num_classes", *known)]
    if section == ["augmentation"] and "resize" in known:
        from cen_keras.data.image_domains import ImageAugmentation

        return [f for f in inspect.signature(ImageAugmentation).parameters if f not in known]
    if section == ["augmentation"]:
        from cen_keras.training.segmentation_task import augmentation_of

        kind, _ = augmentation_of({"name": "official"} if "name" in known else {})
        return [name for name in inspect.signature(kind).parameters if name not in known]
    return []


def _hint_of(old: Any) -> Any:
    """Returns the type of a dict's entry, by its present value; null is always allowed."""
    if old is None:
        return Any
    if isinstance(old, (list, tuple)):
        return tuple[Any, ...] | None
    return type(old) | None


def convert(text: str, hint: Any, key: str) -> Any:
    """Returns the value that a text means where a type is wanted.

    Args:
        text: JSON ("1e-3", "true", "null", "[48, 64]"), or a bare word or words with commas.
        hint: bool, int, float, str, `tuple[x, ...]`, Any or a union of them, None included.
        key: for the message.

    Raises:
        InputError: the text means nothing of that type.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = {"none": None, "true": True, "false": False}.get(text.lower(), text)
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
            if "," not in value:
                return _NOTHING
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
