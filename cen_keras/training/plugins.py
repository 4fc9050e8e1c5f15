"""What is not in the package: classes of Keras, of an installed package or of a user's file, by name."""

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from cen_keras.errors import InputError, close_to
from cen_keras.training.recipe import check_arguments

GROUP = "cen_keras.callbacks"
"""Of entry points."""


def load_file(path: str | Path) -> ModuleType:
    """Runs a Python file as a module of its own.

    Raises:
        InputError: there is no such file, or it does not run.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    name = f"cen_keras_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} does not run: {type(error).__name__}: {error}.") from error
    return module


def find_callback(name: str) -> type:
    """Returns the class of callbacks that a name means.

    Args:
        name: a class of `keras.callbacks`; an entry point of the group "cen_keras.callbacks";
            "FILE.py:CLASS"; or "package.module:CLASS".

    Raises:
        InputError: there is none, or it is no callback.
    """
    import keras

    place, colon, attribute = name.rpartition(":")
    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if colon:
        try:
            module = load_file(place) if place.endswith(".py") else importlib.import_module(place)
        except ImportError as error:
            raise InputError(f"callbacks: {name!r}: {error}.") from error
        found = getattr(module, attribute, None)
    elif name in points:
        found = points[name].load()
    else:
        found = getattr(keras.callbacks, name, None)
    if not (isinstance(found, type) and issubclass(found, keras.callbacks.Callback)):
        known = [*points, *(n for n in dir(keras.callbacks) if n[0].isupper())]
        raise InputError(
            f"callbacks: {name!r} is no callback{close_to(name, known)}; give a class of "
            "keras.callbacks, an entry point, FILE.py:CLASS or package.module:CLASS."
        )
    return found


def callbacks_of(specs: Iterable[str | dict[str, Any]]) -> list[Any]:
    """Makes the callbacks of a recipe.

    Args:
        specs: of each its name, see `find_callback`, or a dict of the `name` and the arguments.

    Raises:
        InputError: there is no such callback, or it takes other arguments.
    """
    made = []
    for spec in specs:
        told = {"name": spec} if isinstance(spec, str) else dict(spec)
        name = told.pop("name", None)
        if not isinstance(name, str):
            raise InputError(f'callbacks: {spec!r} has no "name".')
        kind = find_callback(name)
        try:
            made.append(kind(**check_arguments(kind.__init__, told, f"callbacks.{name}")))
        except TypeError as error:
            raise InputError(f"callbacks.{name}: {error}.") from error
    return made
