"""How much of a picture a training window shows."""

import math


def window_scale(picture: tuple[int, int], window: tuple[int, int]) -> tuple[float, float]:
    """Returns an `Augmentation.scale` for pictures that a net is going to see whole, as they are.

    From the factor at which the whole picture just fills the window, to that at which the window
    shows half of its height or width; at least to 1, the pixels that the net is going to see.

    Args:
        picture: height and width, pixels.
        window: height and width, pixels.
    """
    fill = max(wanted / side for wanted, side in zip(window, picture, strict=True))
    # Rounded up, or a row of padding would remain.
    least = math.ceil(100 * fill - 1e-9) / 100
    return least, max(round(2 * least, 2), 1.0)
