"""Names of classes as people give them: alone, or each with the colour that labels have for it."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from cen_keras.data import text_files
from cen_keras.data.labels import hexadecimal
from cen_keras.errors import InputError

LISTS = ("classes.txt", "labels.txt")
"""Where names may stand, one a line, in or beside the folder."""
IGNORE_NAME = "ignore"
"""Instead of a class: pixels of its colour do not count."""

_COLOUR = r"#[0-9a-fA-F]{6}|\d{1,3}(?:[\s,;]+\d{1,3}){2}"
_LINE = re.compile(rf"(?P<name>[^=]*?[^=\s,;])\s*[=\s,;]\s*(?P<colour>{_COLOUR})")


@dataclasses.dataclass(frozen=True)
class Names:
    """Names of classes in the order of their numbers.

    Attributes:
        names: of the classes.
        colours: "#rrggbb" -> class number, or None for pixels that do not count; empty where names came alone.
    """

    names: tuple[str, ...]
    colours: dict[str, int | None]


def given_names(text: str) -> list[str]:
    """Returns what stands between the commas of a text, or on the lines of the file that it names."""
    path = Path(text).expanduser()
    if path.suffix and path.is_file():
        return lines_of(path)
    return [word.strip() for word in text.split(",") if word.strip()]


def names_beside(*folders: Path) -> list[str] | None:
    """The lines of a list of one of the usual names; None where there is none."""
    for folder in folders:
        for name in LISTS:
            if (folder / name).is_file():
                return lines_of(folder / name)
    return None


def lines_of(path: Path) -> list[str]:
    """The lines of a list or table of classes, without empty ones and the heading of a table."""
    return [
        line
        for line in text_files.lines_of(path)
        if line and not re.fullmatch("(?i)name,r,g,b", line)
    ]


def parsed(words: Sequence[str]) -> Names:
    """Reads names: "floor", or "floor=#c80000", in a table also "floor,200,0,0".

    A name that comes with several colours is one class; "ignore=#000000" is none.

    Raises:
        InputError: some have a colour and others none, a colour comes twice, or is none.
    """
    found = [_LINE.fullmatch(word) for word in words]
    if not any(found):
        wrong = [word for word in words if "=" in word]
        if wrong:
            raise InputError(f"class {wrong[0]!r}: has no colour behind '='; write NAME=#rrggbb.")
        return Names(tuple(words), {})
    names: list[str] = []
    colours: dict[str, int | None] = {}
    for word, match in zip(words, found, strict=True):
        if match is None:
            raise InputError(
                f"class {word!r}: has no colour, as others have; write NAME=#rrggbb for each, "
                f"{IGNORE_NAME}=#rrggbb for what does not count."
            )
        name, colour = match["name"].strip(), _hexadecimal(match["colour"], word)
        if colour in colours:
            raise InputError(f"class {word!r}: another class has the colour {colour} already.")
        if name != IGNORE_NAME and name not in names:
            names.append(name)
        colours[colour] = None if name == IGNORE_NAME else names.index(name)
    if not names:
        raise InputError(f"classes: there is only {IGNORE_NAME!r}; name one or more.")
    return Names(tuple(names), colours)


def _hexadecimal(colour: str, word: str) -> str:
    if colour.startswith("#"):
        return colour.lower()
    parts = [int(part) for part in re.findall(r"\d+", colour)]
    if max(parts) > 255:
        raise InputError(f"class {word!r}: {colour} is no colour; give three numbers of 0 to 255.")
    return hexadecimal(parts)
