"""Sets of messages become frames at the rate that was asked for; what cannot be read is reported once."""

import dataclasses
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from deploy.demo.slot import Closed
from deploy.ros.encodings import fill_image
from deploy.ros.frames import CheckedFrames, Frames
from deploy.ros.topics import Topics
from deploy.runtime.image_kind import METRES, PICTURE

CONTENTS = {"rgb": "image", "depth": "depth"}
RGB = np.full((24, 32, 3), (10, 20, 30), np.uint8)
DEPTH = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) + 500


def message(image, encoding, stamp=1.0):
    whole = int(stamp)
    time = SimpleNamespace(sec=whole, nanosec=round((stamp - whole) * 1e9))
    return fill_image(SimpleNamespace(header=SimpleNamespace(stamp=time)), image, encoding)


def topics_with(messages, **options):
    names = {"rgb": "/rgb", "depth": "/depth"}
    return Topics(
        names, Frames(CONTENTS, 0.001, messages.append), messages.append, slop=0.02, **options
    )


def test_a_pair_becomes_a_frame_with_the_header_of_its_colours():
    topics = topics_with([])
    colours = message(RGB, "rgb8", 5.25)
    topics.take("depth", message(DEPTH, "16UC1", 5.26))
    topics.take("rgb", colours)
    frame = next(topics.source().start())
    assert frame.header is colours.header and frame.name == "stamp_5.250000"
    np.testing.assert_array_equal(frame.images["rgb"], RGB)
    np.testing.assert_allclose(frame.images["depth"], DEPTH / 1000, rtol=2**-23)


def trained_for(limits):
    """A manifest of colours and of depth whose images' medians lie between limits."""
    kinds = {"rgb": PICTURE, "depth": dataclasses.replace(METRES, limits=limits)}
    inputs = {
        name: SimpleNamespace(content=CONTENTS[name], hwc=(24, 32, channels), kind=kinds[name])
        for name, channels in (("rgb", 3), ("depth", 1))
    }
    return SimpleNamespace(task="segmentation", inputs=inputs)


@pytest.mark.parametrize(
    ("depth", "encoding", "said"),
    [
        (DEPTH, "16UC1", []),  # 0.9 m in the middle
        # 1/5000 m a count, as the units' table has it.
        (DEPTH * 10, "16UC1", ["at 0.001 m a count", "try --depth-scale 0.0002"]),
        ((DEPTH / 1000).astype(np.float32), "32FC1", []),
        (DEPTH.astype(np.float32), "32FC1", ["as floats are metres", "they are millimetres"]),
        (DEPTH * 0, "16UC1", []),  # a covered sensor tells nothing of its unit
    ],
)
def test_depth_in_another_unit_is_one_warning_and_the_robot_goes_on(depth, encoding, said):
    messages = []
    frames = CheckedFrames(trained_for((0.3, 5)), 0.001, messages.append)
    topics = Topics({"rgb": "/rgb", "depth": "/depth"}, frames, messages.append, slop=0.02)
    for stamp in range(3):
        topics.take("rgb", message(RGB, "rgb8", stamp))
        topics.take("depth", message(depth, encoding, stamp))
        assert set(next(topics.source().start()).images) == {"rgb", "depth"}
    assert len(messages) == bool(said)
    for text in said:
        assert text in messages[0]
    assert "--no-unit-check" not in "".join(messages), "the node has no such option"


def test_sets_that_nobody_takes_are_dropped():
    topics = topics_with([])
    for i in range(5):
        topics.take("rgb", message(RGB, "rgb8", i))
        topics.take("depth", message(DEPTH, "16UC1", i))
    assert topics.dropped == 4
    assert next(topics.source().start()).name == "stamp_4.000000"


def test_closing_wakes_the_reader():
    topics, ended = topics_with([]), []

    def read():
        with pytest.raises(Closed):
            next(topics.source().start())
        ended.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    topics.close()
    thread.join(5)
    assert ended
    topics.take("rgb", message(RGB, "rgb8"))
    topics.take("depth", message(DEPTH, "16UC1"))  # too late, and no error


def test_the_rate_is_held():
    clock = [0.0]
    topics = topics_with([], rate=10.0, clock=lambda: clock[0])
    taken = []
    for i in range(90):  # 3 s at 30 Hz with some jitter
        clock[0] = i / 30 + 0.004 * (i % 3)
        topics.take("rgb", message(RGB, "rgb8", i / 30))
        topics.take("depth", message(DEPTH, "16UC1", i / 30))
        if topics._slot.full:
            taken.append(next(topics.source().start()).name)
    assert 28 <= len(taken) <= 31


def test_depth_of_half_the_size_is_scaled_and_reported_once():
    messages = []
    frames = Frames(CONTENTS, 0.001, messages.append)
    small = DEPTH[::2, ::2]
    for stamp in (1.0, 2.0):
        found = {
            "rgb": (stamp, message(RGB, "rgb8", stamp)),
            "depth": (stamp, message(small, "16UC1", stamp)),
        }
        frame = frames(found, 0.0)
        assert frame.images["depth"].shape == (24, 32)
        np.testing.assert_array_equal(
            frame.images["depth"], frame.images["depth"][::2, ::2].repeat(2, 0).repeat(2, 1)
        )
    assert messages == [
        "depth: 16x12 pixels, the colour image 32x24; scaled by taking the nearest pixels"
    ]


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (message(DEPTH[:12], "16UC1"), "of other proportions"),
        (message(RGB, "rgb8"), "'rgb8' is none of a depth image"),
    ],
)
def test_depth_that_does_not_fit_is_left_out_and_reported_once(depth, words):
    messages = []
    frames = Frames(CONTENTS, 0.001, messages.append)
    for _ in range(3):
        frame = frames({"rgb": (1.0, message(RGB, "rgb8")), "depth": (1.0, depth)}, 0.0)
        assert list(frame.images) == ["rgb"]
    assert len(messages) == 1 and words in messages[0]


def test_nothing_readable_is_no_frame():
    assert Frames(CONTENTS, 0.001, [].append)({"rgb": (1.0, message(DEPTH, "16UC1"))}, 0.0) is None


def test_stamps_that_never_match_are_reported_once_and_colours_go_on():
    messages, clock = [], [0.0]
    topics = topics_with(messages, clock=lambda: clock[0])
    for i in range(60):
        clock[0] = 0.1 * i
        topics.take("rgb", message(RGB, "rgb8", 100 + 0.1 * i))
        topics.take("depth", message(DEPTH, "16UC1", 500 + 0.1 * i))
    assert list(next(topics.source().start()).images) == ["rgb"]
    assert len(messages) == 1
    assert "stamps of /rgb and /depth are" in messages[0] and "wanted 0.02 s" in messages[0]
