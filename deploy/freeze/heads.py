"""What a frozen graph gives for each output: logits, enlarged logits, or the class of every pixel."""

from collections.abc import Callable

import keras

from cen_keras.errors import InputError

from .layers import ArgMax

Head = Callable[[keras.KerasTensor, tuple[int, int], str], keras.KerasTensor]


def _logits(tensor, size, name):
    return tensor


def _upsampled(tensor, size, name):
    # Between pixel centres, as the loss and the runtime enlarge them.
    return keras.layers.Resizing(*size, interpolation="bilinear", name=f"{name}_upsampled")(tensor)


def _classes(tensor, size, name):
    return ArgMax(name=f"{name}_classes")(_upsampled(tensor, size, name))


HEADS: dict[str, Head] = {"logits": _logits, "upsampled": _upsampled, "classes": _classes}
"""Name of a head and the function (logits, size of the image, output's name) -> tensor.

"logits": (b, h', w', classes) at the decoder's resolution; the runtime enlarges them, which on a CPU
is the fastest way. "upsampled": (b, h, w, classes). "classes": (b, h, w, 1) int32, for a program that
cannot do the rest itself.
"""


def head_of(name: str) -> Head:
    """Looks a head up.

    Raises:
        InputError: there is none of this name.
    """
    if name not in HEADS:
        raise InputError(f"head {name!r} is unknown; choose one of {', '.join(HEADS)}.")
    return HEADS[name]
