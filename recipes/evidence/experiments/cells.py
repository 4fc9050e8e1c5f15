"""A cell: one training, known by what it trains and not by where it stands in a table."""

import dataclasses
import hashlib
import json
import shlex
from typing import Any

from cen_keras.training.settings import apply_settings
from recipes.listing import recipe_of

FIRST_SEED = 1
"""Seed 0 is what the recipes' numbers were chosen on, so it is in no table."""

UNSEEN = ("cache", "root", "workers")
"""Keys of a recipe and of its data that do not tell trainings apart."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training: a recipe with settings and a seed. Equal trainings are equal cells.

    Attributes:
        recipe: name.
        settings: `key=value`, without the seed.
        seed: of the training; the data stay the same.
    """

    recipe: str
    settings: tuple[str, ...]
    seed: int

    @property
    def arguments(self) -> list[str]:
        """Of `recipes.evidence.run`: which training it is."""
        settings = (part for setting in self.settings for part in ("--set", setting))
        return [self.recipe, "--seed", str(self.seed), *settings]

    @property
    def command(self) -> str:
        """The command that repeats just this training and its scores."""
        return f"python -m recipes.evidence.run {shlex.join(self.arguments)}"

    def made(self) -> Any:
        """Returns the recipe with the settings and the seed."""
        return apply_settings(recipe_of(self.recipe), (f"seed={self.seed}", *self.settings))

    @property
    def digest(self) -> str:
        """Names all that decides the training but the seed, 12 hexadecimal digits.

        It is that of all that the recipe says beside its defaults, so that another order or spelling
        of the settings is the same training, and a changed recipe another one.
        """
        recipe = self.made()
        settings = _non_defaults(dataclasses.replace(recipe, seed=0))
        settings["data"] = dict(recipe.data)
        for section in (settings, settings["data"]):
            for key in UNSEEN:
                section.pop(key, None)
        if recipe.task == "translation":
            settings["features"] = FEATURES.digest
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def folder(self) -> str:
        """Run folder below that of all runs; equal trainings have the same."""
        return f"{self.recipe}/{self.digest}/seed{self.seed}"

    @property
    def steps(self) -> int | None:
        """Updates of the whole training, None where they depend on the data."""
        recipe = self.made()
        return recipe.epochs * recipe.epoch_steps if recipe.epoch_steps else None


def _non_defaults(value: Any) -> Any:
    """Returns what a section of a recipe says beside its defaults."""
    if not dataclasses.is_dataclass(value):
        return value
    found = {}
    for field in dataclasses.fields(value):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if getattr(value, field.name) != default:
            found[field.name] = _non_defaults(getattr(value, field.name))
    return found


def only(*modalities: str) -> tuple[str, ...]:
    """Returns the setting that leaves these modalities."""
    return (f"model.modalities={json.dumps(modalities)}",)


FEATURES = Cell("rooms_evidence", only("rgb"), 0)
"""The net whose features FID and KID compare."""
