"""Where windows, pictures, screens and doors hang."""

import math

import numpy as np

from cen_keras.data.rooms import materials
from cen_keras.data.rooms.decals import DOOR, Decal
from cen_keras.data.rooms.furniture import CLASS


def hang(rng: np.random.Generator, size, placed, night: bool, rich: bool) -> list[Decal]:
    """Hangs windows, pictures, screens and a door side by side on the walls, above what stands there.

    Args:
        rng: all the choices come from here.
        size: (3,) of the room, metres.
        placed: (piece, x, y, yaw) of what stands in it.
        night: whether it is dark outside.
        rich: whether the decor is "rich", see `RoomSpec`.
    """
    decals = []
    tall = [(entry, entry[0].height) for entry in placed]
    names = ["Window", "Picture", "TV", "Picture", "Window", "TV", "Picture", "Door", "Picture"]
    names = names[:3] + [name for name in names[3:] if rng.random() < 0.75]
    if rich:
        names += ["Window", *["Picture"] * 4]
    spans: list[list] = [[], [], [], []]
    for name in names:
        for _ in range(12):
            face = int(rng.integers(4))
            length = float(size[1] if face < 2 else size[0])
            width, low, high = _decal_size(rng, name, float(size[2]), rich)
            if width > length - 0.3:
                continue
            left = rng.uniform(0.12, length - width - 0.12)
            span = (left, left + width)
            # Beds and sofas may stand before curtains.
            above = max(low, 0.75) if rich else low
            hidden = any(_hides(*entry, size, face, span, above) for entry in tall)
            if not hidden and not any(
                span[0] < b + 0.08 and a < span[1] + 0.08 for a, b in spans[face]
            ):
                spans[face].append(span)
                decals.append(_decal(rng, name, face, span, low, high, night, rich))
                break
    return decals


def _hides(entry, height, size, face, span, low) -> bool:
    """Whether a piece stands before a stretch of wall and reaches above `low`."""
    piece, x, y, yaw = entry
    if height < low + 0.15:
        return False
    swapped = abs(math.sin(yaw)) > 0.7
    reach_x, reach_y = (piece.depth, piece.width) if swapped else (piece.width, piece.depth)
    away = (x - reach_x / 2, size[0] - x - reach_x / 2, y - reach_y / 2, size[1] - y - reach_y / 2)
    middle, reach = (y, reach_y / 2) if face < 2 else (x, reach_x / 2)
    return away[face] < 0.3 and middle - reach < span[1] and span[0] < middle + reach


def _decal_size(rng, name, ceiling, rich):
    """Width, lower and upper edge; sizes of windows, pictures and screens overlap on purpose."""
    if name == "Door":
        return rng.uniform(0.75, 0.95), 0.0, rng.uniform(1.9, 2.05)
    if rich and name == "Window":
        low = rng.uniform(0.05, 0.3) if rng.random() < 0.35 else rng.uniform(0.7, 1.15)
        return rng.uniform(0.7, 2.0), low, ceiling - rng.uniform(0.1, 0.5)
    if rich and name == "Picture":
        width, low = rng.uniform(0.2, 0.9), rng.uniform(1.0, 1.6)
        return width, low, min(low + width * rng.uniform(0.7, 1.4), ceiling - 0.1)
    width = rng.uniform(0.7, 1.6) if name != "Picture" else rng.uniform(0.6, 1.4)
    height = width * rng.uniform(0.55, 0.8) if name == "TV" else rng.uniform(0.5, 1.2)
    low = rng.uniform(0.75, 1.15)
    return width, low, min(low + height, ceiling - 0.1)


def _decal(rng, name, face, span, low, high, night, rich) -> Decal:
    kind = {
        "Window": materials.WINDOW,
        "Picture": materials.PICTURE,
        "TV": materials.SCREEN,
        "Door": DOOR,
    }[name]
    first, second = materials.random_colour(rng), materials.random_colour(rng)
    if name == "Window" and rng.random() < 0.6:
        first = np.full(3, 0.75, np.float32)
    label = CLASS["Wall" if name == "Door" else name]
    seed = int(rng.integers(1 << 30))
    return Decal(
        face, (span[0], low), (span[1], high), kind, label, first, second, seed, night, rich
    )
