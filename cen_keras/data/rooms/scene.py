"""A room: its shell, what hangs on the walls, what stands in it and where the light comes from."""

import dataclasses
import math

import numpy as np

from cen_keras.data.rooms import furniture, materials
from cen_keras.data.rooms.decals import Decal
from cen_keras.data.rooms.furniture import Piece
from cen_keras.data.rooms.hanging import hang

WALL_YAW = (-math.pi / 2, math.pi / 2, 0.0, math.pi)
"""Turn that makes a piece's front face the room, for the walls x=0, x=size, y=0, y=size."""


@dataclasses.dataclass
class Solids:
    """A table of solids, one row each (see `raycast`).

    Attributes:
        kind: uint8 (n,).
        center: float32 (n, 3), world, metres.
        half: float32 (n, 3), half extents in the solid's frame, metres.
        cos: float32 (n,), of the turn about the vertical.
        sin: float32 (n,).
        label: uint8 (n,), class.
        surface: int32 (n,), row of the materials.
    """

    kind: np.ndarray
    center: np.ndarray
    half: np.ndarray
    cos: np.ndarray
    sin: np.ndarray
    label: np.ndarray
    surface: np.ndarray


@dataclasses.dataclass
class Scene:
    """All that a renderer needs to know of a room.

    Attributes:
        size: float32 (3,), the room spans from the world's origin to here, metres.
        solids: what stands in it.
        pieces: for each piece of furniture the numbers of its solids.
        bounds: a box around each piece.
        footprints: float (pieces, 5): x0, y0, x1, y1 on the floor and the height of the top.
        face_surface: int32 (6,), row of the materials of each wall, floor, ceiling.
        decals: what hangs flush on the walls.
        materials: table of surfaces.
        lamp: (3,) world, metres.
        lamp_colour: (3,) linear light at 1 m.
        day: light that comes in by each window, (3,) linear.
        ambient: (3,) linear light from everywhere.
        skirting: (3,) linear colour of the skirting board, or None.
    """

    size: np.ndarray
    solids: Solids
    pieces: list[np.ndarray]
    bounds: Solids
    footprints: np.ndarray
    face_surface: np.ndarray
    decals: list[Decal]
    materials: materials.Materials
    lamp: np.ndarray
    lamp_colour: np.ndarray
    day: np.ndarray
    ambient: np.ndarray
    skirting: np.ndarray | None


class _Stock:
    """The surfaces of a room: few, and shared, so that colour does not tell classes."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.rows = []
        self.common = [self._add(*materials.random_surface(rng)) for _ in range(rng.integers(5, 9))]

    def _add(self, kind, first, second, scale) -> int:
        swap = bool(self.rng.random() < 0.3)
        self.rows.append((kind, first, second, scale, int(self.rng.integers(1 << 20)), swap))
        return len(self.rows) - 1

    def draw(self) -> int:
        return int(self.rng.choice(self.common))

    def special(self, kind, colour) -> int:
        return self._add(kind, colour, colour, 1.0)

    def table(self) -> materials.Materials:
        kind, first, second, scale, seed, swap = zip(*self.rows, strict=True)
        return materials.Materials(
            np.array(kind, np.uint8),
            np.array(first, np.float32),
            np.array(second, np.float32),
            np.array(scale, np.float32),
            np.array(seed, np.int64),
            np.array(swap, bool),
        )


def make_scene(rng: np.random.Generator, rich: bool = False) -> Scene:
    """Furnishes a room.

    Args:
        rng: all the choices come from here.
        rich: whether the decor is "rich", see `RoomSpec`.

    Returns:
        the scene; the same for the same state of `rng`.
    """
    size = np.array([rng.uniform(3.2, 5.2), rng.uniform(3.2, 5.2), rng.uniform(2.3, 2.8)])
    stock = _Stock(rng)
    faces = _shell(rng, stock, rich)
    placed = _furnish(rng, size, stock, rich)
    night = bool(rng.random() < 0.2)
    decals = hang(rng, size, placed, night, rich)
    if rng.random() < 0.4:
        shade = Piece(rng, stock.draw, stock.special)
        r, drop = rng.uniform(0.15, 0.3), rng.uniform(0.15, 0.3)
        shade.add(
            furniture.CYLINDER, (-r, -r, size[2] - drop), (r, r, size[2]), "Objects", stock.draw()
        )
        placed.append((shade, size[0] / 2, size[1] / 2, 0.0))
    lamp = size * [rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65), 1.0] - [0, 0, 0.35]
    warm = materials.hsv_to_linear(rng.uniform(0.07, 0.13), rng.uniform(0, 0.3), 1.0)
    cool = materials.hsv_to_linear(0.58, rng.uniform(0, 0.2), 1.0)
    return Scene(
        size=size.astype(np.float32),
        **_solids(placed),
        face_surface=np.array(faces, np.int32),
        decals=decals,
        materials=stock.table(),
        lamp=lamp.astype(np.float32),
        lamp_colour=warm * np.float32(rng.uniform(1.2, 2.6)),
        day=cool * np.float32(0 if night else rng.uniform(0.2, 1.6)),
        ambient=np.float32(rng.uniform(0.3, 0.55)) * (warm + cool) / 2,
        skirting=materials.random_colour(rng) if rng.random() < 0.6 else None,
    )


def _shell(rng, stock, rich) -> list[int]:
    """Surfaces of the walls, the floor and the ceiling; rich decor has mostly plain, pale ones."""

    def draw(plain: float) -> int:
        if not rich or rng.random() >= plain:
            return stock.draw()
        hue, saturation = rng.normal(0.1, 0.04) % 1, rng.uniform(0, 0.35)
        pale = materials.hsv_to_linear(hue, saturation, rng.uniform(0.7, 0.95))
        return stock.special(materials.PLAIN, pale)

    wall = draw(0.7)
    faces = [wall, wall, wall, wall, stock.draw(), draw(0.8)]
    if rng.random() < 0.4:
        faces[rng.integers(4)] = stock.draw()
    return faces


_KINDS = {
    "bedroom": [
        "bed",
        "cabinet",
        "shelf",
        "cabinet",
        "table",
        "floor_thing",
        "chair",
        "floor_thing",
    ],
    "living": ["sofa", "table", "shelf", "sofa", "cabinet", "floor_thing", "chair", "floor_thing"],
    "study": ["table", "shelf", "cabinet", "sofa", "chair", "chair", "shelf", "floor_thing"],
    "mixed": ["bed", "sofa", "table", "chair", "shelf", "cabinet", "chair", "floor_thing"],
}


_KITCHEN = ["counter", "counter", "cabinet", "table", "chair", "chair", "floor_thing", "shelf"]


def _furnish(rng, size, stock, rich) -> list[tuple[Piece, float, float, float]]:
    """Places pieces along the walls, then chairs and small things where there is room."""
    placed, taken = [], []
    kinds = list(_KINDS[rng.choice(list(_KINDS), p=[0.3, 0.25, 0.2, 0.25])])
    if rng.random() < 0.5:
        kinds.insert(2, rng.choice(["bed", "sofa", "table", "shelf"]))
    if rich and rng.random() < 0.25:
        kinds = _KITCHEN
    for name in kinds:
        piece = Piece(rng, stock.draw, stock.special, rich)
        getattr(furniture, name)(piece)
        loose = name in ("chair", "floor_thing") or (name == "table" and rng.random() < 0.5)
        for _ in range(14):
            x, y, yaw = _free_spot(rng, size, piece) if loose else _wall_spot(rng, size, piece)
            reach_x = abs(math.cos(yaw)) * piece.width / 2 + abs(math.sin(yaw)) * piece.depth / 2
            reach_y = abs(math.sin(yaw)) * piece.width / 2 + abs(math.cos(yaw)) * piece.depth / 2
            box = (x - reach_x, y - reach_y, x + reach_x, y + reach_y)
            inside = box[0] > 0 and box[1] > 0 and box[2] < size[0] and box[3] < size[1]
            if inside and not any(_overlap(box, other, 0.06) for other in taken):
                placed.append((piece, x, y, yaw))
                taken.append(box)
                break
    return placed


def _overlap(a, b, margin) -> bool:
    across = a[0] < b[2] + margin and b[0] < a[2] + margin
    return across and a[1] < b[3] + margin and b[1] < a[3] + margin


def _wall_spot(rng, size, piece):
    face = int(rng.integers(4))
    length = size[1] if face < 2 else size[0]
    gap = piece.depth / 2 + rng.uniform(0.01, 0.04)
    half = piece.width / 2 + 0.04
    along = rng.uniform(half, max(half + 0.01, length - half))
    x, y = ((gap, along), (size[0] - gap, along), (along, gap), (along, size[1] - gap))[face]
    return x, y, WALL_YAW[face]


def _free_spot(rng, size, piece):
    reach = math.hypot(piece.width, piece.depth) / 2 + 0.05
    yaw = rng.choice([rng.uniform(-math.pi, math.pi), rng.integers(4) * math.pi / 2])
    return rng.uniform(reach, size[0] - reach), rng.uniform(reach, size[1] - reach), float(yaw)


def _solids(placed) -> dict:
    """Moves every part into the world and makes the tables."""
    rows, pieces, bounds, footprints = [], [], [], []
    for piece, x, y, yaw in placed:
        cos, sin = math.cos(yaw), math.sin(yaw)
        first = len(rows)
        corners = []
        for kind, center, half, turn, label, surface in piece.parts:
            a, b, z = center
            world = (x + cos * a - sin * b, y + sin * a + cos * b, z)
            rows.append(
                (kind, world, half, math.cos(yaw + turn), math.sin(yaw + turn), label, surface)
            )
            reach = max(half[0], half[1]) * 1.42 if turn else None
            extent = (reach or half[0], reach or half[1], half[2])
            corners.append((np.subtract(center, extent), np.add(center, extent)))
        pieces.append(np.arange(first, len(rows)))
        low, high = np.min([c[0] for c in corners], 0), np.max([c[1] for c in corners], 0)
        a, b, z = (low + high) / 2
        half = (high - low) / 2
        world = (x + cos * a - sin * b, y + sin * a + cos * b, z)
        bounds.append((0, world, half, cos, sin, 0, 0))
        reach_x = abs(cos) * half[0] + abs(sin) * half[1]
        reach_y = abs(sin) * half[0] + abs(cos) * half[1]
        box = (world[0] - reach_x, world[1] - reach_y, world[0] + reach_x, world[1] + reach_y)
        footprints.append((*box, high[2]))
    return {
        "solids": _table(rows),
        "pieces": pieces,
        "bounds": _table(bounds),
        "footprints": np.array(footprints, np.float32),
    }


def _table(rows) -> Solids:
    kind, center, half, cos, sin, label, surface = zip(*rows, strict=True)
    return Solids(
        np.array(kind, np.uint8),
        np.array(center, np.float32),
        np.array(half, np.float32),
        np.array(cos, np.float32),
        np.array(sin, np.float32),
        np.array(label, np.uint8),
        np.array(surface, np.int32),
    )
