"""Domains as images: scales, joined names, sizes, augmentation that treats all images alike."""

import numpy as np
import pytest
from PIL import Image

from cen_keras.data.image_domains import (
    DomainViews,
    ImageAugmentation,
    image_normalization,
    open_domains,
    parts_of,
    resize_image,
    to_image,
)
from cen_keras.data.loader import Loader
from cen_keras.data.rooms.views import DOMAINS
from cen_keras.data.views import Views
from cen_keras.errors import InputError

ROOMS = {"name": "rooms", "seed": 0, "size": (24, 32), "train": 4, "val": 4, "sensor": False}


class Fixed(Views):
    """One view of given pictures."""

    def __init__(self, **pictures):
        self.pictures = pictures

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.pictures


def test_scales_by_hand():
    assert to_image("rgb", np.uint8([[[0, 255, 51]]])).tolist() == [[[-1, 1, np.float32(-0.6)]]]
    grey = to_image("reshading", np.float32([[0, 0.25, 1, 1.5]]))
    assert grey.tolist() == [[[-1.0] * 3, [-0.5] * 3, [1.0] * 3, [1.0] * 3]]
    depth = to_image("depth", np.float32([[0, 2]]))
    assert depth[0, 0, 0] == -1
    # log(1 + 2 m * 512) / 11.1, in float32.
    assert depth[0, 1, 0] == pytest.approx(2 * np.log(1025) / 11.1 - 1, rel=1e-6)
    bent = to_image("principal_curvature", np.float32([[[10, 0]]]))
    np.testing.assert_allclose(bent, [[[0, -1, -1]]], atol=1e-7)


def test_every_domain_of_rooms_is_an_image():
    names = [name for name in DOMAINS if name != "label"]
    views = open_domains(ROOMS, "train", names)
    for image in views[0].values():
        assert image.shape == (24, 32, 3) and image.dtype == np.float32
        assert np.abs(image).max() <= 1 and image.std() > 0


def test_joined_domains_lie_behind_each_other():
    assert parts_of("rgb-normal") == ("rgb", "normal")
    view = open_domains(ROOMS, "val", ("rgb-normal", "normal", "rgb"))[1]
    np.testing.assert_array_equal(view["rgb-normal"][..., :3], view["rgb"])
    np.testing.assert_array_equal(view["rgb-normal"][..., 3:], view["normal"])
    assert image_normalization(("rgb-normal",)).modalities["rgb-normal"].mean == (0.0,) * 6


def test_resizing_is_pillow_s_to_the_bit():
    picture = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    small = resize_image(picture.astype(np.float32), (11, 13))
    wanted = np.asarray(Image.fromarray(picture).resize((13, 11), Image.Resampling.BILINEAR))
    # Pillow rounds pictures of 8 bits after each axis: half a step each.
    np.testing.assert_allclose(small, wanted, rtol=0, atol=1.01)
    assert DomainViews(Fixed(rgb=picture), ("rgb",), (8, 8))[0]["rgb"].shape == (8, 8, 3)


def test_augmentation_treats_all_images_alike():
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (20, 24, 3)).astype(np.float32)
    normal = rng.uniform(-1, 1, (20, 24, 3)).astype(np.float32)
    view = {"rgb": image, "rgb-normal": np.concatenate([image, normal], -1), "normal": normal}
    augment = ImageAugmentation(resize=None, crop=(16, 16))
    seen = set()
    for seed in range(8):
        new = augment(view, np.random.default_rng(seed))
        again = augment(view, np.random.default_rng(seed))
        np.testing.assert_array_equal(new["rgb"], again["rgb"])
        assert new["rgb"].shape == (16, 16, 3)
        np.testing.assert_array_equal(new["rgb-normal"][..., :3], new["rgb"])
        np.testing.assert_array_equal(new["rgb-normal"][..., 3:], new["normal"])
        mirrored = not (new["normal"][0, 0] == normal.reshape(-1, 3)).all(1).any()
        seen.add(mirrored)
        if mirrored:
            turned = new["normal"][:, ::-1] * np.float32([-1, 1, 1])
            assert (turned[0, 0] == normal.reshape(-1, 3)).all(1).any()
    assert seen == {True, False}
    official = ImageAugmentation(resize=None, crop=None, turn_normals=False)
    both = [official(view, np.random.default_rng(seed))["normal"] for seed in range(8)]
    np.testing.assert_array_equal(next(b for b in both if (b != normal).any()), normal[:, ::-1])


def test_every_window_lies_inside():
    image = np.ones((286, 286, 3), np.float32)
    for seed in range(40):
        window = ImageAugmentation()({"rgb": image}, np.random.default_rng(seed))["rgb"]
        assert window.shape == (256, 256, 3) and (window == 1).all()


def test_the_loader_gives_images_and_target():
    views = open_domains(ROOMS, "train", ("rgb", "reshading", "normal"))
    loader = Loader(
        views,
        2,
        modalities=("rgb", "reshading"),
        normalization=image_normalization(("rgb", "reshading")),
        augment=ImageAugmentation(resize=None, crop=16),
        target="normal",
        shuffle=True,
    )
    inputs, target = loader.batch(0, 0)
    assert {name: batch.shape for name, batch in inputs.items()} == {
        "rgb": (2, 16, 16, 3),
        "reshading": (2, 16, 16, 3),
    }
    assert target.shape == (2, 16, 16, 3) and target.dtype == np.float32
    assert min(batch.min() for batch in inputs.values()) >= -1


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({"rgb": np.zeros((4, 4), np.uint8)}, "rgb: an 8-bit picture has three channels"),
        ({"label": np.zeros((4, 4), np.float32)}, "label: has no scale"),
        (
            {"rgb": np.zeros((4, 4, 3), np.uint8), "reshading": np.zeros((4, 5), np.float32)},
            "rgb 4x4, reshading 4x5",
        ),
    ],
)
def test_pictures_that_do_not_fit_are_named(pictures, message):
    with pytest.raises(InputError, match=message):
        DomainViews(Fixed(**pictures), tuple(pictures))[0]


def test_other_bad_input_is_named():
    with pytest.raises(InputError, match="has no 'rgb'"):
        DomainViews(Fixed(depth=np.zeros((4, 4), np.float32)), ("rgb",))[0]
    with pytest.raises(InputError, match="take rooms or taskonomy"):
        open_domains({"name": "nyudv2"}, "train", ("rgb",))
    with pytest.raises(InputError, match="take rooms or taskonomy"):
        open_domains("nyudv2", "train", ("rgb",))
    for given in (["rgb", "depth", "normal"], ["rgb"]):
        with pytest.raises(InputError, match=r"rooms: domains is \['rgb'.*are rgb, depth; leave"):
            open_domains({**ROOMS, "domains": given}, "train", ("rgb", "depth"))
    assert len(open_domains({**ROOMS, "domains": ["depth", "rgb"]}, "train", ("rgb", "depth")))
    with pytest.raises(InputError, match="does not fit into images of 8x8"):
        ImageAugmentation(resize=8, crop=9)(
            {"rgb": np.zeros((4, 4, 3), np.float32)}, np.random.default_rng(0)
        )
