"""Looking a thing up by its name, with an error that says what there is."""

import difflib
from collections.abc import Mapping
from typing import Any

from cen_keras.errors import InputError


def look_up(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """Returns `table[name]`.

    Raises:
        InputError: there is none of that name; the closest one and all known ones are listed.
    """
    if name not in table:
        close = difflib.get_close_matches(str(name), list(table), n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise InputError(f"{kind} {name!r} is unknown{meant}; choose one of {', '.join(table)}.")
    return table[name]
