"""Callbacks by name: classes of Keras, registered ones, of an installed package or of a user's file."""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from cen_keras.errors import InputError, suggestion
from cen_keras.plugins import entry_points, load_file, run_files
from cen_keras.training.recipe import check_arguments

CALLBACKS: dict[str, type] = {}
"""Registered ones."""


def find_callback(name: str) -> type:
    """Returns the class of callbacks that a name means.

    Args:
        name: a class of `keras.callbacks`; one that was registered, or an entry point of the group
            "cen_keras.callbacks"; "FILE.py:CLASS"; or "package.module:CLASS".

    Raises:
        InputError: there is none, or it is no callback.
    """
    import keras

    place, colon, attribute = name.rpartition(":")
    points = entry_points("callback")
    known = getattr(keras.callbacks, name, None)
    if known is None and not colon and name not in CALLBACKS and name not in points:
        run_files()
    if colon:
        try:
            module = load_file(place) if place.endswith(".py") else importlib.import_module(place)
        except ImportError as error:
            raise InputError(f"callbacks: {name!r}: {error}.") from error
        found = getattr(module, attribute, None)
    elif name in CALLBACKS:
        found = CALLBACKS[name]
    elif name in points:
        found = points[name].load()
    else:
        found = known
    if not (isinstance(found, type) and issubclass(found, keras.callbacks.Callback)):
        own = [*CALLBACKS, *points]
        more = f"one of {', '.join(own)}" if own else "a registered one"
        names = [*own, *(n for n in dir(keras.callbacks) if n[0].isupper())]
        raise InputError(
            f"callbacks: {name!r} is no callback{suggestion(name, names)}; give a class of "
            f"keras.callbacks, {more}, FILE.py:CLASS or package.module:CLASS."
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
        options = {"name": spec} if isinstance(spec, str) else spec
        options = dict(options) if isinstance(options, Mapping) else {}
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise InputError(f'callbacks: {spec!r} has no "name".')
        kind = find_callback(name)
        try:
            made.append(kind(**check_arguments(kind.__init__, options, f"callbacks.{name}")))
        except TypeError as error:
            raise InputError(f"callbacks.{name}: {error}.") from error
    return made


def check_rates(callbacks: Iterable[Any], optimizer: Any) -> None:
    """Refuses callbacks that set the learning rate where they cannot, or only that of some variables.

    Args:
        callbacks: Keras callbacks.
        optimizer: of a recipe.

    Raises:
        InputError: a schedule sets the rate, or groups of variables have rates of their own.
    """
    import keras

    setters = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
    given = [type(c).__name__ for c in callbacks if isinstance(c, setters)]
    rates = [f"{part}_learning_rate" for part in ("encoder", "scale")]
    grouped = [rate for rate in rates if getattr(optimizer, rate, None) is not None]
    if given and (optimizer.schedule != "constant" or grouped):
        found = f"optimizer.{grouped[0]}" if grouped else f"optimizer.schedule={optimizer.schedule}"
        raise InputError(
            f"callbacks: {given[0]} sets the learning rate, and so does {found}; take optimizer.schedule=constant "
            "with one rate for all variables, or leave the callback out."
        )
