"""Depth registered to another camera, held against scaling, a plain loop over pixels, and geometry."""

import json

import numpy as np
import pytest
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.data.depth_registration import register_depth
from cen_keras.data.folder import FolderViews
from cen_keras.data.frames import FrameViews
from cen_keras.data.pinhole_cameras import PinholeCamera, read_cameras
from cen_keras.errors import InputError

RNG = np.random.default_rng(0)


def turned(x, y, z):
    """Rotation by three small angles."""
    cos, sin = np.cos((x, y, z)), np.sin((x, y, z))
    about_x = np.array([[1, 0, 0], [0, cos[0], -sin[0]], [0, sin[0], cos[0]]])
    about_y = np.array([[cos[1], 0, sin[1]], [0, 1, 0], [-sin[1], 0, cos[1]]])
    about_z = np.array([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def scaled(camera, factor):
    """The camera whose pictures are so many times as large: pixel centres are whole numbers."""
    cx, cy = ((c + 0.5) * factor - 0.5 for c in (camera.cx, camera.cy))
    return PinholeCamera(camera.fx * factor, camera.fy * factor, cx, cy)


@pytest.mark.parametrize("factor", [1, 2, 3, 1 / 2, 1 / 3, 1.5, 2.5])
def test_without_extrinsics_it_is_scaling_to_the_nearest_pixel(factor):
    depth = RNG.uniform(0.5, 5, (12, 18)).astype(np.float32)
    depth[RNG.random(depth.shape) < 0.2] = 0
    depth[0, 0], depth[0, 3], depth[3, 0] = np.nan, np.inf, -1
    camera = PinholeCamera(17.3, 16.1, 8.2, 5.9)
    height, width = round(12 * factor), round(18 * factor)
    found = register_depth(depth, camera, scaled(camera, factor), height, width)
    rows, columns = (np.floor((np.arange(n) + 0.5) / factor).astype(int) for n in (height, width))
    clean = np.where(np.isfinite(depth) & (depth > 0), depth, 0)
    # Half a step of float32: z passes through float64 unchanged.
    np.testing.assert_allclose(found, clean[rows[:, None], columns], rtol=1e-7)


def by_a_loop(depth, camera, onto, height, width):
    """Every depth pixel's four corners, projected one by one; the nearest stays."""
    found = np.full((height, width), np.inf)
    for (v, u), z in np.ndenumerate(depth):
        corners = []
        for row, column in ((v + a, u + b) for a in (-0.5, 0.5) for b in (-0.5, 0.5)):
            ray = np.array([(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1])
            x, y, far = camera.rotation @ (z * ray) + camera.translation
            corners.append((onto.fy * y / far + onto.cy, onto.fx * x / far + onto.cx))
        ray = np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1])
        far = (camera.rotation @ (z * ray) + camera.translation)[2]
        (top, left), (bottom, right) = np.min(corners, 0), np.max(corners, 0)
        for row in range(max(0, int(np.ceil(top))), min(height, int(np.ceil(bottom)))):
            for column in range(max(0, int(np.ceil(left))), min(width, int(np.ceil(right)))):
                found[row, column] = min(found[row, column], far) if z > 0 else found[row, column]
    return np.where(np.isinf(found), 0, found)


def test_with_extrinsics_it_is_the_loop_over_pixels():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        depth = rng.uniform(0.6, 3, (14, 20))
        depth[rng.random(depth.shape) < 0.2] = 0
        camera = PinholeCamera(
            19, 18, 9.3, 6.2, None, turned(*rng.uniform(-0.2, 0.2, 3)), rng.uniform(-0.3, 0.3, 3)
        )
        onto = PinholeCamera(*rng.uniform(20, 40, 2), *rng.uniform(14, 20, 2))
        wanted = by_a_loop(depth, camera, onto, 30, 37)
        assert 0.2 < (wanted > 0).mean() < 1
        # float32 of the result: half a step of 2^-24.
        np.testing.assert_allclose(register_depth(depth, camera, onto, 30, 37), wanted, rtol=1e-7)


def plane_depth(camera, normal, distance, height, width):
    """Metres along the axis at which a camera sees the plane normal . point = distance."""
    v, u = np.mgrid[:height, :width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)])
    return distance / np.einsum("c,chw->hw", normal, rays)


def test_a_plane_that_two_cameras_see():
    rotation, translation = turned(0.03, -0.05, 0.02), np.array([0.06, -0.01, 0.02])
    depth_camera = PinholeCamera(90, 90, 39.5, 29.5, None, rotation, translation)
    colour = PinholeCamera(150, 150, 79.5, 44.5)
    normal = np.array([0.3, -0.2, 0.93])
    # other = R p + t, so n . other = d is (R^T n) . p = d - n . t for the depth camera.
    seen = plane_depth(depth_camera, rotation.T @ normal, 2 - normal @ translation, 60, 80)
    found = register_depth(seen, depth_camera, colour, 90, 160)
    wanted = plane_depth(colour, normal, 2, 90, 160)
    hit = found > 0
    assert hit[20:70, 40:120].all()
    # A depth pixel is flat: it is off by the plane's slope over half its width and a little for the
    # turn of its corners, at most one pixel of 1/90 in both directions.
    slope = 2 * np.abs(normal[:2]).sum() / normal[2]
    bound = slope * wanted.max() / 90
    assert np.abs(found - wanted)[hit].max() < bound < 0.05
    # Where the whole is shifted the other way it would be off by the baseline times the slope.
    assert np.abs((found - wanted)[hit].mean()) < 0.003 < 0.06 * 0.3


def test_what_is_near_hides_what_is_far_and_behind_the_camera_is_nothing():
    depth = np.full((5, 9), 4.0)
    depth[:, 4] = 1
    camera = PinholeCamera(10, 10, 4, 2, None, None, (0.5, 0, 0))
    found = register_depth(depth, camera, PinholeCamera(10, 10, 4, 2), 5, 9)
    # At 1 m half a metre is 5 pixels, at 4 m 1.25: column 4 lands outside, and leaves a hole.
    assert found[2].tolist() == [0, 4, 4, 4, 4, 0, 4, 4, 4]
    near = register_depth(depth, PinholeCamera(10, 10, 4, 2, None, None, (0.2, 0, 0)), camera, 5, 9)
    assert near[2, 6] == 1 and set(near[2].tolist()) <= {0, 1, 4}
    behind = PinholeCamera(10, 10, 4, 2, None, None, (0, 0, -5))
    assert (register_depth(depth, behind, camera, 5, 9) == 0).all()
    assert (register_depth(np.zeros((5, 9)), behind, camera, 5, 9) == 0).all()


RIG = {
    "rgb": {"fx": 30, "fy": 30, "cx": 19.5, "cy": 11.5, "width": 40, "height": 24},
    "depth": {"fx": 15, "fy": 15, "cx": 7.5, "cy": 5.5, "translation": [0.1, 0, 0]},
}


@pytest.fixture
def folder(tmp_path):
    """Views whose depth has another size and other proportions than its colours."""
    for name, picture in (
        ("rgb", RNG.integers(0, 256, (24, 40, 3), np.uint8)),
        ("depth", RNG.integers(1500, 3000, (12, 16)).astype(np.uint16)),
        ("label", RNG.integers(0, 2, (24, 40), np.uint8)),
    ):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "0.png")
    return tmp_path


def test_a_folder_with_cameras_is_registered(folder):
    with pytest.raises(InputError, match="is 16x12, but 0.png is 40x24.*cameras say how"):
        FrameViews(folder, classes=("a", "b"))[0]
    (folder / "rig.json").write_text(json.dumps(RIG))
    metres = np.array(Image.open(folder / "depth/0.png")).astype(np.float32) / 1000
    cameras = read_cameras(RIG)
    wanted = register_depth(metres, cameras["depth"], cameras["rgb"], 24, 40)
    assert (wanted > 0).any()
    spec = {"name": "frames", "root": str(folder), "classes": ["a", "b"]}
    for given in (RIG, str(folder / "rig.json"), cameras):
        view = open_dataset({**spec, "cameras": given}, "val")[0]
        assert view["label"].shape == view["depth"].shape == (24, 40)
        # Metres of the file are counts times a float32 thousandth: a step apart.
        np.testing.assert_allclose(view["depth"], wanted, rtol=1e-6)
    # The order of the modalities says nothing about whose pixels count; colours alone need no rig.
    swapped = FolderViews(folder, ("depth", "rgb"), classes=("a", "b"), cameras=RIG)[0]
    np.testing.assert_array_equal(swapped["depth"], view["depth"])
    assert set(FolderViews(folder, ("rgb",), classes=("a", "b"), cameras=RIG)[0]) == {
        "rgb",
        "label",
    }


@pytest.mark.parametrize("kinds", [("rgb", "depth", "nir"), ("rgb", "nir")])
def test_a_camera_of_pictures_that_cannot_be_registered_is_named(folder, kinds):
    (folder / "nir").mkdir()
    Image.fromarray(np.zeros((24, 40), np.uint8)).save(folder / "nir/0.png")
    with pytest.raises(
        InputError, match="nir has a camera beside that of rgb.*leave its camera out"
    ):
        FolderViews(folder, kinds, classes=("a", "b"), cameras={**RIG, "nir": RIG["rgb"]})
    assert FolderViews(folder, kinds, classes=("a", "b"), cameras=RIG)[0]["nir"].shape == (24, 40)


@pytest.mark.parametrize(
    ("cameras", "words"),
    [
        ("none.json", "none.json: cannot be read"),
        ([], r"cameras: is \[\]; wanted"),
        ({"rgb": RIG["rgb"]}, "are of rgb, the modalities are rgb, depth; wanted one of depth"),
        ({"depth": RIG["depth"]}, "wanted one of depth and one of what"),
        (
            {**RIG, "RGB": RIG["rgb"]},
            "cameras has 'RGB', which is no modality .* rgb, depth and label",
        ),
        ({**RIG, "rgb": 5}, "camera of 'rgb' is 5"),
        ({**RIG, "rgb": {"fx": 5}}, "'rgb': fy is None; wanted 1 number"),
        (
            {**RIG, "rgb": {**RIG["rgb"], "fx": -1}},
            "fx and fy are -1 and 30; wanted pixels, above 0",
        ),
        ({**RIG, "rgb": {**RIG["rgb"], "k1": 0}}, "has 'k1'; known are fx"),
        ({**RIG, "rgb": {**RIG["rgb"], "width": 80}}, "0.png: is 40x24, but the camera of 'rgb'"),
        ({**RIG, "depth": {**RIG["depth"], "rotation": [1] * 9}}, "rotation is none"),
        ({**RIG, "depth": {**RIG["depth"], "rotation": [1]}}, r"\[1\]; wanted 9 numbers"),
        ({**RIG, "depth": {**RIG["depth"], "translation": [51, 0, 0]}}, "wanted metres between"),
        ({**RIG, "depth": {**RIG["depth"], "cx": float("nan")}}, "cx is nan; wanted 1 number"),
    ],
)
def test_cameras_that_are_none_are_named(folder, cameras, words):
    with pytest.raises(InputError, match=words) as found:
        FrameViews(folder, classes=("a", "b"), cameras=cameras)[0]
    assert "\n" not in str(found.value)
