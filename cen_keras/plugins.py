"""Data sets, backbones, decoders and callbacks of one's own, under names that recipes know.

    cen_keras.register("backbone", "mine", build)

in a module or a recipe's file; or in an installed package, without a call:

    [project.entry-points."cen_keras.backbones"]
    mine = "my_package.networks:build"

Other commands than the one that was given the file learn of its names by CEN_KERAS_PLUGINS, paths of
Python files that are run when a name is not known.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from cen_keras.errors import InputError, suggestion

TABLES = {
    "dataset": ("cen_keras.data.datasets", "DATASETS"),
    "backbone": ("cen_keras.backbones", "BACKBONES"),
    "decoder": ("cen_keras.decoders", "DECODERS"),
    "callback": ("cen_keras.training.plugins", "CALLBACKS"),
}
"""Kind -> module and name of the table of what is in this package and what was registered."""

FILES = "CEN_KERAS_PLUGINS"
"""Variable of the environment: Python files, separated as in PATH."""

OWN_FILE = "cen_keras_file_"
"""Begins the names of modules that are such files."""

_OWNERS: dict[tuple[str, str], str] = {}
"""(kind, name) -> module that registered it."""


def group_of(kind: str) -> str:
    """Returns the group of entry points of a kind: "cen_keras.backbones"."""
    return f"cen_keras.{kind}s"


def register(kind: str, name: str, thing: Any) -> Any:
    """Gives a thing a name that recipes and models know.

    Args:
        kind: "dataset", a function (spec, split) -> `Views`; "backbone", a function image ->
            features; "decoder", a function (features, num_classes, **options) -> logits; or
            "callback", a subclass of `keras.callbacks.Callback`.
        name: a word; not one that is taken. A file that is run again may register again.
        thing: the function or class.

    Returns:
        `thing`.

    Raises:
        InputError: an unknown kind, a name that is taken, or something that cannot be called.
    """
    if kind not in TABLES:
        raise InputError(
            f"register: kind {kind!r} is unknown{suggestion(str(kind), TABLES)}; choose one of "
            f"{', '.join(TABLES)}."
        )
    if not isinstance(name, str) or not name or not callable(thing):
        raise InputError(
            f"register: found {name!r}: {thing!r}; wanted a word and a {kind}'s function or class."
        )
    table = _table(kind)
    taken = table.get(name)
    if kind == "callback" and taken is None:
        import keras

        taken = getattr(keras.callbacks, name, None)
    # Not the thing decides, which a file that is run again makes anew.
    owner = sys._getframe(1).f_globals.get("__name__", "")
    first = _OWNERS.get((kind, name), "keras" if kind == "callback" else TABLES[kind][0])
    if taken is not None and taken is not thing and first != owner:
        raise InputError(
            f"register: the {kind} {name!r} is there already, from {_shown(first)}; give that of "
            f"{_shown(owner)} another name."
        )
    _OWNERS[kind, name] = owner
    table[name] = thing
    return thing


def find(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    """Returns what a name means: an entry of a table, or what an installed package offers.

    Args:
        kind: a key of `TABLES`.
        name: of the thing.
        table: of this kind, what was registered included.

    Raises:
        InputError: there is none (the close ones and all are listed), or there are two.
    """
    points = entry_points(kind)
    if name not in table and name not in points:
        run_files()
    if name in table:
        if name in points:
            raise InputError(
                f"{kind} {name!r} is twice: here, and as {points[name].value} of an installed package "
                f"({group_of(kind)}); one of them needs another name."
            )
        return table[name]
    if name in points:
        return points[name].load()
    known = [*table, *points]
    raise InputError(
        f"{kind} {name!r} is unknown{suggestion(str(name), known)}; choose one of "
        f"{', '.join(known)}; one's own is made known with cen_keras.register, in a file that "
        f"{FILES} names for commands that do not run it."
    )


def entry_points(kind: str) -> dict[str, Any]:
    """Returns name -> entry point of what installed packages offer.

    Raises:
        InputError: two packages offer different things under one name.
    """
    found: dict[str, Any] = {}
    for point in importlib.metadata.entry_points(group=group_of(kind)):
        if point.name in found and found[point.name].value != point.value:
            raise InputError(
                f"{kind} {point.name!r} is offered twice: {found[point.name].value} and {point.value}; "
                "uninstall one of the packages."
            )
        found[point.name] = point
    return found


def run_files() -> None:
    """Runs the files that the environment names, those that have not been run yet.

    Raises:
        InputError: one is not there, or does not run.
    """
    for path in filter(None, os.environ.get(FILES, "").split(os.pathsep)):
        if _module_name(Path(path)) not in sys.modules:
            load_file(path)


def load_file(path: str | Path) -> ModuleType:
    """Runs a Python file as a module of its own.

    Raises:
        InputError: there is no such file, or it does not run.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except InputError:
        sys.modules.pop(name, None)
        raise
    except Exception as error:
        sys.modules.pop(name, None)
        raise InputError(f"{path} does not run: {type(error).__name__}: {error}.") from error
    return module


def _module_name(path: Path) -> str:
    # Two folders may hold files of one name.
    place = hashlib.sha256(str(path.expanduser().resolve()).encode()).hexdigest()[:8]
    return f"{OWN_FILE}{path.stem}_{place}"


def _shown(module: str) -> str:
    """A module's name; of a file that was run its path."""
    if not module.startswith(OWN_FILE):
        return module
    return getattr(sys.modules.get(module), "__file__", None) or module


def _table(kind: str) -> dict[str, Any]:
    # By name, as the modules of the tables look up entries here.
    module, attribute = TABLES[kind]
    return getattr(importlib.import_module(module), attribute)
