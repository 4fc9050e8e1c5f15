"""What the recipes of all tasks share: checks of their fields, derived copies, JSON and back."""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any, Self

import numpy as np

from cen_keras.errors import InputError, suggestion


def check_counts(section: str, value: Any, **least: int) -> None:
    """Checks counts of a recipe, or of a section of one; None passes.

    Args:
        section: what stands before the names in the message, for instance "optimizer.".
        value: what has the counts as attributes.
        **least: name -> the smallest value allowed.

    Raises:
        InputError: one is smaller; the message has its name and value.
    """
    for name, bound in least.items():
        found = getattr(value, name)
        if found is not None and found < bound:
            raise InputError(f"{section}{name} is {found}; it must be at least {bound}.")


def check_choice(key: str, found: str, known: tuple[str, ...]) -> None:
    """Checks that a name is one of the known ones.

    Raises:
        InputError: it is not; the message names all.
    """
    if found not in known:
        raise InputError(f"{key} {found!r} is unknown; take {' or '.join(known)}.")


def arguments_of(function: Any) -> list[str]:
    """Returns the names of the arguments of a function or class."""
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "args", "kwargs")]


def fusion_keys(section: dict[str, Any] | str | None) -> list[str]:
    """Returns the keys that a recipe's section `model.fusion` takes."""
    from cen_keras.baselines import options_of

    name = section.get("name") if isinstance(section, dict) else section
    return ["name", *options_of(name or "exchange")]


def check_arguments(function: Any, arguments: dict[str, Any], section: str) -> dict[str, Any]:
    """Returns the arguments with lists as tuples, if the function takes them all.

    Raises:
        InputError: an argument the function does not have; the closest one is proposed.
    """
    known = arguments_of(function)
    for name in arguments:
        if name not in known:
            raise InputError(
                f"{section}.{name} is unknown{suggestion(name, known)}; known: {', '.join(known)}."
            )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}


class RecipeBase:
    """Base of the recipes, frozen dataclasses whose sections are frozen dataclasses."""

    def derive(self, name: str, **changes: Any) -> Self:
        """Returns a copy under another name; sections among the changes are merged into its own.

        A section of another `name` takes the place of the old one as a whole, as `data={"name":
        "frames", ...}` that of rooms, and `{}` empties one.
        """
        for key, value in changes.items():
            old = getattr(self, key, None)
            if isinstance(value, dict) and isinstance(old, dict):
                changes[key] = merged(old, value)
            elif isinstance(value, dict) and dataclasses.is_dataclass(old):
                changes[key] = dataclasses.replace(old, **check_arguments(type(old), value, key))
        return dataclasses.replace(self, name=name, **changes)

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as JSON gives it back: lists instead of tuples, paths as words.

        Raises:
            InputError: it holds what no file can keep.
        """
        return json.loads(json.dumps(dataclasses.asdict(self), default=_as_json))

    @classmethod
    def from_json(cls, value: dict[str, Any], source: str = "recipe") -> Self:
        """Makes a recipe from `to_json`.

        Raises:
            InputError: a key that no recipe has, or a missing one; `source` is named.
        """
        try:
            value = _tuples(value)
            for field in dataclasses.fields(cls):
                if dataclasses.is_dataclass(field.type):
                    value[field.name] = field.type(**_tuples(value[field.name]))
            return cls(**value)
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(
                f"{source} is not a recipe of this version ({error}). Use the version that wrote "
                "it, or another run folder."
            ) from error


def section_of(kind: type, value: dict[str, Any], source: str) -> Any:
    """Returns a section of a recipe made from JSON: a dataclass where `kind` is one, else a dict.

    Raises:
        InputError: a key that the section does not have; `source` is named.
    """
    value = _tuples(value)
    if not dataclasses.is_dataclass(kind):
        return value
    return kind(**check_arguments(kind, value, source))


def merged(old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Returns a section with changes; one of another `name` takes the place of the old one as a whole."""
    if not change or change.get("name", old.get("name")) != old.get("name"):
        return change
    both = {
        key: merged(old[key], value)
        for key, value in change.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return {**old, **change, **both}


def _as_json(value: Any) -> Any:
    """Returns what JSON keeps of a value that it does not know."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    from cen_keras.fusion import Fusion

    if isinstance(value, Fusion):
        return value.get_config()
    raise InputError(
        f"the recipe holds {value!r} ({type(value).__name__}), which its run folder cannot keep; "
        "give numbers, words, lists and sections of them: a network of one's own by the name it is "
        "registered with."
    )


def _tuples(value: dict[str, Any]) -> dict[str, Any]:
    # `dict` refuses what is no section with one of the errors above.
    return {key: tuple(v) if isinstance(v, list) else v for key, v in dict(value).items()}


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Returns dotted key -> leaf of nested dicts."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    flat = {}
    for key, inner in value.items():
        flat.update(flatten(inner, f"{prefix}.{key}" if prefix else key))
    return flat


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns "key: old value, now new value" for the leaves in which two recipes' JSON differ.

    `workers` is left out: it does not change the result.
    """
    old, new = flatten(old), flatten(new)
    absent = "nothing"
    return [
        f"{key}: {old.get(key, absent)!r}, now {new.get(key, absent)!r}"
        for key in sorted(old.keys() | new.keys())
        if key not in ("workers", "data.workers", "data.cache")
        and old.get(key, absent) != new.get(key, absent)
    ]
