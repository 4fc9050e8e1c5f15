"""From a scene and a camera to clean pictures: geometry first, then colour and light."""

import dataclasses

import numpy as np

from cen_keras.data.rooms import decals, materials, raycast
from cen_keras.data.rooms.camera import Camera
from cen_keras.data.rooms.furniture import CLASS
from cen_keras.data.rooms.scene import Scene

FACE_LABEL = np.array([CLASS["Wall"]] * 4 + [CLASS["Floor"], CLASS["Ceiling"]], np.uint8)


@dataclasses.dataclass
class Geometry:
    """What each pixel sees.

    Attributes:
        depth: float32 (h, w), z-depth, metres.
        owner: int16 (h, w), 0..3 walls, 4 floor, 5 ceiling, 6 + n solid n.
        point: float32 (3, h, w), world, metres.
        local: float32 (3, h, w), the point in the frame of its solid, metres from the centre; world
            for the shell.
        normal: float32 (3, h, w), world, length 1, towards the camera's side of the surface.
        axis: int8 (h, w), 0..2 the face's axis; 3 round side of a cylinder; 4 ellipsoid.
        view: float32 (3, h, w), direction of the ray, world, z-depth 1.
    """

    depth: np.ndarray
    owner: np.ndarray
    point: np.ndarray
    local: np.ndarray
    normal: np.ndarray
    axis: np.ndarray
    view: np.ndarray


def geometry(scene: Scene, camera: Camera, height: int, width: int) -> Geometry:
    """Casts one ray through the centre of each pixel.

    Args:
        scene: the room.
        camera: inside the room.
        height: rows.
        width: columns.
    """
    _, view = camera.rays(height, width)
    origin = np.asarray(camera.position, np.float32)
    depth, owner = raycast.room_exit(scene.size, origin, view)
    raycast.cast(scene.solids, camera, view, depth, owner)
    point = origin[:, None, None] + depth * view
    local, normal, axis = point.copy(), np.zeros_like(point), np.empty(depth.shape, np.int8)
    for face in range(6):
        at = owner == face
        axis[at] = face // 2
        normal[face // 2][at] = 1 - 2 * (face % 2)
    at = np.flatnonzero(owner.ravel() >= 6)
    if len(at):
        _solid_surface(scene.solids, owner, point, at, local, normal, axis)
    return Geometry(depth, owner, point, local, normal, axis, view)


def _solid_surface(solids, owner, point, at, local, normal, axis):
    """Fills local, normal and axis of the pixels `at` that see a solid."""
    number = owner.ravel()[at] - 6
    unit = np.stack(raycast.into_frame(solids, number, point.reshape(3, -1)[:, at], True))
    half = solids.half[number].T
    kind = solids.kind[number]
    size = np.abs(unit)
    flat = size.argmax(axis=0)
    round_side = np.hypot(unit[0], unit[1])
    is_side = (kind == raycast.CYLINDER) & (size[2] < round_side)
    is_ball = kind == raycast.ELLIPSOID
    flat[(kind == raycast.CYLINDER) & ~is_side] = 2
    face = np.sign(unit) * (np.arange(3)[:, None] == flat)
    smooth = unit / half
    smooth[2][is_side] = 0
    curved = is_side | is_ball
    turned = np.where(curved, smooth, face)
    turned /= np.maximum(np.linalg.norm(turned, axis=0), 1e-12)
    cos, sin = solids.cos[number], solids.sin[number]
    flat_normal = normal.reshape(3, -1)
    flat_normal[0, at] = cos * turned[0] - sin * turned[1]
    flat_normal[1, at] = sin * turned[0] + cos * turned[1]
    flat_normal[2, at] = turned[2]
    local.reshape(3, -1)[:, at] = unit * half
    axis.ravel()[at] = np.where(is_ball, 4, np.where(is_side, 3, flat))


def labels(scene: Scene, seen: Geometry) -> np.ndarray:
    """Class of each pixel, uint8 (h, w)."""
    table = np.concatenate([FACE_LABEL, scene.solids.label])
    label = table[seen.owner]
    for decal, at, _, _ in _decal_pixels(scene, seen):
        label.ravel()[at] = decal.label
    return label


def _decal_pixels(scene, seen):
    """Each decal with the pixels it covers and their places on the wall."""
    owner, point = seen.owner.ravel(), seen.point.reshape(3, -1)
    for face in range(4):
        on_face = [decal for decal in scene.decals if decal.face == face]
        wall = np.flatnonzero(owner == face) if on_face else ()
        if not len(wall):
            continue
        u, v = point[1 - face // 2, wall], point[2, wall]
        for decal in on_face:
            (u0, v0), (u1, v1) = decal.low, decal.high
            inside = (u > u0) & (u < u1) & (v > v0) & (v < v1)
            if inside.any():
                yield decal, wall[inside], u[inside], v[inside]


def colours(scene: Scene, seen: Geometry, focal: float) -> np.ndarray:
    """Linear light that reaches each pixel.

    Args:
        scene: the room.
        seen: what `geometry` found.
        focal: focal length, pixels, for fading fine texture far away.

    Returns:
        float32 (h, w, 3); 1 is about the white of a well exposed picture.
    """
    shape = seen.depth.shape
    local = seen.local.reshape(3, -1)
    axis, owner = seen.axis.ravel(), seen.owner.ravel()
    radius = np.hypot(local[0], local[1])
    around = np.arctan2(local[1], local[0]) * radius if (axis >= 3).any() else radius
    u = np.select([axis == 0, axis >= 3], [local[1], around], local[0])
    v = np.where(axis == 2, local[1], local[2])
    normal, view = seen.normal.reshape(3, -1), seen.view.reshape(3, -1)
    length = np.sqrt((view * view).sum(0))
    facing = np.abs((normal * view).sum(0)) / length
    footprint = seen.depth.ravel() / focal / np.maximum(facing, 0.15)
    surface = np.concatenate([scene.face_surface, scene.solids.surface])[owner]
    colour = materials.surface_colour(scene.materials, surface, u, v, footprint)
    if scene.skirting is not None:
        colour[(owner < 4) & (seen.point[2].ravel() < 0.09)] = scene.skirting
    glow = np.zeros(len(owner), np.float32)
    for decal, at, along, up in _decal_pixels(scene, seen):
        colour[at], glow[at] = decals.paint(decal, along, up)
    light = _light(scene, seen)
    return (colour * (light + glow[:, None] * (1 - light))).reshape(*shape, 3)


def _light(scene, seen) -> np.ndarray:
    """Light on each pixel's surface, float32 (n, 3): ambient, lamp with shadows, windows."""
    point, normal = seen.point.reshape(3, -1), seen.normal.reshape(3, -1)
    total = _openness(scene, seen)[:, None] * scene.ambient
    lamp = _lambert(point, normal, scene.lamp)
    lit = np.flatnonzero(lamp > 0.02)
    dark = raycast.blocked(scene.solids, scene.pieces, scene.bounds, point[:, lit], scene.lamp)
    lamp[lit[dark]] *= 0.25
    total = total + lamp[:, None] * scene.lamp_colour
    for decal in scene.decals:
        if decal.kind == materials.WINDOW and scene.day.max() > 0.05:
            u, v = (np.array(decal.low) + decal.high) / 2
            inwards = scene.size[decal.face // 2] - 0.3 if decal.face % 2 else 0.3
            place = (inwards, u, v) if decal.face < 2 else (u, inwards, v)
            area = (decal.high[0] - decal.low[0]) * (decal.high[1] - decal.low[1])
            total = total + (_lambert(point, normal, place) * np.float32(area))[:, None] * scene.day
    return total.astype(np.float32)


def _lambert(point, normal, light):
    """Cosine of incidence over a softened square of the distance, float32 (n,)."""
    toward = np.asarray(light, np.float32)[:, None] - point
    squared = (toward * toward).sum(0)
    cosine = (toward * normal).sum(0) / np.sqrt(squared)
    return np.maximum(cosine, 0) / (1 + 0.35 * squared)


def _openness(scene, seen) -> np.ndarray:
    """Ambient occlusion by guess: darker in corners and close to furniture, float32 (n,)."""
    point = seen.point.reshape(3, -1)
    normal, owner = seen.normal.reshape(3, -1), seen.owner.ravel()
    open_share = np.ones(point.shape[1], np.float32)
    for axis in range(3):
        wall = np.minimum(point[axis], scene.size[axis] - point[axis])
        # A plane does not shade itself.
        own = np.abs(normal[axis]) > 0.9
        open_share *= 1 - np.where(own & (owner < 6), 0, 0.45 * np.exp(-wall / 0.22))
    piece_of = np.full(6 + len(scene.solids.kind), -1)
    for number, members in enumerate(scene.pieces):
        piece_of[6 + members] = number
    own_piece = piece_of[owner]
    for number in range(len(scene.pieces)):
        center, half = scene.bounds.center[number], scene.bounds.half[number]
        reach = float(np.hypot(half[0], half[1])) + 0.6
        near = (np.abs(point[0] - center[0]) < reach) & (np.abs(point[1] - center[1]) < reach)
        at = np.flatnonzero(near & (own_piece != number))
        if len(at):
            unit = raycast.into_frame(scene.bounds, number, point[:, at], True)
            gaps = [np.maximum(np.abs(unit[i]) - 1, 0) * half[i] for i in range(3)]
            open_share[at] *= 1 - 0.5 * np.exp(-np.sqrt(sum(g * g for g in gaps)) / 0.12)
    return open_share
