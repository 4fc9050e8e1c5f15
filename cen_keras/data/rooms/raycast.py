"""Casting rays at boxes, cylinders and ellipsoids, in NumPy.

Every solid is a unit solid in its own frame (moved, turned about the vertical, stretched), so one
change of frame and three formulas do. Solids are taken one by one, but each only over the rectangle
of the image it can appear in.
"""

import numpy as np

BOX, CYLINDER, ELLIPSOID = range(3)

_NEAR = np.float32(0.03)
_FAR = np.float32(1e6)
_SMALL = 1024
"""Images of at most so many pixels are cast all solids at once."""


def enter_unit_solid(kind: int, origin, direction) -> np.ndarray:
    """Ray parameter at which rays from outside enter a unit solid.

    Args:
        kind: `BOX` ([-1, 1]^3), `CYLINDER` (upright, radius 1, z in [-1, 1]) or `ELLIPSOID` (the
            unit ball).
        origin: three scalars or arrays.
        direction: three arrays; need not have length 1.

    Returns:
        float32, where a ray misses, starts inside or would enter behind its origin: a very large
        number.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind == BOX:
            enter, leave = _slab(origin[0], direction[0])
            for axis in (1, 2):
                low, high = _slab(origin[axis], direction[axis])
                enter, leave = np.maximum(enter, low), np.minimum(leave, high)
        else:
            axes = (0, 1) if kind == CYLINDER else (0, 1, 2)
            a = sum(direction[i] * direction[i] for i in axes)
            half_b = sum(origin[i] * direction[i] for i in axes)
            c = sum(origin[i] * origin[i] for i in axes) - np.float32(1)
            root = np.sqrt(half_b * half_b - a * c)
            enter, leave = (-half_b - root) / a, (-half_b + root) / a
            if kind == CYLINDER:
                low, high = _slab(origin[2], direction[2])
                enter, leave = np.maximum(enter, low), np.minimum(leave, high)
        return np.where((enter <= leave) & (enter > _NEAR), enter, _FAR)


def _slab(origin, direction):
    inverse = np.float32(1) / direction
    one, two = (-1 - origin) * inverse, (1 - origin) * inverse
    return np.minimum(one, two), np.maximum(one, two)


def into_frame(solids, index, vector, moved):
    """World vectors in the unit frame of a solid.

    Args:
        solids: object with `center`, `half` (n, 3), `cos`, `sin` (n,).
        index: which solid; an integer, or an array of integers that fits `vector`.
        vector: three arrays or scalars, world.
        moved: whether `vector` is a place (shifted by the centre) or a direction.

    Returns:
        three arrays, as fractions of the solid's half extents.
    """
    x, y, z = vector
    if moved:
        center = solids.center[index]
        x, y, z = x - center[..., 0], y - center[..., 1], z - center[..., 2]
    cos, sin, half = solids.cos[index], solids.sin[index], solids.half[index]
    return (
        (cos * x + sin * y) / half[..., 0],
        (cos * y - sin * x) / half[..., 1],
        z / half[..., 2],
    )


def room_exit(size, origin, direction) -> tuple[np.ndarray, np.ndarray]:
    """Where rays from inside the room meet its walls, floor or ceiling.

    Args:
        size: (x, y, z) extent of the room, metres; it begins at the world's origin.
        origin: (3,) inside the room.
        direction: float32 (3, ...).

    Returns:
        ray parameter float32 (...), and the face, int16: 0..3 the walls x=0, x=size, y=0, y=size, 4
        floor, 5 ceiling.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        places = [
            (np.where(direction[i] > 0, size[i], 0) - origin[i]) / direction[i] for i in range(3)
        ]
    places = np.stack([np.where(np.isfinite(p), p, _FAR) for p in places]).astype(np.float32)
    axis = places.argmin(axis=0)
    forward = np.take_along_axis(direction, axis[None], axis=0)[0] > 0
    return places.min(axis=0), (axis * 2 + forward).astype(np.int16)


def cast(solids, camera, direction: np.ndarray, depth: np.ndarray, owner: np.ndarray) -> None:
    """Finds the nearest solid along each ray of a camera, in place.

    Args:
        solids: object with `kind`, `center`, `half`, `cos`, `sin`.
        camera: a `Camera`.
        direction: float32 (3, h, w), world, from `Camera.rays`.
        depth: float32 (h, w), nearest so far; replaced where a solid is nearer.
        owner: int16 (h, w), face or 6 + number of the solid that is nearest.
    """
    origin = np.asarray(camera.position, np.float32)
    if depth.size <= _SMALL:
        _cast_together(solids, origin, direction, depth, owner)
        return
    boxes = image_boxes(solids, camera, *depth.shape)
    for number in np.flatnonzero(boxes[:, 0] < boxes[:, 1]):
        top, bottom, left, right = boxes[number]
        window = np.s_[top:bottom, left:right]
        start = into_frame(solids, number, origin, True)
        toward = into_frame(solids, number, direction[:, top:bottom, left:right], False)
        found = enter_unit_solid(int(solids.kind[number]), start, toward)
        nearer = found < depth[window]
        np.copyto(depth[window], found, where=nearer)
        np.copyto(owner[window], np.int16(6 + number), where=nearer)


def _cast_together(solids, origin, direction, depth, owner):
    """The same for few rays: a kind of solid at once, as a NumPy call costs more than its work."""
    rays = direction.reshape(3, 1, -1)
    for kind in (BOX, CYLINDER, ELLIPSOID):
        numbers = np.flatnonzero(solids.kind == kind)
        if not len(numbers):
            continue
        start = into_frame(solids, numbers[:, None], origin[:, None, None], True)
        found = enter_unit_solid(kind, start, into_frame(solids, numbers[:, None], rays, False))
        first = found.argmin(axis=0)
        nearest = found[first, np.arange(found.shape[1])].reshape(depth.shape)
        nearer = nearest < depth
        depth[nearer] = nearest[nearer]
        owner[nearer] = 6 + numbers[first.reshape(depth.shape)[nearer]]


def image_boxes(solids, camera, height: int, width: int) -> np.ndarray:
    """Rectangle of the image outside which a solid cannot appear.

    Returns:
        int (n, 4): top, bottom, left, right (ends not included), empty where it is out of view; the
            whole image where
        the solid reaches behind the camera.
    """
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    corner = signs[None] * solids.half[:, None]
    cos, sin = solids.cos[:, None], solids.sin[:, None]
    x = cos * corner[..., 0] - sin * corner[..., 1]
    y = sin * corner[..., 0] + cos * corner[..., 1]
    world = np.stack([x, y, corner[..., 2]], axis=-1) + solids.center[:, None]
    local = (world - np.asarray(camera.position)) @ camera.axes()
    z = local[..., 2]
    focal = camera.focal(width)
    safe = np.maximum(z, 1e-3)
    u = local[..., 0] / safe * focal + 0.5 * width
    v = local[..., 1] / safe * focal + 0.5 * height
    boxes = np.stack(
        [
            np.clip(np.floor(v.min(1)) - 1, 0, height),
            np.clip(np.ceil(v.max(1)) + 1, 0, height),
            np.clip(np.floor(u.min(1)) - 1, 0, width),
            np.clip(np.ceil(u.max(1)) + 1, 0, width),
        ],
        axis=1,
    ).astype(np.int64)
    boxes[z.min(1) < 0.05] = (0, height, 0, width)
    behind = z.max(1) < 0.05
    outside = (boxes[:, 0] >= boxes[:, 1]) | (boxes[:, 2] >= boxes[:, 3])
    boxes[behind | outside] = 0
    return boxes


def blocked(solids, pieces, bounds, start: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Which points do not see a light.

    Args:
        solids: the solids.
        pieces: list of arrays: the numbers of the solids of each piece of furniture.
        bounds: object with `center`, `half`: a box around each piece, in the same order.
        start: float32 (3, n), points, world.
        target: (3,) the light, world.

    Returns:
        bool (n,).
    """
    target = np.asarray(target, np.float32)
    direction = target[:, None] - start
    # Start a little towards the light, or every surface would shade itself.
    begin = start + direction * np.float32(0.01)
    length = np.sqrt((direction * direction).sum(0))
    toward = direction / length
    dark = np.zeros(start.shape[1], bool)
    for piece, members in enumerate(pieces):
        # Only points inside the cone from the light around the piece, and behind its near side, can
        # be dark.
        offset = target - bounds.center[piece]
        radius = float(np.linalg.norm(bounds.half[piece]))
        distance = float(np.linalg.norm(offset))
        widest = np.sqrt(max(0.0, 1 - (radius / distance) ** 2)) if distance > radius else -1.0
        unit = offset / max(distance, 1e-6)
        cosine = unit[0] * toward[0] + unit[1] * toward[1] + unit[2] * toward[2]
        at = np.flatnonzero((cosine > widest) & (length > distance - radius) & ~dark)
        if not len(at):
            continue
        begin_at, direction_at = begin[:, at], direction[:, at]
        hit = np.zeros(len(at), bool)
        for number in members:
            # Legs and boards throw shadows too thin to be worth their time.
            if np.partition(solids.half[number], 1)[1] < 0.05:
                continue
            frame_start = into_frame(solids, number, begin_at, True)
            frame_toward = into_frame(solids, number, direction_at, False)
            hit |= enter_unit_solid(int(solids.kind[number]), frame_start, frame_toward) < 1
        dark[at[hit]] = True
    return dark
