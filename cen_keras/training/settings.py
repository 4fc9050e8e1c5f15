"""`--set key=value`: changes of a recipe from the command line, checked against the recipe.

A key is dotted. A section is replaced as a whole by JSON or by its name, emptied by null; another
`name` of a section drops the options of the old one, which a line of the log says.

    optimizer.learning_rate=1e-3      data.name=frames      augmentation=null
    model.fusion={"name": "concat"}   model.fusion=concat   optimizer={"name": "sgd"}
"""

import dataclasses
import json
import logging
import typing
from collections.abc import Iterable
from typing import Any

from cen_keras.errors import InputError, suggestion
from cen_keras.training.recipe import RecipeBase, section_of
from cen_keras.training.setting_values import convert
from cen_keras.training.task import task_of

logger = logging.getLogger(__name__)

MAY_BE_ABSENT = {"augmentation": {}, "decoder_options": {}, "fusion": {"name": "exchange"}}
"""Sections that a recipe may lack, and what they are then: their parts can be set all the same."""

WORDS = ("model.fusion",)
"""Sections of which "none" is a name."""

NEEDED = ("data", "model")
"""Sections that cannot be empty."""

NAMED = ("augmentation", *WORDS)
"""Sections whose `name` may be left out of the recipe."""


def apply_settings(recipe: RecipeBase, settings: Iterable[str]) -> RecipeBase:
    """Returns the recipe with `key=value` settings applied in order.

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
        recipe = _Setting(recipe, key.strip(), text.strip()).set(recipe, key.strip().split("."))
    return recipe


@dataclasses.dataclass(frozen=True)
class _Setting:
    """One setting of a recipe."""

    recipe: RecipeBase
    key: str
    text: str

    def set(self, value: Any, path: list[str]) -> Any:
        """Returns `value`, a dataclass or dict, with the entry at `path` replaced."""
        name, rest = path[0], path[1:]
        prefix = self.key[: len(self.key) - len(".".join(path))]
        hint = self._hint(value, name, prefix)
        old = getattr(value, name) if dataclasses.is_dataclass(value) else value.get(name)
        if rest:
            if name in MAY_BE_ABSENT and (old is None or isinstance(old, str)):
                old = MAY_BE_ABSENT[name] if old is None else {"name": old}
            if not _is_section(old):
                raise InputError(f"--set {self.key}: {prefix + name} has no parts; found {old!r}.")
            new = self.set(old, rest)
        elif _is_section(old) or name in MAY_BE_ABSENT:
            new = self._section(old, hint)
        else:
            new = convert(self.text, hint, self.key)
        if dataclasses.is_dataclass(value):
            return dataclasses.replace(value, **{name: new})
        if name == "name" and value.get(name, new) != new and not rest:
            return self._renamed(value, new, prefix.rstrip("."))
        return {**value, name: new}

    def _hint(self, value, name, prefix):
        """Returns the type of an entry, by the dataclass or by its present value; null always is."""
        if dataclasses.is_dataclass(value):
            hints = typing.get_type_hints(type(value))
            known, hint = list(hints), hints.get(name)
        else:
            known, hint = list(value), _hint_of(value.get(name))
            if name not in value:
                section = prefix.rstrip(".")
                # A data set checks its own options.
                free = section in ("data", "normalization")
                more = [name] if free else task_of(self.recipe).keys_of(self.recipe, section)
                known += [key for key in more if key not in known]
        if name not in known:
            raise InputError(
                f"--set {self.key}: there is no {prefix + name!r}{suggestion(name, known)}; known: "
                f"{', '.join(prefix + other for other in known)}."
            )
        return hint

    def _section(self, old, hint):
        """Returns the section that takes the place of another as a whole."""
        try:
            value = json.loads(self.text)
        except json.JSONDecodeError:
            empty = self.text.lower() == "none" and self.key not in WORDS
            value = None if empty else self.text
        if isinstance(value, dict):
            return section_of(type(old), value, f"--set {self.key}")
        if value is None and self.key not in NEEDED and not dataclasses.is_dataclass(old):
            return None if type(None) in (typing.get_args(hint) or ()) else {}
        named = self.key in NAMED or (isinstance(old, dict) and "name" in old)
        if isinstance(value, str) and named:
            old = {"name": old} if isinstance(old, str) else old or {}
            return old if value == old.get("name") else self._renamed(old, value, self.key)
        parts = [f.name for f in dataclasses.fields(old)] if dataclasses.is_dataclass(old) else old
        raise InputError(
            f"--set {self.key}: it has parts; give all of them as JSON, or set one of "
            f"{', '.join(f'{self.key}.{part}' for part in parts or ('name',))}."
        )

    def _renamed(self, old, name, section):
        """Returns a section that has another name, without the options of the old one."""
        dropped = [key for key in old if key != "name"]
        if dropped:
            logger.warning(
                "%s: %r takes the place of %r, whose %s no longer count.",
                section,
                name,
                old.get("name"),
                ", ".join(dropped),
            )
        return {"name": name}


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) or dataclasses.is_dataclass(value)


def _hint_of(old: Any) -> Any:
    if old is None:
        return Any
    if isinstance(old, (list, tuple)):
        return tuple[Any, ...] | None
    if type(old) is int:
        return int | float | None  # Whoever takes it checks it: 0 may stand for 0.0.
    return type(old) | None
