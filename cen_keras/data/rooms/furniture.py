"""Furniture from boxes, cylinders and ellipsoids.

Each maker puts the parts of one piece into a `Piece`: x along the wall, y from the wall into the
room, z up, the footprint centred on the origin. Surfaces are drawn from one stock for everything in
a room, so that colour does not tell a table from a bed.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from cen_keras.data.labels import NYU13_CLASSES
from cen_keras.data.rooms import materials
from cen_keras.data.rooms.raycast import BOX, CYLINDER, ELLIPSOID

CLASS = {name: number for number, name in enumerate(NYU13_CLASSES)}


@dataclasses.dataclass
class Piece:
    """Parts of one piece of furniture in its own frame.

    Attributes:
        rng: where its sizes come from.
        surface: gives the row of a surface that anything in the room may have.
        special: gives the row of a new surface of a kind and a colour.
        rich: whether pillows are things of their own, as in NYUDv2, or of their bed and sofa.
        width: footprint along the wall, metres.
        depth: footprint into the room, metres.
        parts: (kind, centre, half extents, yaw, class, surface) of each part.
    """

    rng: np.random.Generator
    surface: Callable[[], int]
    special: Callable[[int, np.ndarray], int]
    rich: bool = False
    width: float = 0.0
    depth: float = 0.0
    parts: list[tuple] = dataclasses.field(default_factory=list)

    def add(self, kind, low, high, label, surface, yaw=0.0) -> None:
        """Adds a solid that fills the box from `low` to `high` (metres), turned by `yaw`."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        self.parts.append((kind, (low + high) / 2, (high - low) / 2, yaw, CLASS[label], surface))

    @property
    def height(self) -> float:
        """Top of the highest part, metres."""
        return max(center[2] + half[2] for _, center, half, *_ in self.parts)


def bed(piece: Piece) -> None:
    """A bed with headboard, mattress, blanket and pillows."""
    rng = piece.rng
    w, d = rng.choice([rng.uniform(0.9, 1.2), rng.uniform(1.4, 1.9)]), rng.uniform(1.9, 2.1)
    piece.width, piece.depth = w, d
    top = rng.uniform(0.45, 0.62)
    frame, cloth, blanket = piece.surface(), piece.surface(), piece.surface()
    x, y = w / 2, d / 2
    piece.add(BOX, (-x, -y, 0.05), (x, y, top - 0.22), "Bed", frame)
    piece.add(BOX, (-x + 0.02, -y, top - 0.22), (x - 0.02, y - 0.02, top), "Bed", cloth)
    piece.add(BOX, (-x, -y, 0), (x, -y + 0.07, rng.uniform(0.8, 1.15)), "Bed", frame)
    start = -y + rng.uniform(0.55, 0.9)
    piece.add(BOX, (-x - 0.01, start, top - 0.3), (x + 0.01, y + 0.01, top + 0.03), "Bed", blanket)
    pillow = piece.surface()
    for place in (-w / 4, w / 4) if w > 1.3 else (0,):
        low = (place - 0.3, -y + 0.1, top - 0.03)
        piece.add(
            ELLIPSOID,
            low,
            (place + 0.3, -y + 0.52, top + 0.15),
            "Objects" if piece.rich else "Bed",
            pillow,
        )


def sofa(piece: Piece) -> None:
    """A sofa or an armchair: seat, back, two arms, cushions."""
    rng = piece.rng
    seats = int(rng.integers(1, 4))
    seat, arm = rng.uniform(0.55, 0.68), rng.uniform(0.12, 0.24)
    w, d = seats * seat + 2 * arm, rng.uniform(0.78, 0.95)
    piece.width, piece.depth = w, d
    level, back, side = rng.uniform(0.38, 0.46), rng.uniform(0.72, 0.95), rng.uniform(0.52, 0.65)
    cover = piece.surface()
    x, y = w / 2, d / 2
    piece.add(BOX, (-x, -y, 0.06), (x, y, level - 0.12), "Sofa", cover)
    piece.add(BOX, (-x, -y, 0.06), (x, -y + 0.22, back), "Sofa", cover)
    for low, high in ((-x, -x + arm), (x - arm, x)):
        piece.add(BOX, (low, -y, 0.06), (high, y, side), "Sofa", cover)
    cushion = piece.surface() if rng.random() < 0.4 else cover
    for i in range(seats):
        left = -x + arm + i * seat
        piece.add(
            BOX,
            (left + 0.01, -y + 0.2, level - 0.12),
            (left + seat - 0.01, y + 0.02, level),
            "Sofa",
            cushion,
        )
    if rng.random() < 0.6:
        left = -x + arm + rng.uniform(0, max(0.01, seats * seat - 0.45))
        low = (left, -y + 0.2, level)
        high = (left + 0.42, -y + 0.38, level + 0.4)
        piece.add(ELLIPSOID, low, high, "Objects" if piece.rich else "Sofa", piece.surface())


def table(piece: Piece) -> None:
    """A dining table, desk or coffee table on four legs or one foot, with things on it."""
    rng = piece.rng
    low = rng.random() < 0.35
    w = rng.uniform(0.8, 1.2) if low else rng.uniform(0.9, 1.8)
    d = rng.uniform(0.5, 0.7) if low else rng.uniform(0.65, 0.95)
    piece.width, piece.depth = w, d
    level = rng.uniform(0.36, 0.5) if low else rng.uniform(0.7, 0.78)
    thick = rng.uniform(0.03, 0.06)
    wood = piece.surface()
    x, y = w / 2, d / 2
    if rng.random() < 0.2:
        piece.add(CYLINDER, (-x, -y, level - thick), (x, y, level), "Table", wood)
        piece.add(CYLINDER, (-0.06, -0.06, 0), (0.06, 0.06, level - thick), "Table", wood)
        piece.add(CYLINDER, (-0.28, -0.28, 0), (0.28, 0.28, 0.04), "Table", wood)
        x, y = 0.65 * x, 0.65 * y
    else:
        piece.add(BOX, (-x, -y, level - thick), (x, y, level), "Table", wood)
        leg = rng.uniform(0.03, 0.045)
        for a in (-x + leg, x - leg):
            for b in (-y + leg, y - leg):
                piece.add(
                    BOX, (a - leg, b - leg, 0), (a + leg, b + leg, level - thick), "Table", wood
                )
    clutter(piece, (-x, -y), (x, y), level, int(rng.integers(1, 5)))


def chair(piece: Piece) -> None:
    """A chair with four legs, or an office chair on one foot."""
    rng = piece.rng
    w, d = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.52)
    piece.width, piece.depth = w, d
    level, back = rng.uniform(0.42, 0.5), rng.uniform(0.8, 1.05)
    wood = piece.surface()
    seat = piece.surface() if rng.random() < 0.4 else wood
    x, y = w / 2, d / 2
    piece.add(BOX, (-x, -y, level - 0.05), (x, y, level), "Chair", seat)
    if rng.random() < 0.3:
        piece.add(CYLINDER, (-0.035, -0.035, 0.06), (0.035, 0.035, level - 0.05), "Chair", wood)
        piece.add(CYLINDER, (-x, -y, 0), (x, y, 0.07), "Chair", wood)
    else:
        for a in (-x + 0.025, x - 0.025):
            for b in (-y + 0.025, y - 0.025):
                low = (a - 0.025, b - 0.025, 0)
                piece.add(BOX, low, (a + 0.025, b + 0.025, level - 0.05), "Chair", wood)
    bottom = level if rng.random() < 0.5 else level + 0.15
    piece.add(BOX, (-x, -y, bottom), (x, -y + 0.05, back), "Chair", seat)
    if bottom > level:
        for a in (-x, x - 0.04):
            piece.add(BOX, (a, -y, level), (a + 0.04, -y + 0.04, bottom), "Chair", wood)


def cabinet(piece: Piece) -> None:
    """A wardrobe, dresser or bedside cabinet: a body with a plinth and a top board."""
    rng = piece.rng
    size = rng.choice(3, p=[0.35, 0.4, 0.25])
    w = (rng.uniform(0.8, 1.8), rng.uniform(0.8, 1.5), rng.uniform(0.4, 0.6))[size]
    d = (rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.55), rng.uniform(0.35, 0.45))[size]
    h = (rng.uniform(1.7, 2.2), rng.uniform(0.7, 1.1), rng.uniform(0.42, 0.65))[size]
    piece.width, piece.depth = w, d
    body = piece.surface()
    x, y = w / 2, d / 2
    piece.add(BOX, (-x + 0.02, -y, 0), (x - 0.02, y - 0.04, 0.08), "Furniture", body)
    piece.add(BOX, (-x, -y, 0.08), (x, y - 0.02, h), "Furniture", body)
    if size:
        piece.add(BOX, (-x - 0.02, -y, h), (x + 0.02, y, h + 0.03), "Furniture", piece.surface())
        clutter(piece, (-x, -y), (x, y), h + 0.03, int(rng.integers(1, 4)))
    else:
        gap = 0.012
        for low, high in ((-x, -gap), (gap, x)):
            piece.add(BOX, (low, y - 0.02, 0.1), (high, y, h - 0.02), "Furniture", body)


def counter(piece: Piece) -> None:
    """A stretch of a kitchen: cabinets with fronts under a worktop, others on the wall above."""
    rng = piece.rng
    w, d, level = rng.uniform(1.2, 2.6), rng.uniform(0.58, 0.66), rng.uniform(0.84, 0.92)
    piece.width, piece.depth = w, d
    body = piece.surface()
    fronts = np.linspace(-w / 2, w / 2, max(2, round(w / rng.uniform(0.35, 0.6))) + 1)
    x, y, gap = w / 2, d / 2, 0.008
    rows = [(0.0, level, y - 0.02)]
    if rng.random() < 0.7:
        rows.append((rng.uniform(1.35, 1.5), rng.uniform(1.95, 2.25), -y + 0.34))
    for low, high, front in rows:
        piece.add(BOX, (-x, -y, low), (x, front - 0.02, high), "Furniture", body)
        for a, b in zip(fronts[:-1], fronts[1:], strict=True):
            start, end = (a + gap, front - 0.02, max(low + gap, 0.1)), (b - gap, front, high - gap)
            piece.add(BOX, start, end, "Furniture", body)
    piece.add(BOX, (-x, -y, level), (x, y, level + 0.04), "Furniture", piece.surface())
    clutter(piece, (-x, -y), (x, y), level + 0.04, int(rng.integers(2, 6)), limit=0.35, books=False)


def shelf(piece: Piece) -> None:
    """An open shelf with rows of books and a few things."""
    rng = piece.rng
    w, d, h = rng.uniform(0.8, 1.6), rng.uniform(0.28, 0.36), rng.uniform(1.2, 2.1)
    piece.width, piece.depth = w, d
    wood = piece.surface()
    x, y, board = w / 2, d / 2, 0.025
    piece.add(BOX, (-x, -y, 0), (x, -y + 0.02, h), "Furniture", wood)
    for low, high in ((-x, -x + board), (x - board, x)):
        piece.add(BOX, (low, -y, 0), (high, y, h), "Furniture", wood)
    rows = max(3, round(h / rng.uniform(0.36, 0.44)))
    gap = (h - board) / rows
    for row in range(rows + 1):
        level = row * gap
        piece.add(BOX, (-x, -y, level), (x, y, level + board), "Furniture", wood)
        if row == rows:
            break
        room = gap - board
        if rng.random() < 0.72:
            length = (w - 2 * board) * rng.uniform(0.55, 1.0)
            left = rng.uniform(-x + board, x - board - length)
            books_row(piece, left, left + length, y - 0.03, level + board, room)
        elif rng.random() < 0.7:
            clutter(piece, (-x, -y), (x, y), level + board, 2, limit=0.8 * room, books=False)


def books_row(piece: Piece, left, right, front, level, room) -> None:
    """Books side by side in groups of one height each, their spines towards the room."""
    groups = 1 if right - left < 0.4 else int(piece.rng.integers(1, 4))
    ends = np.linspace(left, right, groups + 1)
    for a, b in zip(ends[:-1], ends[1:], strict=True):
        top = level + min(room * piece.rng.uniform(0.68, 0.95), 0.36)
        spines = piece.special(materials.SPINES, materials.random_colour(piece.rng))
        back = front - piece.rng.uniform(0.16, 0.22)
        piece.add(BOX, (a, back, level), (b, front, top), "Books", spines)


def clutter(piece: Piece, low, high, level, count, limit=0.5, books=True) -> None:
    """Puts things on a board, and rows of books of the same sizes."""
    rng = piece.rng
    # One slot each, or things would stand inside each other.
    edges = np.linspace(low[0] + 0.03, high[0] - 0.03, count + 1)
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        wide = min(rng.uniform(0.16, 0.42), b - a)
        deep = min(rng.uniform(0.16, 0.3), (high[1] - low[1]) * 0.8)
        tall = min(rng.uniform(0.12, 0.42), limit)
        cx = rng.uniform(a + wide / 2, b - wide / 2 + 1e-6)
        cy = rng.uniform(low[1] + deep / 2, high[1] - deep / 2)
        start, end = (
            (cx - wide / 2, cy - deep / 2, level),
            (cx + wide / 2, cy + deep / 2, level + tall),
        )
        what = rng.random()
        if books and what < 0.4:
            spines = piece.special(materials.SPINES, materials.random_colour(rng))
            yaw = rng.choice([0.0, np.pi / 2, rng.uniform(-0.4, 0.4)])
            piece.add(BOX, start, end, "Books", spines, yaw)
        else:
            thing(piece, start, end)


def thing(piece: Piece, low, high) -> None:
    """Some object that fills a box: carton, drum, ball, plant or lamp."""
    rng = piece.rng
    style = rng.choice(5, p=[0.35, 0.2, 0.15, 0.15, 0.15])
    surface = piece.surface()
    (x0, y0, z0), (x1, y1, z1) = low, high
    if style == 0:
        piece.add(BOX, low, high, "Objects", surface, rng.uniform(-0.5, 0.5))
    elif style == 1:
        piece.add(CYLINDER, low, high, "Objects", surface)
    elif style == 2:
        piece.add(ELLIPSOID, low, high, "Objects", surface)
    else:
        middle = z0 + (z1 - z0) * (0.4 if style == 3 else 0.5)
        cx, cy, r = (x0 + x1) / 2, (y0 + y1) / 2, min(x1 - x0, y1 - y0) * 0.3
        piece.add(CYLINDER, (cx - r, cy - r, z0), (cx + r, cy + r, middle), "Objects", surface)
        if style == 3:
            green = materials.hsv_to_linear(rng.uniform(0.2, 0.38), rng.uniform(0.3, 0.7), 0.5)
            leaves = piece.special(materials.LEAVES, green)
            low = (x0, y0, middle - 0.03)
            piece.add(ELLIPSOID, low, high, "Objects", leaves)
        else:
            piece.add(CYLINDER, (x0, y0, middle), high, "Objects", piece.surface())


def floor_thing(piece: Piece) -> None:
    """Something that stands on the floor: plant, basket, carton, lamp, ball."""
    rng = piece.rng
    w = rng.uniform(0.3, 0.55)
    piece.width = piece.depth = w
    tall = rng.choice([rng.uniform(0.25, 0.5), rng.uniform(0.7, 1.3)])
    thing(piece, (-w / 2, -w / 2, 0), (w / 2, w / 2, tall))
