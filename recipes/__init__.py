"""Recipes: a data set, a model and how to train it, each with what to expect of it.

A recipe is a module with a `RECIPE`; `python -m recipes.train --list` shows them all. One's own is
a file anywhere: `python -m recipes.train ./my_recipe.py`; `python -m recipes.new my_data` writes a
first one for a folder of pictures.
"""

import importlib
from pathlib import Path
from typing import Any


def __getattr__(name: str) -> Any:
    # `from recipes import rooms_tiny`, whatever the folder that it is in.
    for path in Path(__file__).parent.glob(f"*/{name}.py"):
        if path.parent.name in ("segmentation", "translation"):
            return importlib.import_module(f"recipes.{path.parent.name}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
