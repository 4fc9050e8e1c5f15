"""walk_apart: the frames of walk_through, from a process that ends when it should."""

import subprocess

import numpy as np
import pytest

from cen_keras.data.rooms.views import walk_through
from cen_keras.data.rooms.walk_process import walk_apart

SIZE = (24, 32)


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    processes = []
    real = subprocess.Popen

    def start(*arguments, **options):
        processes.append(real(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return processes


@pytest.mark.parametrize("sensed", [True, False])
def test_the_frames_are_those_of_one_process(sensed, started):
    found = list(walk_apart(3, 2, SIZE, number=1, sensed=sensed))
    wanted = walk_through(3, 2, SIZE, number=1, sensed=sensed, wanted=("rgb", "depth"))
    for one, other in zip(found, wanted, strict=True):
        assert set(one) == set(other)
        for name, image in other.items():
            np.testing.assert_array_equal(one[name], image)
            assert one[name].dtype == image.dtype
    assert [process.poll() is None for process in started] == [False]


def test_a_walk_that_is_left_ends_its_process(started):
    walk = walk_apart(0, 10_000, SIZE)
    next(walk)
    assert started[0].poll() is None
    walk.close()
    assert started[0].poll() is not None


def test_what_the_process_died_of_is_reported():
    with pytest.raises(RuntimeError, match=r"rendering the walk ended early: .*Error"):
        list(walk_apart(-1, 2, SIZE))  # no seed is negative
