"""Looking a thing up by its name, with an error that says what there is."""

from collections.abc import Mapping
from typing import Any

from cen_keras.errors import InputError, suggestion


def look_up(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """Returns `table[name]`.

    Raises:
        InputError: there is none of that name; the closest one and all known ones are listed.
    """
    if name not in table:
        meant = suggestion(str(name), table)
        raise InputError(f"{kind} {name!r} is unknown{meant}; choose one of {', '.join(table)}.")
    return table[name]
