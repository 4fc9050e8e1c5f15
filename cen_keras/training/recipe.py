"""What the recipes of all tasks share: checks of their fields, derived copies, JSON and back."""

import dataclasses
import json
from typing import Any, Self

from cen_keras.errors import InputError


def check_counts(section: str, value: Any, **least: int) -> None:
    """Checks counts of a recipe, or of a section of one; None passes.

    Args:
        section: what stands before the names in the message, for instance "optimizer.".
        value: what has the counts as attributes.
        **least: name -> the smallest value allowed.

    Raises:
        InputError: one is smaller; its name and value are told.
    """
    for name, bound in least.items():
        found = getattr(value, name)
        if found is not None and found < bound:
            raise InputError(f"{section}{name} is {found}; it must be at least {bound}.")


def check_choice(key: str, found: str, known: tuple[str, ...]) -> None:
    """Checks that a name is one of the known ones.

    Raises:
        InputError: it is not; all are told.
    """
    if found not in known:
        raise InputError(f"{key} {found!r} is unknown; take {' or '.join(known)}.")


class RecipeBase:
    """Base of the recipes, frozen dataclasses whose sections are frozen dataclasses."""

    def derive(self, name: str, **changes: Any) -> Self:
        """Returns a copy under another name; dicts among the changes are merged into its own."""
        for key, value in changes.items():
            if isinstance(value, dict) and isinstance(getattr(self, key), dict):
                changes[key] = {**getattr(self, key), **value}
        return dataclasses.replace(self, name=name, **changes)

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as JSON gives it back: lists instead of tuples."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

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
