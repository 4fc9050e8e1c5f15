"""Surfaces: procedural textures as functions of position on a face, in metres.

Every kind of surface may appear on walls, floors and furniture alike; only what hangs flush on a
wall (window, picture, screen) and the spines of books have kinds of their own, because there colour
is all there is to tell them by. Colours are linear light in 0..1; the sensor model applies the
gamma.
"""

import dataclasses
import functools

import numpy as np

PLAIN, STRIPES, CHECKER, TILES, WOOD, BRICKS, FABRIC, DOTS, PANELS = range(9)
"""Kinds that any surface may have."""

SPINES, WINDOW, PICTURE, SCREEN, LEAVES = range(20, 25)
"""Kinds that tell what the thing is."""

_TILE = 256


@dataclasses.dataclass(frozen=True)
class Materials:
    """A table of surfaces, one row each.

    Attributes:
        kind: uint8 (m,), one of the constants above.
        first: float32 (m, 3), main colour, linear 0..1.
        second: float32 (m, 3), the other colour.
        scale: float32 (m,), metres per repeat.
        seed: int64 (m,), shifts and varies the pattern.
        swap: bool (m,), whether the pattern runs along the other axis of the face.
    """

    kind: np.ndarray
    first: np.ndarray
    second: np.ndarray
    scale: np.ndarray
    seed: np.ndarray
    swap: np.ndarray


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """A muted colour such as walls, cloth and wood have; linear light, float32 (3,)."""
    value = rng.uniform(0.3, 0.92)
    saturation = rng.beta(1.3, 3.0) * 0.8
    hue = rng.choice([rng.normal(0.09, 0.05), rng.uniform(0, 1)], p=[0.6, 0.4]) % 1.0
    return hsv_to_linear(hue, saturation, value)


def hsv_to_linear(hue: float, saturation: float, value: float) -> np.ndarray:
    """HSV of a display colour (each 0..1) as linear light, float32 (3,)."""
    channels = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    ramp = np.clip(np.minimum(channels, 4 - channels), 0, 1)
    return ((value - value * saturation * ramp) ** 2.2).astype(np.float32)


def random_surface(rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray, float]:
    """Kind, two colours and scale of a surface that may belong to anything in the room."""
    kind = int(
        rng.choice(
            [PLAIN, STRIPES, CHECKER, TILES, WOOD, BRICKS, FABRIC, DOTS, PANELS],
            p=[0.30, 0.11, 0.05, 0.08, 0.17, 0.05, 0.14, 0.04, 0.06],
        )
    )
    first = random_colour(rng)
    if rng.random() < 0.7:
        second = np.clip(first * rng.uniform(0.45, 0.85), 0, 1).astype(np.float32)
    else:
        second = random_colour(rng)
    scale = {
        PLAIN: 0.5,
        STRIPES: rng.uniform(0.08, 0.35),
        CHECKER: rng.uniform(0.15, 0.4),
        TILES: rng.uniform(0.2, 0.5),
        WOOD: rng.uniform(0.1, 0.25),
        BRICKS: rng.uniform(0.2, 0.3),
        FABRIC: rng.uniform(0.03, 0.08),
        DOTS: rng.uniform(0.12, 0.3),
        PANELS: rng.uniform(0.4, 0.7),
    }[kind]
    return kind, first, second, float(scale)


@functools.cache
def _noise() -> tuple[np.ndarray, np.ndarray]:
    """White noise and smooth noise that repeat seamlessly, float32 (256, 256), 0..1."""
    white = np.random.default_rng(20201106).random((_TILE, _TILE))
    frequency = np.fft.fftfreq(_TILE)[:, None] ** 2 + np.fft.rfftfreq(_TILE)[None] ** 2
    smooth = np.fft.irfft2(np.fft.rfft2(white - 0.5) * np.exp(-frequency * 600), s=white.shape)
    smooth = np.clip(0.5 + smooth / (4 * smooth.std()), 0, 1)
    return white.astype(np.float32), smooth.astype(np.float32)


def hashed(i: np.ndarray, j: np.ndarray, seed: np.ndarray | int = 0) -> np.ndarray:
    """White noise at whole-numbered places, float32 0..1."""
    return _noise()[0][(i + seed * 7) % _TILE, (j + seed * 13) % _TILE]


def clouds(u: np.ndarray, v: np.ndarray, size: float, seed: np.ndarray | int = 0) -> np.ndarray:
    """Smooth noise with blobs of about `size` (in the unit of u and v), float32 0..1."""
    step = 16 / size
    i = np.floor(u * step).astype(np.int64) + seed * 31
    j = np.floor(v * step).astype(np.int64) + seed * 17
    return _noise()[1][i % _TILE, j % _TILE]


def _mix(kind: int, u, v, seed):
    """Share of the second colour, float32 0..1; u and v count repeats of the pattern."""
    if kind == PLAIN:
        return 0.25 * clouds(u, v, 1.0, seed)
    if kind == STRIPES:
        return (np.floor(u * 2) % 2).astype(np.float32)
    if kind == CHECKER:
        return ((np.floor(u) + np.floor(v)) % 2).astype(np.float32)
    if kind == TILES:
        i, j = np.floor(u), np.floor(v)
        grout = ((u - i < 0.06) | (v - j < 0.06)).astype(np.float32)
        return np.maximum(grout, 0.35 * hashed(i.astype(np.int64), j.astype(np.int64), seed))
    if kind == WOOD:
        plank = np.floor(u).astype(np.int64)
        tone = 0.6 * hashed(plank, plank, seed)
        grain = 0.4 * clouds(u * 3, v * 0.25, 1.0, seed + plank)
        return np.where(u - plank < 0.05, np.float32(1), tone + grain)
    if kind == BRICKS:
        row = np.floor(v * 3)
        shifted = u + 0.5 * (row % 2)
        column = np.floor(shifted)
        mortar = (v * 3 - row < 0.14) | (shifted - column < 0.05)
        tone = 0.4 * hashed(row.astype(np.int64), column.astype(np.int64), seed)
        return np.where(mortar, np.float32(1), tone)
    if kind == FABRIC:
        i, j = np.floor(u * 3).astype(np.int64), np.floor(v * 3).astype(np.int64)
        return 0.6 * hashed(i, j, seed) + 0.4 * clouds(u, v, 6.0, seed)
    if kind == DOTS:
        du, dv = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
        return (du * du + dv * dv < 0.07).astype(np.float32)
    if kind == PANELS:
        du, dv = u - np.floor(u), v * 0.6 - np.floor(v * 0.6)
        inner = (du > 0.12) & (du < 0.88) & (dv > 0.08) & (dv < 0.92)
        line = inner & ((du < 0.17) | (du > 0.83) | (dv < 0.11) | (dv > 0.89))
        return np.where(line, np.float32(1), 0.15 * inner.astype(np.float32))
    raise ValueError(f"materials: no pattern for kind {kind}.")


# What the patterns average to; far away they fade into it instead of flickering.
_MEAN = {
    PLAIN: 0.12,
    STRIPES: 0.5,
    CHECKER: 0.5,
    TILES: 0.28,
    WOOD: 0.52,
    BRICKS: 0.35,
    FABRIC: 0.5,
    DOTS: 0.22,
    PANELS: 0.15,
}

# Finest detail of each pattern as a share of its repeat, for the same fading.
_DETAIL = {
    PLAIN: 2.0,
    STRIPES: 0.5,
    CHECKER: 1.0,
    TILES: 0.3,
    WOOD: 0.5,
    BRICKS: 0.3,
    FABRIC: 0.33,
    DOTS: 0.5,
    PANELS: 0.15,
}


def surface_colour(
    materials: Materials, index: np.ndarray, u: np.ndarray, v: np.ndarray, footprint: np.ndarray
) -> np.ndarray:
    """Colour of the general kinds and of `SPINES` and `LEAVES`.

    Args:
        materials: the table.
        index: integers (n,), row of the table for each point.
        u: float32 (n,), metres along the face.
        v: float32 (n,), metres along the face, upwards on upright faces.
        footprint: float32 (n,), metres that a pixel covers there.

    Returns:
        float32 (n, 3), linear light 0..1.
    """
    kinds = materials.kind[index]
    scale = materials.scale[index]
    seed = materials.seed[index]
    swap = materials.swap[index]
    a, b = np.where(swap, v, u) / scale, np.where(swap, u, v) / scale
    mix = np.zeros(len(index), np.float32)
    for kind in np.unique(kinds):
        at = np.flatnonzero(kinds == kind)
        if kind in _MEAN:
            share = _mix(int(kind), a[at], b[at], seed[at])
            keep = np.clip(1.6 - footprint[at] / (scale[at] * _DETAIL[int(kind)]), 0, 1)
            mix[at] = _MEAN[int(kind)] + keep * (share - _MEAN[int(kind)])
    first, second = materials.first[index], materials.second[index]
    colour = first + mix[:, None] * (second - first)
    for kind, paint in ((SPINES, _spines), (LEAVES, _leaves)):
        at = np.flatnonzero(kinds == kind)
        if len(at):
            colour[at] = paint(u[at], v[at], seed[at], first[at])
    return colour


def rainbow(share: np.ndarray) -> np.ndarray:
    """Saturated and less saturated colours by a number in 0..1, linear light."""
    phase = share[:, None] * 6.283 * 3 + np.array([0.0, 2.1, 4.2], np.float32)
    value = 0.25 + 0.75 * ((share * 7) % 1)
    return (0.08 + 0.6 * (0.5 + 0.5 * np.cos(phase)) ** 2) * value[:, None]


def _spines(u, v, seed, first):
    """Books side by side, each with a colour of its own and a band for the title."""
    column = np.floor(u / 0.045).astype(np.int64)
    inside = u / 0.045 - column
    colour = rainbow(hashed(column, column * 3, seed))
    band = np.abs(v - 0.06 * hashed(column, column + 9, seed)) < 0.015
    colour = np.where(band[:, None], 0.75 - 0.6 * colour, colour)
    return colour * np.where(inside < 0.14, 0.25, 1.0)[:, None].astype(np.float32)


def _leaves(u, v, seed, first):
    """Foliage: light and dark blobs of one colour."""
    return first * (0.4 + 1.2 * clouds(u, v, 0.25, seed))[:, None]
