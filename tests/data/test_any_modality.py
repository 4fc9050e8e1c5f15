"""Views of any modalities and any ignored label, through augmentation, loader and flipped tests."""

import logging

import numpy as np
import pytest

from cen_keras.data import transforms
from cen_keras.data.loader import Loader
from cen_keras.data.normalization import Normalization
from cen_keras.data.official_augmentation import OfficialAugmentation
from cen_keras.data.transforms import Augmentation, Known
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.metrics.multi_scale import MultiScale
from cen_keras.modalities import Modality, modality_of

SPECTRAL = Modality("spectral", channels=7, mean=0.5, std=0.25, padding=9.0, interpolation="cubic")
SIZE = (12, 16)


class Pictures(Views):
    """Views made by a function of (generator, index)."""

    name = "pictures"
    classes = ("a", "b", "c")

    def __init__(self, make, count=6, classes=None):
        self._make, self._count = make, count
        self.classes = classes or self.classes

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if not 0 <= index < self._count:
            raise IndexError
        rng = np.random.default_rng(index)
        label = {"label": rng.integers(0, 3, SIZE).astype(np.uint8)}
        return label | self._make(rng)


def picture(rng, dtype, channels):
    shape = (*SIZE, channels) if channels else SIZE
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (rng.random(shape) * top).astype(dtype)


@pytest.mark.parametrize(
    "name, dtype, channels",
    [
        ("rgb", np.uint8, 3),
        ("thermal", np.uint8, 0),
        ("thermal", np.uint16, 1),
        ("nir", np.float32, 0),
        ("depth", np.float32, 0),
        ("disparity", np.float64, 0),
        ("normals", np.uint8, 3),
        ("normals", np.float32, 3),
        ("hha", np.uint8, 3),
        (SPECTRAL, np.uint16, 7),
        (SPECTRAL, np.float32, 7),
        ("anything", np.int32, 3),
    ],
)
@pytest.mark.parametrize("size", [None, (8, 20), (30, 11)])
def test_every_modality_goes_through_loader_and_augmentation(name, dtype, channels, size):
    modality = modality_of(name)
    views = Pictures(lambda rng: {modality.name: picture(rng, dtype, channels)})
    for augment in (Augmentation(size=size, scale=(0.4, 2.0), modality_dropout=0.2), None):
        loader = Loader(views, 3, modalities=(name,), augment=augment, shuffle=True, workers=0)
        for batch in range(2):
            inputs, label = loader[batch]
            fed = inputs[modality.name]
            shape = (size if augment else None) or SIZE
            assert fed.shape == (3, *shape, modality.channels) and fed.dtype == np.float32
            assert np.isfinite(fed).all() and label.dtype == np.int32
    official = OfficialAugmentation(size=20, short_side=8).for_data((modality,), 255)
    assert official(views[0], np.random.default_rng(0))[modality.name].shape[:2] == (20, 20)


def test_normals_turn_their_x_whatever_their_dtype():
    floats = np.random.default_rng(0).uniform(-1, 1, (4, 6, 3)).astype(np.float32)
    counts = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    for name in ("normal", "normals"):
        turned = transforms.mirror({name: floats})[name]
        np.testing.assert_array_equal(turned[..., 0], -floats[:, ::-1, 0])
        turned = transforms.mirror({name: counts})[name]
        np.testing.assert_array_equal(turned[..., 0], 255 - counts[:, ::-1, 0])
        np.testing.assert_array_equal(turned[..., 1:], counts[:, ::-1, 1:])
        assert turned.dtype == np.uint8
    own = Known((Modality("lines", channels=2, mirror="negate_x"),))
    lines = transforms.mirror({"lines": floats[..., :2]}, own)["lines"]
    np.testing.assert_array_equal(lines[..., 0], -floats[:, ::-1, 0])


class Echo:
    """A model whose logits are its input."""

    def __init__(self, name):
        self.name = name
        self.seen = []

    def predict_on_batch(self, inputs):
        self.seen.append(inputs[self.name])
        return {"out": inputs[self.name]}


@pytest.mark.parametrize("numbers", [{}, {"scale": 1 / 255, "mean": 0.5, "std": 0.5}])
def test_a_flipped_test_turns_normals(numbers):
    normals = modality_of({"name": "normals", **numbers})
    counts = np.random.default_rng(1).integers(0, 256, (2, 4, 6, 3), np.uint8)
    model = Echo("normals")
    MultiScale(model, flip=True, modalities=(normals,)).predict_on_batch(
        {"normals": normals.normalize(counts, axes=4)}
    )
    expected = np.stack([normals.normalize(normals.mirrored(x)) for x in counts])
    # float32 rounding of numbers up to 1.
    np.testing.assert_allclose(model.seen[1], expected, atol=1e-6)


def test_padding_and_blanks_are_the_modalitys():
    view = {"spectral": np.ones((4, 5, 7), np.uint16), "label": np.zeros((4, 5), np.uint8)}
    known = Known((SPECTRAL,), ignore=300)
    window = transforms.crop(view, -1, 0, (4, 5), known)
    assert (window["spectral"][0] == 9).all() and (window["spectral"][1:] == 1).all()
    assert (window["label"][0] == 300).all() and window["label"].dtype == np.int32
    assert (transforms.crop(view, -1, 0, (4, 5), Known((), 0))["label"][0] == 0).all()
    assert (transforms.crop(view, -1, 0, (4, 5), Known((), -1))["label"][0] == -1).all()
    thermal = Modality("thermal", channels=1, missing=7.0)
    lost = transforms.drop_modality(
        {"thermal": np.ones((2, 2)), "other": np.ones((2, 2))},
        np.random.default_rng(1),
        Known((thermal,)),
    )
    assert (lost["thermal"] == 7).all() != (lost["other"] == 0).all()


def test_nan_in_depth_is_missing_and_elsewhere_an_error():
    def holes(rng):
        depth = picture(rng, np.float32, 0) + 1
        depth[0, :3] = np.nan, np.inf, -np.inf
        return {"depth": depth}

    plain = {"depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]}}
    views = Pictures(holes)
    loader = Loader(
        views, 2, modalities=("depth",), normalization=Normalization.from_json(plain), workers=0
    )
    fed = loader[0][0]["depth"]
    # 0 metres, normalised: float32 rounding.
    np.testing.assert_allclose(fed[0, 0, :3, 0], -2.5 / 1.5, rtol=1e-6)
    augmented = Loader(
        views, 6, modalities=("depth",), augment=Augmentation(depth=0.3), shuffle=True, workers=0
    )
    assert np.isfinite(augmented[0][0]["depth"]).all()
    with pytest.raises(InputError, match="pictures view 0: 3 values of 'nir' are NaN"):
        Loader(
            Pictures(lambda rng: {"nir": holes(rng)["depth"]}), 2, modalities=("nir",), workers=0
        )[0]


@pytest.mark.parametrize("ignore", [0, 2, 254, 255, 300, -1])
def test_any_label_may_be_the_ignored_one(ignore):
    def make(rng):
        label = rng.integers(0, 3, SIZE).astype(np.int32)
        label[:2] = ignore
        return {"label": label, "rgb": picture(rng, np.uint8, 3)}

    loader = Loader(
        Pictures(make),
        3,
        modalities=("rgb",),
        ignore=ignore,
        workers=0,
        shuffle=True,
        augment=Augmentation(size=(24, 24), scale=(0.3, 0.4)),
    )
    label = loader[0][1]
    assert set(np.unique(label)) <= {0, 1, 2, ignore} and (label == ignore).mean() > 0.5
    if ignore not in (0, 1, 2, 255):
        other = Loader(Pictures(make), 3, modalities=("rgb",), workers=0)
        with pytest.raises(InputError, match=f"found label {ignore}"):
            other[0]


def test_a_skipped_frame_is_filled_with_the_ignored_label(caplog):
    def make(rng):
        label = np.array([[0, 1]], np.uint8)
        return {"rgb": np.zeros((1, 2, 3), np.uint8), "label": label}

    class Bad(Pictures):
        def __getitem__(self, index):
            if index == 1:
                raise InputError("frame 1 is damaged")
            return super().__getitem__(index)

    loader = Loader(Bad(make, 3), 3, modalities=("rgb",), bad_frames="skip", ignore=300, workers=0)
    assert loader[0][1].tolist() == [[[0, 1]], [[300, 300]], [[0, 1]]]
    assert list(loader.skipped) == ["pictures view 1"]


def test_labels_that_teach_nothing_are_noticed(caplog):
    def of(*values):
        label = np.resize(np.array(values, np.uint8), SIZE)
        return Pictures(lambda rng: {"label": label, "rgb": np.zeros((*SIZE, 3), np.uint8)})

    def run(views, **options):
        loader = Loader(views, 3, modalities=("rgb",), workers=0, **options)
        for index in range(len(loader)):
            loader[index]

    with pytest.raises(InputError, match="all 1152 labelled pixels are 255"):
        run(of(255))
    with pytest.raises(InputError, match="hold 'a' alone, and 255"):
        run(of(0, 255))
    # The first steps of a training are a sample, which may miss what is rare.
    with caplog.at_level(logging.WARNING):
        run(of(0, 255), shuffle=True, epoch_steps=1)
    assert "hold 'a' alone, and 255" in caplog.text and "the first epoch's views" in caplog.text
    with pytest.raises(InputError, match="labelled pixels are 255"):
        run(of(255), shuffle=True, epoch_steps=1)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run(of(0, 1))
    assert "1 of 3 classes have no pixel in these views" in caplog.text and "c" in caplog.text
    caplog.clear()
    run(of(0, 1, 2), ignore=0)
    run(of(1, 2, 0), ignore=0)
    assert not caplog.text


def test_mixed_sizes_are_met_with_a_way_out_that_helps():
    def make(rng):
        size = int(rng.integers(4, 9)), 8
        return {"rgb": np.zeros((*size, 3), np.uint8), "label": np.zeros(size, np.uint8)}

    views = Pictures(make)
    with pytest.raises(InputError, match=r"`data\.size`.*`evaluation\.batch`"):
        Loader(views, 6, modalities=("rgb",), workers=0)[0]
    with pytest.raises(InputError, match="augmentation a size"):
        Loader(views, 6, modalities=("rgb",), workers=0, shuffle=True)[0]
