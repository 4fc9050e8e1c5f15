"""Taskonomy folders: units of the 16-bit domains, the list's placeholder, everything wrong at once."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cen_keras.data.datasets import open_dataset
from cen_keras.data.image_domains import DomainViews, to_image
from cen_keras.data.taskonomy import TaskonomyViews, png_header, read_domain_list
from cen_keras.errors import InputError

REAL = Path(__file__).parents[3] / "shared" / "real" / "taskonomy"
LINE = "{domain}/point_0_view_%d_domain_{domain}.png"


def write(root, domain, view, picture):
    path = root / domain / f"point_0_view_{view}_domain_{domain}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for view in range(3):
        for domain in ("rgb", "normal"):
            write(tmp_path, domain, view, rng.integers(0, 256, (12, 16, 3), np.uint8))
        for domain in ("depth_euclidean", "edge_occlusion"):
            write(tmp_path, domain, view, rng.integers(0, 9000, (12, 16), np.uint16))
    lines = [LINE % view for view in range(3)]
    # The official list ends without a newline.
    (tmp_path / "train_domain.txt").write_text("\n".join(lines))
    return tmp_path


def test_views_hold_every_domain_in_its_unit(root):
    counts = np.full((12, 16), 1024, np.uint16)
    counts[0, :3] = 0, 65535, 11584
    for domain in ("depth_euclidean", "edge_occlusion"):
        write(root, domain, 1, counts)
    colour = np.zeros((12, 16, 3), np.uint8)
    colour[..., 2] = 200  # OpenCV writes BGR
    write(root, "rgb", 1, colour)
    domains = ("rgb", "depth_euclidean", "edge_occlusion")
    views = open_dataset({"name": "taskonomy", "root": str(root), "domains": domains}, "train")
    assert len(views) == 3
    view = views[1]
    assert list(view) == list(domains)
    np.testing.assert_array_equal(view["rgb"][0, 0], (200, 0, 0))
    depth, edge = view["depth_euclidean"], view["edge_occlusion"]
    assert depth.dtype == edge.dtype == np.float32
    np.testing.assert_array_equal(depth[0, :4], np.float32([0, 0, 11584 / 512, 2]))
    # One division in float32.
    np.testing.assert_allclose(edge[0, :4], [0, 0, 1, 1024 / 11584], rtol=1e-6)
    assert views.source(1) == str(root / "rgb/point_0_view_1_domain_rgb.png")
    with pytest.raises(IndexError):
        views[3]


def test_depth_has_the_official_scale():
    counts = np.arange(0, 65535, 17, dtype=np.float64)
    image = to_image("depth_euclidean", (counts / 512).astype(np.float32)[None])
    # The official code: 255 * log(1 + counts) / 11.1, cut to 8 bits, / 127.5 - 1. Ours is not cut: up
    # to one of 255 steps above.
    official = np.floor(255 * np.log1p(counts) / 11.1) / 127.5 - 1
    above = image[0, :, 0] - official
    assert above.min() > -1e-5 and above.max() < 1 / 127.5 + 1e-5
    np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_everything_wrong_is_listed_at_once(root):
    missing = root / "normal/point_0_view_0_domain_normal.png"
    missing.unlink()
    write(root, "depth_euclidean", 1, np.zeros((6, 16), np.uint16))
    write(root, "rgb", 2, np.zeros((12, 16), np.uint8))
    broken = root / "normal/point_0_view_2_domain_normal.png"
    broken.write_bytes(b"<html>")
    with pytest.raises(InputError) as error:
        TaskonomyViews(root, "train_domain.txt", ("rgb", "normal", "depth_euclidean"))
    message = str(error.value)
    for part in (
        "4 files of its 3 views in 3 domains",
        f"{missing} is missing",
        "view_1_domain_depth_euclidean.png is 6x16, its view's other domains 12x16",
        "view_2_domain_rgb.png is 8-bit grey, where rgb is 8-bit colour",
        f"{broken} is no PNG",
    ):
        assert part in message


def test_only_the_first_files_are_spelled_out(root):
    for domain in ("rgb", "normal"):
        for view in range(3):
            (root / f"{domain}/point_0_view_{view}_domain_{domain}.png").unlink()
    with pytest.raises(InputError, match="6 files .*; and 1 more"):
        TaskonomyViews(root, "train_domain.txt", ("rgb", "normal"))


def test_bad_lists_domains_and_files_are_named(root):
    with pytest.raises(InputError, match="train_domain.txt and data/val"):
        open_dataset({"name": "taskonomy", "root": str(root), "domains": ["rgb"]}, "val")
    (root / "bad.txt").write_text(LINE % 0 + "\nrgb/point.png\n")
    with pytest.raises(InputError, match="line 2: has no {domain}"):
        TaskonomyViews(root, "bad.txt", ("rgb",))
    (root / "bad.txt").write_text("\n\n")
    with pytest.raises(InputError, match="names no views"):
        TaskonomyViews(root, "bad.txt", ("rgb",))
    with pytest.raises(InputError, match="'depth' is unknown.*depth_euclidean"):
        TaskonomyViews(root, "train_domain.txt", ("rgb", "depth"))
    with pytest.raises(InputError, match="unknown option 'size'"):
        open_dataset({"name": "taskonomy", "root": "x", "domains": [], "size": 3}, "train")
    views = TaskonomyViews(root, "train_domain.txt", ("rgb",))
    path = views.files[0]["rgb"]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="unpack it again"):
        views[0]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real captures are not there")
def test_a_real_view_and_the_official_lists(tmp_path):
    assert len(read_domain_list(REAL / "cen_train_domain.txt")) == 1000
    assert len(read_domain_list(REAL / "cen_val_domain.txt")) == 500
    listed = tmp_path / "list.txt"
    listed.write_text("point_0_view_0_domain_{domain}.png\n")
    domains = ("rgb", "reshading", "depth_euclidean")
    views = TaskonomyViews(REAL, listed, domains)
    assert png_header(views.files[0]["rgb"]) == (512, 512, 8, 2)
    raw = cv2.imread(str(views.files[0]["depth_euclidean"]), cv2.IMREAD_UNCHANGED)
    depth = views[0]["depth_euclidean"]
    assert (depth == 0).sum() == (raw == 65535).sum() == 2
    assert 0.5 < np.median(depth) < 15  # metres of a room
    images = DomainViews(views, domains, size=(256, 256))[0]
    assert all(image.shape == (256, 256, 3) for image in images.values())
    assert all(np.isfinite(i).all() and np.abs(i).max() <= 1 for i in images.values())
