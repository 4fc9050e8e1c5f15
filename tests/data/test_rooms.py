"""The renderer against plain geometry, written out here a second time."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cen_keras.data.labels import NYU13_CLASSES
from cen_keras.data.rooms import domains, raycast, render, sensor, shots
from cen_keras.data.rooms.camera import Camera
from cen_keras.data.rooms.scene import make_scene
from cen_keras.data.rooms.views import DOMAINS, RoomSpec, RoomViews, render_view, walk_through
from cen_keras.data.rooms.views import render as render_all
from cen_keras.errors import InputError

TABLE = NYU13_CLASSES.index("Table")
WALL = NYU13_CLASSES.index("Wall")


def empty_room(size=(4.0, 5.0, 2.5)):
    """A furnished room, emptied: no solids, nothing on the walls."""
    scene = make_scene(np.random.default_rng(3))
    none = {name: getattr(scene.solids, name)[:0] for name in vars(scene.solids)}
    solids = dataclasses.replace(scene.solids, **none)
    return dataclasses.replace(
        scene,
        size=np.float32(size),
        solids=solids,
        bounds=solids,
        pieces=[],
        decals=[],
        footprints=np.zeros((0, 5), np.float32),
    )


def with_solid(scene, kind, center, half, yaw=0.0, label=TABLE):
    """The scene with one solid."""
    row = dataclasses.replace(
        scene.solids,
        kind=np.array([kind], np.uint8),
        center=np.float32([center]),
        half=np.float32([half]),
        cos=np.float32([math.cos(yaw)]),
        sin=np.float32([math.sin(yaw)]),
        label=np.array([label], np.uint8),
        surface=np.array([0], np.int32),
    )
    return dataclasses.replace(scene, solids=row, bounds=row, pieces=[np.array([0])])


def test_a_wall_straight_ahead_has_the_same_depth_everywhere():
    camera = Camera((1.0, 2.5, 1.25), 0.0, 0.0, 0.0, math.radians(40))
    seen = render.geometry(empty_room(), camera, 9, 12)
    # float32 rounds 3 m to 2e-7 m; a handful of operations follow.
    np.testing.assert_allclose(seen.depth, 3.0, atol=5e-6)
    assert (render.labels(empty_room(), seen) == WALL).all()
    normal = domains.camera_normal(seen, camera)
    np.testing.assert_allclose(normal, np.broadcast_to([0, 0, -1], normal.shape), atol=1e-6)


def test_the_image_is_the_right_way_round():
    # From the middle along +x, +y is to the left; the floor is below.
    scene = with_solid(empty_room(), raycast.BOX, (3.0, 3.5, 1.2), (0.2, 0.2, 0.2))
    camera = Camera((1.0, 2.5, 1.25), 0.0, 0.0, 0.0, math.radians(90))
    label = render.labels(scene, render.geometry(scene, camera, 30, 40))
    rows, columns = np.nonzero(label == TABLE)
    assert columns.max() < 20 and 5 < rows.mean() < 25
    assert (label[-1] == NYU13_CLASSES.index("Floor")).all()


def slab(origin, ray, center, half, yaw):
    """Textbook ray against box, one ray, float64."""
    turn = np.array(
        [[math.cos(yaw), math.sin(yaw), 0], [-math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    )
    origin, ray = turn @ (origin - center), turn @ ray
    enter, leave = -np.inf, np.inf
    for axis in range(3):
        if abs(ray[axis]) < 1e-12:
            if abs(origin[axis]) > half[axis]:
                return np.inf
            continue
        a, b = sorted(
            ((-half[axis] - origin[axis]) / ray[axis], (half[axis] - origin[axis]) / ray[axis])
        )
        enter, leave = max(enter, a), min(leave, b)
    return enter if 0 < enter <= leave else np.inf


@settings(max_examples=25, deadline=None)
@given(
    yaw=st.floats(-3, 3),
    half=st.tuples(*[st.floats(0.05, 0.5)] * 3),
    aim=st.floats(-0.6, 0.6),
    roll=st.floats(-0.3, 0.3),
)
def test_depth_of_a_turned_box_agrees_with_the_textbook(yaw, half, aim, roll):
    center = np.array([2.8, 2.5, 1.0])
    scene = with_solid(empty_room(), raycast.BOX, center, half, yaw)
    camera = Camera((0.7, 2.2, 1.4), aim, -0.1, roll, math.radians(70))
    seen = render.geometry(scene, camera, 12, 16)
    origin, axes = np.array(camera.position), camera.axes()
    focal = 8 / math.tan(math.radians(35))
    disagree = 0
    for row in range(12):
        for column in range(16):
            ray = axes @ np.array([(column - 7.5) / focal, (row - 5.5) / focal, 1.0])
            wanted = slab(origin, ray, center, half, yaw)
            if (seen.owner[row, column] == 6) != np.isfinite(wanted):
                disagree += 1
            elif np.isfinite(wanted):
                # float32 over distances of 3 m, divided by half extents down to 5 cm.
                assert seen.depth[row, column] == pytest.approx(wanted, rel=2e-5)
    # A ray may graze an edge closer than float32 can tell.
    assert disagree <= 1


def test_many_rays_and_few_rays_take_two_ways_to_one_result(monkeypatch):
    scene = make_scene(np.random.default_rng(5))
    camera = shots.random_camera(scene, np.random.default_rng(6))
    together = render.geometry(scene, camera, 24, 32)
    monkeypatch.setattr(raycast, "_SMALL", 0)
    one_by_one = render.geometry(scene, camera, 24, 32)
    np.testing.assert_array_equal(together.depth, one_by_one.depth)
    # Where two solids touch, either may own the pixel; nowhere else.
    assert (together.owner != one_by_one.owner).mean() < 0.02


def test_a_ball_has_the_depth_normal_and_curvature_of_a_ball():
    center, radius = np.array([2.5, 2.5, 1.25]), 0.5
    scene = with_solid(empty_room(), raycast.ELLIPSOID, center, (radius,) * 3)
    camera = Camera((0.5, 2.5, 1.25), 0.0, 0.0, 0.0, math.radians(30))
    seen = render.geometry(scene, camera, 32, 32)
    on_ball = seen.owner == 6
    assert on_ball.sum() > 50
    outwards = (seen.point[:, on_ball] - center[:, None]) / radius
    np.testing.assert_allclose(seen.normal[:, on_ball], outwards, atol=2e-5)
    curvature = domains.principal_curvature(scene, seen)
    # The root of a difference of squares keeps half of float32's seven digits.
    np.testing.assert_allclose(curvature[on_ball], 1 / radius, rtol=2e-3)
    assert (curvature[~on_ball] == 0).all()


def test_an_upright_cylinder_curves_one_way_only():
    scene = with_solid(empty_room(), raycast.CYLINDER, (2.5, 2.5, 1.25), (0.4, 0.4, 0.6))
    camera = Camera((0.5, 2.5, 1.25), 0.0, 0.0, 0.0, math.radians(30))
    seen = render.geometry(scene, camera, 24, 24)
    side = seen.axis == 3
    assert side.sum() > 50
    curvature = domains.principal_curvature(scene, seen)[side]
    np.testing.assert_allclose(curvature[:, 0], 2.5, rtol=1e-4)
    np.testing.assert_array_equal(curvature[:, 1], 0)
    np.testing.assert_allclose(seen.normal[2][side], 0, atol=1e-6)


@pytest.mark.parametrize("index", [0, 5, 13])
def test_the_pictures_of_a_view_agree_with_each_other(index):
    spec = RoomSpec(seed=4, size=(48, 64), sensor=False, domains=tuple(DOMAINS))
    view = render_view(spec, index)
    for name, (dtype, channels) in DOMAINS.items():
        assert view[name].shape == (48, 64, *channels), name
        assert view[name].dtype == dtype, name
        assert np.isfinite(view[name].astype(float)).all(), name
    assert view["label"].max() < len(NYU13_CLASSES)
    assert view["depth"].min() > 0
    # Equal on the optical axis, to the last bit of float32.
    assert (view["depth_euclidean"] >= view["depth"] * (1 - 2e-7)).all()
    length = np.linalg.norm(view["normal"], axis=-1)
    np.testing.assert_allclose(length, 1, atol=1e-5)
    for name in ("reshading", "edge_texture", "edge_occlusion"):
        assert 0 <= view[name].min() and view[name].max() <= 1, name
    # What a camera sees faces it.
    assert view["reshading"].min() > 0 or (view["reshading"] == 0).mean() < 0.01


def test_a_slanted_plane_has_no_occlusion_edge_and_a_step_has_one():
    u = np.arange(20, dtype=np.float32)
    plane = np.broadcast_to(1 / (0.2 + 0.02 * u), (16, 20)).astype(np.float32)
    assert domains.edge_occlusion(plane).max() == 0
    step = np.where(u < 10, 1.0, 3.0) * np.ones((16, 1))
    edges = domains.edge_occlusion(step.astype(np.float32))
    assert (edges[:, 9:11] > 0.5).all() and edges[:, :9].max() == edges[:, 11:].max() == 0


def test_the_sensor_loses_some_depth_and_is_right_about_the_rest():
    scene = make_scene(np.random.default_rng(8))
    camera = shots.random_camera(scene, np.random.default_rng(9))
    seen = render.geometry(scene, camera, 96, 128)
    jump, facing = domains.edge_occlusion(seen.depth), domains.reshading(seen)
    sensed = sensor.sense_depth(seen.depth, facing, jump, np.random.default_rng(1))
    assert sensed.dtype == np.float32
    missing = sensed == 0
    assert 0.001 < missing.mean() < 0.4
    assert missing[jump > 0.08].mean() > 3 * missing[jump == 0].mean()
    z, error = seen.depth[~missing], (sensed - seen.depth)[~missing]
    sigma = 0.0012 + 0.0019 * (z - 0.4) ** 2
    # Rounding to steps of 2.85 mm z^2 adds half a step; of 12000 normal draws none exceeds 6 sigma.
    assert (np.abs(error) < 1.05 * (6 * sigma + 0.5 * 0.00285 * z**2) + 1e-3).all()
    assert np.abs(error.mean()) < 0.005


def test_splits_share_no_room_and_views_in_a_row_do():
    train, val = (RoomSpec(size=(16, 24), split=split, sensor=False) for split in ("train", "val"))
    assert not np.array_equal(render_view(train, 0)["depth"], render_view(val, 0)["depth"])
    four = [render_view(train, index)["depth"] for index in range(4)]
    assert not np.array_equal(four[0], four[1])
    other = RoomSpec(size=(16, 24), seed=1, sensor=False)
    assert not np.array_equal(four[0], render_view(other, 0)["depth"])


def test_another_process_renders_the_same_bytes():
    code = (
        "import hashlib; from cen_keras.data.rooms.views import RoomSpec, render_view, DOMAINS\n"
        "spec = RoomSpec(seed=2, size=(24, 32), domains=tuple(DOMAINS))\n"
        "digest = hashlib.sha256()\n"
        "for index in (9, 2):\n"
        "    for name, picture in render_view(spec, index).items():\n"
        "        digest.update(name.encode() + picture.tobytes())\n"
        "print(digest.hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert digests[0] == digests[1] and len(digests[0].strip()) == 64
    # And so does this one, which has rendered other rooms before.
    lines = {}
    exec(code.replace("print(digest.hexdigest())", "result = digest.hexdigest()"), lines)
    assert lines["result"] == digests[0].strip()


@pytest.mark.parametrize("decor", ["plain", "rich"])
def test_every_class_is_seen_often_enough(decor):
    spec = RoomSpec(seed=0, size=(36, 48), sensor=False, domains=("label",), decor=decor)
    views = [render_view(spec, 4 * room)["label"] for room in range(40)]
    counts = np.stack([np.bincount(label.ravel(), minlength=13) for label in views])
    seen = (counts >= 5).mean(axis=0)
    # Over 1000 views every class appears in 45 % or more; of 40 such draws 8 fail once in 10^4.
    assert seen.min() > 0.2, dict(zip(NYU13_CLASSES, seen, strict=True))


def test_a_walk_is_smooth_closed_and_clear_of_furniture():
    scene = make_scene(np.random.default_rng(12))
    cameras = shots.walk(scene, 40, seed=1)
    assert len(cameras) == 40
    for a, b in zip(cameras, cameras[1:] + cameras[:1], strict=True):
        turn = math.remainder(b.yaw - a.yaw, 2 * math.pi)
        assert abs(turn) < math.radians(20)
        assert math.dist(a.position, b.position) < 0.15
        assert render.geometry(scene, a, 6, 8).depth.min() > 0.05
    frames = list(walk_through(seed=1, frames=2, size=(24, 32)))
    assert frames[0]["rgb"].shape == (24, 32, 3) and set(frames[0]) == {"rgb", "depth", "label"}


def test_asking_for_one_picture_or_all_gives_the_same():
    scene = make_scene(np.random.default_rng(1))
    camera = shots.random_camera(scene, np.random.default_rng(2))
    whole = render_all(scene, camera, (24, 32))
    for name in DOMAINS:
        alone = render_all(scene, camera, (24, 32), wanted=(name,))
        np.testing.assert_array_equal(alone[name], whole[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "dev"}, "split 'dev'"),
        ({"domains": ("rgb", "thermal")}, "'thermal'"),
        ({"size": (4, 64)}, "at least 8"),
        ({"views_per_room": 0}, "at least 1"),
        ({"decor": "bare"}, "decor 'bare' is unknown; choose from plain, rich"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        RoomSpec(**change)


def test_views_end_where_they_should():
    views = RoomViews(RoomSpec(size=(12, 16), sensor=False), count=2)
    assert len(views) == 2 and len(list(views)) == 2
    with pytest.raises(IndexError):
        views[2]
    np.testing.assert_array_equal(views[-1]["rgb"], views[1]["rgb"])
    with pytest.raises(InputError, match="at least 1"):
        RoomViews(RoomSpec(), count=0)


def test_other_classes_need_a_map_of_all():
    spec = RoomSpec(size=(12, 16), sensor=False)
    with pytest.raises(InputError, match=r"label_map: found label 2, .* must be 0\.\.1"):
        RoomViews(spec, 1, classes=("ground", "rest"))
    map_all = {number: int(number != 4) for number in range(13)}
    views = RoomViews(spec, 1, classes=("ground", "rest"), label_map=map_all)
    floor = RoomViews(spec, 1)[0]["label"] == NYU13_CLASSES.index("Floor")
    np.testing.assert_array_equal(views[0]["label"], np.where(floor, 0, 1))
    assert views.palette.shape == (2, 3)
