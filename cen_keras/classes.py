"""Classes: the names of what is distinguished, and the colours that pictures show them in."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from cen_keras.data.labels import MOST_CLASSES, palette
from cen_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Classes:
    """Names and colours of the classes of a segmentation, in the order of their numbers.

    Attributes:
        names: one for each class.
        colours: RGB of each, 0 to 255; empty for distinct ones.

    Raises:
        InputError: no names, more than 255, a name twice, another number of colours than of names, or a colour that
            is none.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self):
        names = tuple(str(name) for name in self.names)
        if not names or len(set(names)) != len(names):
            raise InputError(f"classes are distinct names, at least one; found {names!r}.")
        if len(names) > MOST_CLASSES:
            raise InputError(
                f"there are {len(names)} classes; maps of them have at most {MOST_CLASSES}."
            )
        colours = self.colours if len(self.colours) else palette(len(names))
        colours = tuple(tuple(int(value) for value in colour) for colour in colours)
        if len(colours) != len(names):
            raise InputError(
                f"{len(names)} classes have {len(colours)} colours; give one RGB colour for each, or none."
            )
        wrong = [c for c in colours if len(c) != 3 or min(c) < 0 or max(c) > 255]
        if wrong:
            raise InputError(f"colour {wrong[0]!r} is none; wanted three numbers of 0 to 255.")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "colours", colours)

    def __len__(self) -> int:
        return len(self.names)

    def to_config(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {"names": list(self.names), "colours": [list(colour) for colour in self.colours]}


def classes_of(value: Classes | Mapping | Sequence[str] | int) -> Classes:
    """Returns the classes that a value stands for: a `Classes`, its config, names, or a number of them."""
    if isinstance(value, Classes):
        return value
    if isinstance(value, Mapping):
        return Classes(tuple(value["names"]), tuple(value.get("colours", ())))
    if isinstance(value, int):
        if value < 1:
            raise InputError(f"num_classes is at least 1; found {value}.")
        return Classes(tuple(f"class {number}" for number in range(value)))
    return Classes(tuple(value))
