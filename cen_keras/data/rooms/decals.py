"""What hangs flush on a wall: windows, pictures, screens, doors.

They lie in the plane of the wall, so no depth sensor can see them; their colours are the only
evidence.
"""

import dataclasses

import numpy as np

from cen_keras.data.rooms import materials
from cen_keras.data.rooms.dressing import dress

DOOR = 30
"""Kind of a door: a panel of wall; its label is Wall."""


@dataclasses.dataclass(frozen=True)
class Decal:
    """A rectangle on a wall.

    Attributes:
        face: which wall, 0..3.
        low: lower corner along the wall and upwards, metres.
        high: the opposite corner, metres.
        kind: `materials.WINDOW`, `PICTURE`, `SCREEN` or `DOOR`.
        label: class number.
        first: linear colour of the frame.
        second: linear colour of the content.
        seed: varies the content.
        night: whether it is dark outside; only windows care.
        rich: whether windows are dressed and pictures muted, see `RoomSpec.decor`.
    """

    face: int
    low: tuple[float, float]
    high: tuple[float, float]
    kind: int
    label: int
    first: np.ndarray
    second: np.ndarray
    seed: int
    night: bool = False
    rich: bool = False


def paint(decal: Decal, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour of points inside a decal.

    Args:
        decal: the rectangle.
        u: float32 (n,), metres along the wall.
        v: float32 (n,), metres above the floor.

    Returns:
        colour, float32 (n, 3), linear light; and glow, float32 (n,): 0 = lit by the room, 1 =
        shines by itself.
    """
    width, height = decal.high[0] - decal.low[0], decal.high[1] - decal.low[1]
    x, y = (u - decal.low[0]) / width, (v - decal.low[1]) / height
    edge = np.minimum(
        np.minimum(u - decal.low[0], decal.high[0] - u),
        np.minimum(v - decal.low[1], decal.high[1] - v),
    )
    painter = {
        materials.WINDOW: _window,
        materials.PICTURE: _picture,
        materials.SCREEN: _screen,
        DOOR: _door,
    }[decal.kind]
    return painter(decal, x, y, edge, width, height)


def _window(decal, x, y, edge, width, height):
    """Sky, hills and a frame with bars; at night a dark pane with a few lights."""
    rng = np.random.default_rng(decal.seed)
    horizon = rng.uniform(0.25, 0.5) + 0.1 * np.sin(x * rng.uniform(3, 9) + rng.uniform(0, 6))
    horizon = horizon + 0.06 * materials.clouds(x, x * 0, 0.2, decal.seed)
    sky_low = materials.hsv_to_linear(0.56, rng.uniform(0.0, 0.25), 1.0)
    sky_high = materials.hsv_to_linear(rng.uniform(0.55, 0.62), rng.uniform(0.1, 0.6), 0.95)
    ground = materials.hsv_to_linear(rng.uniform(0.1, 0.35), rng.uniform(0.2, 0.6), 0.6)
    cloud = np.clip(materials.clouds(x * width, y * height * 2, 0.8, decal.seed) * 2 - 1, 0, 1)
    sky = sky_low + (sky_high - sky_low) * np.clip((y - 0.3) / 0.7, 0, 1)[:, None]
    sky = sky + (1.0 - sky) * cloud[:, None]
    leaves = 0.5 + materials.clouds(x * width, y * height, 0.15, decal.seed + 1)
    colour = np.where((y < horizon)[:, None], ground * leaves[:, None], sky) * 1.3
    glow = np.ones_like(x)
    if decal.night:
        lights = materials.hashed((x * 24).astype(np.int64), (y * 24).astype(np.int64), decal.seed)
        lit = (lights > 0.93) & (y < horizon + 0.15)
        colour = np.where(lit[:, None], np.float32([0.9, 0.7, 0.35]), colour * 0.02)
    bars = edge < 0.06
    columns, rows = max(1, round(width / 0.7)), max(1, round(height / 0.8))
    for count, place, size in ((columns, x, width), (rows, y, height)):
        for bar in range(1, count):
            bars |= np.abs(place - bar / count) * size < 0.025
    colour, glow = np.where(bars[:, None], decal.first, colour), np.where(bars, 0, glow)
    return dress(decal, x, y, colour, glow) if decal.rich else (colour, glow)


def _picture(decal, x, y, edge, width, height):
    """A frame, often a passe-partout, and inside blobs, blocks or a landscape."""
    rng = np.random.default_rng(decal.seed)
    style = rng.integers(3)
    base = rng.uniform(0, 1)
    if style == 0:
        field = materials.clouds(x, y, 0.6, decal.seed) * 6
        share = (np.floor(field) / 6 + base) % 1
    elif style == 1:
        cells = rng.integers(2, 5)
        i, j = np.floor(x * cells).astype(np.int64), np.floor(y * cells).astype(np.int64)
        share = materials.hashed(i, j, decal.seed % 1000)
    else:
        ridge = 0.45 + 0.15 * np.sin(x * rng.uniform(3, 10) + base * 6)
        share = (np.where(y < ridge, 0.15, 0.55) + 0.12 * np.floor(y * 4) / 4 + base) % 1
    colour = materials.rainbow(share.astype(np.float32)) + 0.12 * decal.second
    frame = rng.uniform(0.025, 0.06)
    if decal.rich:
        grey = colour.mean(axis=1, keepdims=True)
        colour = grey + rng.uniform(0, 0.8) * (colour - grey)
        frame = rng.uniform(0.012, 0.04)
    if rng.random() < 0.5:
        mat = frame + rng.uniform(0.03, 0.09)
        colour = np.where((edge < mat)[:, None], np.float32([0.8, 0.8, 0.76]), colour)
    return np.where((edge < frame)[:, None], decal.first, colour), np.zeros_like(x)


def _screen(decal, x, y, edge, width, height):
    """A television: dark glass with the ghost of a reflection, or switched on with a picture."""
    rng = np.random.default_rng(decal.seed)
    reflection = 0.012 + 0.05 * np.exp(-(((x + y * 0.6 - rng.uniform(0.4, 1.2)) / 0.18) ** 2))
    colour = reflection[:, None] * np.float32([0.8, 0.9, 1.0])
    glow = np.zeros_like(x)
    if rng.random() < 0.35:
        ridge = 0.4 + 0.2 * np.sin(x * 5 + rng.uniform(0, 6))
        share = (rng.uniform(0, 1) + 0.3 * (y < ridge) + 0.2 * materials.clouds(x, y, 0.4, 3)) % 1
        colour = materials.rainbow(share.astype(np.float32)) * 0.8
        glow = np.ones_like(x)
    bezel = edge < 0.025
    return np.where(bezel[:, None], np.float32([0.01, 0.01, 0.011]), colour), np.where(
        bezel, 0, glow
    )


def _door(decal, x, y, edge, width, height):
    """Two sunk panels, a frame and a knob."""
    colour = np.broadcast_to(decal.second, (len(x), 3)).copy()
    for low, high in ((0.1, 0.45), (0.52, 0.92)):
        inside = (x > 0.2) & (x < 0.8) & (y > low) & (y < high)
        rim = inside & ((x < 0.24) | (x > 0.76) | (y < low + 0.02) | (y > high - 0.02))
        colour[inside] *= 0.92
        colour[rim] *= 0.6
    knob = (x - 0.9) ** 2 * width**2 + (y - 0.47) ** 2 * height**2 < 0.035**2
    colour[knob] = 0.5
    colour[edge < 0.05] = decal.first
    return colour, np.zeros_like(x)
