"""Lists that people write: text files with something a line."""

from pathlib import Path

from cen_keras.errors import InputError


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, blanks at both ends taken away, empty ones kept for their numbers.

    Line ends are those of any system; a mark of UTF-8 at the beginning, as Windows writes it, is none
    of the text.

    Raises:
        InputError: it cannot be read, or is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a list ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: cannot be read as a list ({error.reason}); save it as a text file in UTF-8."
        ) from error
    return [line.strip() for line in text.splitlines()]
