"""Where to put the camera: random views of a room, and a smooth walk for a live picture."""

import math

import numpy as np

from cen_keras.data.rooms.camera import Camera
from cen_keras.data.rooms.render import geometry, labels
from cen_keras.data.rooms.scene import Scene

_TRIES = 3


def random_camera(scene: Scene, rng: np.random.Generator) -> Camera:
    """A view as a person with a hand-held camera would take it: much to see, nothing right before
    the lens.

    Args:
        scene: the room.
        rng: draws the candidates; the one that shows the most classes wins.
    """
    best, best_score = None, -1.0
    for _ in range(_TRIES):
        camera = _candidate(scene, rng)
        seen = geometry(scene, camera, 9, 12)
        count = np.bincount(labels(scene, seen).ravel(), minlength=13)
        score = (count >= 2).sum() + (count[[0, 1, 3, 6, 7, 8, 10, 12]] >= 3).sum()
        score -= 8 * (np.median(seen.depth) < 1.2) + 4 * ((seen.depth < 0.5).mean() > 0.05)
        if score > best_score or best is None:
            best, best_score = camera, score
    return best


def _candidate(scene: Scene, rng: np.random.Generator) -> Camera:
    for _ in range(40):
        place = rng.uniform([0.3, 0.3], scene.size[:2] - 0.3)
        if _clear(scene, place, 0.22):
            break
    height = rng.uniform(1.15, 1.85)
    # Look across the room: at a point on the far side of its middle.
    middle = scene.size[:2] / 2
    target = middle + (middle - place) * rng.uniform(0.2, 0.9) + rng.normal(0, 0.5, 2)
    yaw = math.atan2(target[1] - place[1], target[0] - place[0])
    return Camera(
        (float(place[0]), float(place[1]), float(height)),
        yaw,
        math.radians(rng.uniform(-26, 4)),
        math.radians(rng.normal(0, 2)),
        math.radians(rng.uniform(58, 78)),
    )


def _clear(scene: Scene, place, margin: float) -> bool:
    boxes = scene.footprints
    boxes = boxes[boxes[:, 4] < scene.size[2] - 0.01]
    inside = (boxes[:, 0] - margin < place[0]) & (place[0] < boxes[:, 2] + margin)
    inside &= (boxes[:, 1] - margin < place[1]) & (place[1] < boxes[:, 3] + margin)
    return not inside.any()


def walk(scene: Scene, frames: int, seed: int = 0) -> list[Camera]:
    """A closed camera path: standing near the middle of the room, swaying, and turning once around.

    Args:
        scene: the room.
        frames: length of the loop; playing it again from the start shows no jump.
        seed: which of many paths.

    Returns:
        one camera for each frame.
    """
    rng = np.random.default_rng([seed, 77])
    phase = rng.uniform(0, 2 * math.pi, 4)
    # The sway must stay clear of the furniture, and from the middle no wall fills the picture.
    spots = rng.uniform([0.5, 0.5], scene.size[:2] - 0.5, (200, 2))
    room = np.array([_clearance(scene, spot) for spot in spots])
    off_center = np.linalg.norm(spots - scene.size[:2] / 2, axis=1)
    best = (np.minimum(room, 0.5) - 0.25 * off_center).argmax()
    spot, reach = spots[best], max(0.05, min(0.5, 0.8 * float(room[best])))
    cameras = []
    for frame in range(frames):
        turn = 2 * math.pi * frame / frames
        x = spot[0] + reach * 0.7 * math.cos(turn + phase[0])
        y = spot[1] + reach * 0.7 * math.sin(turn + phase[0])
        yaw = turn + phase[1] + 0.35 * math.sin(2 * turn + phase[2])
        pitch = math.radians(-11 + 7 * math.sin(3 * turn + phase[3]))
        height = 1.5 + 0.08 * math.sin(2 * turn + phase[2])
        cameras.append(Camera((x, y, height), yaw, pitch, 0.0, math.radians(70)))
    return cameras


def _clearance(scene: Scene, place) -> float:
    """Distance from a place on the floor to the next wall or piece, metres; 0 inside a piece."""
    boxes = scene.footprints
    boxes = boxes[boxes[:, 4] < scene.size[2] - 0.01]
    dx = np.maximum(np.maximum(boxes[:, 0] - place[0], place[0] - boxes[:, 2]), 0)
    dy = np.maximum(np.maximum(boxes[:, 1] - place[1], place[1] - boxes[:, 3]), 0)
    walls = min(*place, *(scene.size[:2] - place))
    return float(min(walls, np.hypot(dx, dy).min(initial=np.inf)))
