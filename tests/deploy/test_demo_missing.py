"""A modality that goes is reported once, and once more when it comes back; its stream is left."""

import numpy as np
import pytest

from deploy.demo.missing import MissingWatch, complete
from deploy.demo.network import AUTO, Choice, Network
from deploy.runtime.errors import InputError
from deploy.runtime.image_kind import METRES, PICTURE, ImageKind
from deploy.runtime.preprocess import Frame
from deploy.runtime.tensors import TensorSpec

SEEN = {"rgb": np.ones((8, 8, 3), np.uint8), "depth": np.ones((8, 8), np.float32)}
ZERO = dict(SEEN, depth=np.zeros((8, 8), np.float32))
GONE = {"rgb": SEEN["rgb"]}
USUAL = {"rgb": PICTURE, "depth": METRES}
SPECS = [
    TensorSpec("rgb", (1, 4, 4, 3), "NHWC", "float32", "image", kind=PICTURE),
    TensorSpec("depth", (1, 4, 4, 1), "NHWC", "float32", "depth", kind=METRES),
]


@pytest.mark.parametrize("lost", [ZERO, GONE])
def test_reported_once_and_once_more(lost):
    watch = MissingWatch(USUAL, patience=3)
    messages = [
        watch.look(images) for images in [SEEN, lost, lost, SEEN, lost, lost, lost, lost, SEEN]
    ]
    assert messages[:6] == [[]] * 6, "two frames in a row are normal"
    assert messages[6] == ["depth is missing: 3 frames in a row held none of it"]
    assert messages[7] == [] and messages[8] == ["depth is back after 4 frames"]
    assert watch.missing == ()


@pytest.mark.parametrize(("frames", "count"), [([ZERO] * 2, 1), ([ZERO, SEEN], 0), ([ZERO] * 3, 0)])
def test_a_recording_shorter_than_patience_is_reported_at_its_end(frames, count):
    watch = MissingWatch(USUAL, patience=3)
    for images in frames:
        watch.look(images)
    wanted = ["depth is missing: not one of 2 frames held any of it"]
    assert watch.end() == wanted[:count], "three of them have been reported already"


def test_what_is_missing_now():
    watch = MissingWatch(USUAL, patience=1)
    watch.look({"depth": SEEN["depth"]})
    assert watch.missing == ("rgb",)
    watch.look({})
    assert watch.missing == ("rgb", "depth")
    watch.look(ZERO)
    assert watch.missing == ("depth",)


def test_frames_are_completed_with_zeros():
    frame = complete(Frame("x", GONE), SPECS)
    assert frame.images["depth"].dtype == np.float32 and not frame.images["depth"].any()
    frame = complete(Frame("x", {"depth": SEEN["depth"]}), SPECS)
    assert frame.images["rgb"].shape == (8, 8, 3) and frame.images["rgb"].dtype == np.uint8
    whole = Frame("x", SEEN)
    assert complete(whole, SPECS) is whole


def test_the_stream_that_is_shown(artifacts):
    network = Network(Choice(artifacts["int8"]))
    assert network.stream(AUTO, ()) == "ensemble"
    assert network.stream(AUTO, ("depth",)) == "rgb"
    assert network.stream(AUTO, ("rgb",)) == "depth"
    assert network.stream(AUTO, ("rgb", "depth")) == "ensemble"
    assert network.stream("rgb", ("rgb",)) == "rgb", "what was asked for stays"
    with pytest.raises(InputError, match="--stream 'infrared'"):
        network.stream("infrared", ())


def test_a_frame_without_depth_is_a_frame_of_missing_depth(artifacts):
    network = Network(Choice(artifacts["int8"]))
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    zeros = Frame("x", {"rgb": rgb, "depth": np.zeros((48, 64), np.float32)})
    without = network.see(Frame("x", {"rgb": rgb}), "rgb", ("depth",), 1)
    np.testing.assert_array_equal(without.classes, network.see(zeros, "rgb", ("depth",), 1).classes)
    assert set(without.seconds) == {"pre", "infer", "post"}


def test_any_modality_is_watched_by_its_own_value_for_missing():
    kinds = {"thermal": ImageKind(missing=7.0), "normals": ImageKind(mirror="negate_x"), **USUAL}
    watch = MissingWatch(kinds, patience=1)
    images = {
        "thermal": np.full((4, 4), 7, np.uint16),
        "normals": np.zeros((4, 4, 3), np.float32),
        "rgb": np.ones((4, 4, 3), np.uint8),
        "depth": np.array([[np.nan, 0.0, np.inf]], np.float32),
    }
    watch.look(images)
    assert watch.missing == ("thermal", "normals", "depth")
    watch.add({"nir": PICTURE})
    watch.look({**images, "thermal": np.zeros((4, 4), np.uint16)})
    assert watch.missing == ("normals", "depth", "nir")


def test_a_frame_of_any_modalities_is_completed():
    vectors = ImageKind(mirror="negate_x", unit="1", missing=-1.0)
    specs = [
        TensorSpec("thermal", (1, 4, 4, 1), "NHWC", "float32", "image", kind=PICTURE),
        TensorSpec("normals", (1, 3, 4, 4), "NCHW", "float32", "image", kind=vectors),
    ]
    images = complete(Frame("x", GONE), specs).images
    assert images["thermal"].shape == (8, 8) and images["thermal"].dtype == np.uint8
    assert images["normals"].shape == (8, 8, 3) and (images["normals"] == -1).all()
