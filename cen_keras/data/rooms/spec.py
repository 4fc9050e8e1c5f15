"""What decides a generated view, and the view: a function of (seed, split, index)."""

import dataclasses
import functools
from typing import Any

import numpy as np

from cen_keras.data.rooms import domains, sensor
from cen_keras.data.rooms.camera import Camera
from cen_keras.data.rooms.render import Geometry, colours, geometry, labels
from cen_keras.data.rooms.scene import Scene, make_scene
from cen_keras.data.rooms.shots import random_camera
from cen_keras.errors import InputError

RENDERER_VERSION = 3
"""Raised whenever the same spec gives other pictures; part of the cache's key."""

DOMAINS = {
    "rgb": (np.uint8, (3,)),
    "depth": (np.float32, ()),
    "label": (np.uint8, ()),
    "depth_euclidean": (np.float32, ()),
    "normal": (np.float32, (3,)),
    "reshading": (np.float32, ()),
    "edge_texture": (np.float32, ()),
    "edge_occlusion": (np.float32, ()),
    "principal_curvature": (np.float32, (2,)),
}
"""Every picture of a view: its dtype and its channels."""

DECORS = ("plain", "rich")

SPLITS = {"train": 0, "val": 1, "test": 2}


@dataclasses.dataclass(frozen=True)
class RoomSpec:
    """What decides the pictures.

    Attributes:
        seed: which rooms.
        split: "train", "val" or "test"; no two splits share a room.
        size: height and width, pixels.
        sensor: whether rgb and depth look as an RGB-D camera would take them; otherwise they are
            clean.
        views_per_room: so many views in a row show one room.
        domains: which pictures, keys of `DOMAINS`.
        decor: "plain", or "rich": windows with blinds, curtains and shades, many small pictures,
            kitchens.
    """

    seed: int = 0
    split: str = "train"
    size: tuple[int, int] = (96, 128)
    sensor: bool = True
    views_per_room: int = 4
    domains: tuple[str, ...] = ("rgb", "depth", "label")
    decor: str = "plain"

    def __post_init__(self):
        if self.split not in SPLITS:
            raise InputError(
                f"rooms: split {self.split!r} is unknown; choose from {', '.join(SPLITS)}."
            )
        unknown = [name for name in self.domains if name not in DOMAINS]
        if unknown:
            raise InputError(
                f"rooms: domain {unknown[0]!r} is unknown; choose from {', '.join(DOMAINS)}."
            )
        if self.decor not in DECORS:
            raise InputError(
                f"rooms: decor {self.decor!r} is unknown; choose from {', '.join(DECORS)}."
            )
        if len(self.size) != 2 or min(self.size) < 8:
            raise InputError(
                f"rooms: size is {list(self.size)}; give [height, width], at least 8 each."
            )
        if self.views_per_room < 1 or self.seed < 0:
            raise InputError("rooms: views_per_room must be at least 1 and seed at least 0.")

    def dtype(self) -> np.dtype:
        """Record type of one view as the cache stores it."""
        fields = [
            (name, DOMAINS[name][0], (*self.size, *DOMAINS[name][1])) for name in self.domains
        ]
        return np.dtype(fields)


@functools.lru_cache(maxsize=4)
def _room(seed: int, split: int, number: int, decor: str = "plain") -> Scene:
    return make_scene(np.random.default_rng([seed, split, number]), rich=decor == "rich")


def room(seed: int = 0, split: str = "train", number: int = 0) -> Scene:
    """Room `number` of a split; the last few are kept."""
    return _room(seed, SPLITS[split], number)


def render(
    scene: Scene,
    camera: Camera,
    size: tuple[int, int],
    *,
    wanted: tuple[str, ...] = tuple(DOMAINS),
    rng: np.random.Generator | None = None,
    steady: bool = False,
) -> dict[str, np.ndarray]:
    """Renders a view.

    Args:
        scene: the room.
        camera: inside it.
        size: height and width, pixels.
        wanted: keys of `DOMAINS`.
        rng: draws the sensor's noise; None gives clean rgb and depth.
        steady: a well exposed picture of a lit room, whatever `rng` would have drawn.

    Returns:
        the view: a dict of arrays as in `DOMAINS`, each of (height, width, channels).
    """
    seen = geometry(scene, camera, *size)
    view: dict[str, Any] = {}
    if {"rgb", "edge_texture"} & set(wanted):
        light = colours(scene, seen, camera.focal(size[1]))
        # Texture edges belong to the clean picture, like every label.
        if "edge_texture" in wanted:
            view["edge_texture"] = domains.edge_texture(sensor.develop(light))
        view["rgb"] = sensor.develop(light) if rng is None else sensor.sense_rgb(light, rng, steady)
    if "depth" in wanted:
        view["depth"] = seen.depth if rng is None else _sensed(seen, rng)
    if "label" in wanted:
        view["label"] = labels(scene, seen)
    makers = {
        "depth_euclidean": lambda: domains.depth_euclidean(seen),
        "normal": lambda: domains.camera_normal(seen, camera),
        "reshading": lambda: domains.reshading(seen),
        "edge_occlusion": lambda: domains.edge_occlusion(seen.depth),
        "principal_curvature": lambda: domains.principal_curvature(scene, seen),
    }
    for name, maker in makers.items():
        if name in wanted:
            view[name] = maker()
    return {name: view[name] for name in wanted}


def _sensed(seen: Geometry, rng: np.random.Generator) -> np.ndarray:
    facing, jump = domains.reshading(seen), domains.edge_occlusion(seen.depth)
    return sensor.sense_depth(seen.depth, facing, jump, rng)


def render_view(spec: RoomSpec, index: int) -> dict[str, np.ndarray]:
    """View `index` of the endless sequence that a spec stands for, in any order."""
    split = SPLITS[spec.split]
    scene = _room(spec.seed, split, index // spec.views_per_room, spec.decor)
    camera = random_camera(scene, np.random.default_rng([spec.seed, split, index, 1]))
    noise = np.random.default_rng([spec.seed, split, index, 2]) if spec.sensor else None
    return render(scene, camera, spec.size, wanted=spec.domains, rng=noise)
