"""The one error for what a user can mend."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class InputError(ValueError):
    """Something given from outside does not fit.

    The message names the file or argument, what was found, what was wanted and the way out; commands print it as
    one line and end with exit code 2.
    """


def suggestion(name: str, known: Iterable[str]) -> str:
    """Returns " (did you mean 'x'?)" for the closest of the known names, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def reason_of(error: Exception) -> str:
    """Returns why Keras could not load a model, of the pages that it says: the innermost error's first line."""
    return str(error).rpartition("Exception encountered: ")[2].strip().split("\n")[0]


@contextlib.contextmanager
def value_errors_of(section: str) -> Iterator[None]:
    """Makes an InputError of a ValueError, by which Keras refuses an argument of a layer.

    Args:
        section: of the recipe that gave the argument, for the message.
    """
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{section}: {reason_of(error)}") from error
