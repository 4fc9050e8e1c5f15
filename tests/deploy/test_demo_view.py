"""Pictures of a large frame are those of the whole frame, painted small."""

import numpy as np
import pytest

from deploy.demo.network import Result
from deploy.demo.view import compose, picture
from deploy.runtime import manifest as manifests
from deploy.runtime.preprocess import Frame, resize_nearest


@pytest.fixture
def manifest(artifacts):
    return manifests.load(artifacts["fp32"])


@pytest.mark.parametrize("size", [(720, 1280), (96, 128)])
def test_a_frame_is_painted_as_large_as_it_is_shown(manifest, size):
    rng = np.random.default_rng(0)
    height, width = size
    images = {"rgb": rng.integers(0, 256, (height, width, 3), np.uint8)}
    images["depth"] = np.broadcast_to(np.linspace(1, 4, width, dtype=np.float32), size)
    classes = np.zeros((48, 64), np.uint8)
    classes[24:, 32:] = 1
    result = Result(Frame("a", images), classes, "ensemble", manifest, (), {}, 1)
    found = picture(result)
    whole = compose(result.frame, resize_nearest(classes, height, width), manifest, "ensemble")
    assert found.shape == whole.shape
    panel = slice(22, 22 + min(max(height, 240), 480))
    shown = round((panel.stop - panel.start) * width / height)
    colour, depth = (slice(6 + n * (shown + 6), 6 + n * (shown + 6) + shown) for n in (0, 1))
    # Both average areas, and round once.
    np.testing.assert_array_equal(found[panel, colour], whole[panel, colour])
    # A nearest pixel is at most one of 1280 beside the middle of its area: a 256th of the ramp's steps of 60.
    gap = np.abs(found[panel, depth].astype(int) - whole[panel, depth])
    assert gap.max() <= 2
