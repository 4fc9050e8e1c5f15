"""Modality: its fields, its normalisation, and what mirroring does to it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from cen_keras.data import transforms
from cen_keras.data.official_augmentation import OfficialAugmentation
from cen_keras.errors import InputError
from cen_keras.layers.streams import check_modalities
from cen_keras.modalities import READY, Modality, modality_of
from deploy.demo.missing import complete
from deploy.runtime.image_kind import kind_of
from deploy.runtime.preprocess import Frame, Preprocessor
from deploy.runtime.tensors import Normalization, TensorSpec


def test_channels_of_the_ready_ones():
    expected = {"rgb": 3, "depth": 1, "depth_euclidean": 1, "disparity": 1, "thermal": 1, "nir": 1}
    expected |= {"normals": 3, "normal": 3, "hha": 3, "edge_texture": 1, "edge_occlusion": 1}
    assert {name: READY[name].channels for name in expected} == expected
    assert all(name == modality.name for name, modality in READY.items())
    assert modality_of("echo") == Modality("echo", channels=3)


@pytest.mark.parametrize("name", [*READY, "echo"])
def test_a_config_survives_json(name):
    modality = modality_of(name)
    assert Modality.from_config(json.loads(json.dumps(modality.to_config()))) == modality


def test_a_config_changes_only_what_it_names():
    far = modality_of({"name": "depth", "limits": [1, 80], "mean": 20})
    assert far.limits == (1.0, 80.0) and far.mean == (20.0,) and far.unit == "m"
    assert modality_of(far) is far
    two = modality_of({"name": "rgb", "channels": 2})
    assert two.mean == (0.0, 0.0) and two.interpolation == "cubic"
    assert len({far, two, modality_of("depth")}) == 3  # hashable


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"channels": 0}, "channels is 0"),
        ({"channels": True}, "channels is True"),
        ({"std": (1.0, 0.0, 1.0)}, "above 0"),
        ({"mean": (float("nan"),)}, "mean is"),
        ({"mean": (1.0, 2.0)}, "3 numbers"),
        ({"mirror": "flip"}, "negate_x"),
        ({"interpolation": None}, "nearest"),
        ({"limits": (5.0, 1.0)}, "least, largest"),
        ({"unit_per_count": -1.0}, "above 0"),
        ({"unit": float("nan")}, "a word, or null"),
        ({"scale": "big"}, "scale is 'big'"),
        ({"colour": 1}, "'colour' is unknown"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields, words):
    with pytest.raises(InputError, match=words):
        Modality.from_config({"name": "echo", **fields})
    with pytest.raises(InputError, match="no name"):
        Modality.from_config({"channels": 1})
    with pytest.raises(InputError, match="wanted a name"):
        modality_of(3)


def test_normalises_every_dtype_and_repeats_what_lacks_channels():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    expected = (rgb / 255 - READY["rgb"].mean) / READY["rgb"].std
    # float32 beside float64: a few units in the last place of values up to 3.
    np.testing.assert_allclose(READY["rgb"].normalize(rgb, axes=4), expected, atol=1e-6)
    thermal = np.array([[0, 40000]], np.uint16)
    wide = modality_of({"name": "thermal", "scale": 1 / 65535})
    np.testing.assert_allclose(
        wide.normalize(thermal)[..., 0], [[-2, (40000 / 65535 - 0.5) * 4]], atol=1e-6
    )
    assert modality_of("echo").normalize(np.ones((2, 1))).shape == (2, 1, 3)
    with pytest.raises(InputError, match="4 channels|shape \\(2, 2, 4\\)"):
        READY["rgb"].normalize(np.zeros((2, 2, 4), np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_counts_of_vectors_are_vectors_here_and_on_the_board(dtype):
    """Ends and middle of the range: -1, nearly 0 and 1."""
    top = np.iinfo(dtype).max
    counts = np.array([[[0, top // 2 + 1, top]]], dtype)
    wanted = [[[-1, 1 / top, 1]]]
    normals = READY["normals"]
    np.testing.assert_allclose(normals.normalize(counts), wanted, atol=1e-6)
    spec = TensorSpec(
        *("normals", (1, 1, 1, 3), "NHWC", "float32", "image"),
        normalization=Normalization(normals.scale, normals.mean, normals.std),
        kind=kind_of(normals),
    )
    fed = Preprocessor({"normals": spec})(Frame("a", {"normals": counts}))["normals"][0]
    np.testing.assert_allclose(fed, wanted, atol=1e-6)
    # Nor is a camera that is unplugged a wall that looks to the left.
    gone = complete(Frame("a", {"rgb": np.zeros((1, 1, 3), np.uint8)}), [spec])
    fed = Preprocessor({"normals": spec})(gone)["normals"]
    np.testing.assert_allclose(fed, 0, atol=1 / 255 + 1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("scaled", [False, True])
def test_outside_and_blank_vectors_are_none(dtype, scaled):
    counts = np.dtype(dtype).kind == "u"
    top = np.iinfo(dtype).max if counts else 1.0
    numbers = {"scale": 2 / top, "mean": 1.0} if counts and scaled else {}
    normals = modality_of({"name": "normals", **numbers})
    known = transforms.Known((normals,))
    view = {"normals": np.full((4, 5, 3), top, dtype), "rgb": np.zeros((4, 5, 3), np.uint8)}
    window = transforms.crop(view, -2, 0, (4, 5), known)["normals"]
    lost = transforms.drop_modality(view, np.random.default_rng(1), known)["normals"]
    official = OfficialAugmentation(size=8).for_data((normals,), 255)
    padded = official.padded({"normals": view["normals"]}, 8)["normals"]
    for filled in (window[:2], lost, padded[:2]):
        assert filled.dtype == dtype
        # Half a count is all that counts can be off: there is none for 0.
        assert np.abs(normals.normalize(filled)).max() <= (1 / top if counts else 0) + 1e-6
    up = modality_of({"name": "normals", "padding": (0, 0, 1), **numbers})
    window = transforms.crop(view, -2, 0, (4, 5), transforms.Known((up,)))["normals"]
    atol = (1 / top if counts else 0) + 1e-6
    np.testing.assert_allclose(up.normalize(window)[0, 0], [0, 0, 1], atol=atol)


def test_nan_is_missing_or_an_error():
    depth = np.array([[np.nan, np.inf], [-np.inf, 2.0]], np.float32)
    np.testing.assert_array_equal(READY["depth"].normalize(depth)[..., 0], [[0, 0], [0, 2]])
    with pytest.raises(InputError, match="NaN"):
        modality_of({"name": "thermal", "scale": 1.0}).normalize(depth)


@pytest.mark.parametrize(
    "dtype, numbers",
    [
        (np.float32, {}),
        (np.float32, {"mean": (0.1, -0.07, -0.54), "std": (0.52, 0.56, 0.33)}),
        (np.uint8, {}),
        (np.uint8, {"scale": 1 / 127.5, "mean": 1.0}),
        (np.uint8, {"scale": 1 / 255, "mean": 0.5, "std": 0.5}),
        (np.uint8, {"mean": 127.5, "std": 127.5}),
    ],
)
def test_mirroring_before_and_after_normalisation_agree(dtype, numbers):
    """Turned in the view, then normalised, equals normalised, then turned as a flipped test is."""
    rng = np.random.default_rng(1)
    vectors = rng.uniform(-1, 1, (4, 6, 3)).astype(np.float32)
    view = vectors if dtype == np.float32 else np.round((vectors + 1) * 127.5).astype(np.uint8)
    normals = modality_of({"name": "normals", **numbers})
    turned = normals.mirrored(view)
    assert turned.dtype == view.dtype
    x = view[:, ::-1, 0]
    np.testing.assert_array_equal(turned[..., 0], 255 - x if dtype == np.uint8 else -x)
    np.testing.assert_array_equal(turned[..., 1:], view[:, ::-1, 1:])
    # float32 rounding of values up to 4.
    np.testing.assert_allclose(
        normals.mirrored_input(normals.normalize(view)), normals.normalize(turned), atol=2e-6
    )
    rgb = rng.integers(0, 256, (4, 6, 3), np.uint8)
    np.testing.assert_array_equal(READY["rgb"].mirrored(rgb), rgb[:, ::-1])


def test_needs_numpy_alone():
    """Neither Keras nor a reader of data is imported by what everything reads."""
    code = (
        "import sys; before = set(sys.modules); import cen_keras.modalities; "
        "print([m for m in set(sys.modules) - before if m.split('.')[0] in ('keras', 'tensorflow', "
        "'cv2') or m.startswith('cen_keras.data')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "names", [(), ("rgb", "rgb"), ("rgb", ""), ("rgb", "ensemble"), ("rgb", "left/nir"), "rgb", 5]
)
def test_names_that_streams_cannot_have(names):
    with pytest.raises(InputError, match="modalities"):
        check_modalities(names)
