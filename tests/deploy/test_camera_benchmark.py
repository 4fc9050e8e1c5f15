"""The recording that stands for a camera, and the demo that is timed on it."""

import cv2
import numpy as np
import pytest

from cen_keras.data.datasets import open_dataset
from deploy.benchmarks import camera


def test_a_recording_holds_the_rooms_of_a_camera(tmp_path):
    colours, depth = camera.record(tmp_path, frames=camera.VIEWS + 1, size=(48, 64))
    dataset = open_dataset({"name": "rooms", "size": [48, 64], "test": camera.VIEWS}, "test")
    rooms = [dataset[index] for index in range(camera.VIEWS)]
    files = sorted(depth.iterdir())
    assert len(files) == camera.VIEWS + 1
    video = cv2.VideoCapture(str(colours))
    for index, file in enumerate(files):
        view = rooms[index % camera.VIEWS]
        counts = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        # Counts are whole millimetres, so depth is off by half a one at most.
        assert np.abs(counts / 1e3 - view["depth"]).max() <= 0.5e-3 + 1e-6
        good, image = video.read()
        assert good
        # JPEG changes pixels, but of all pictures the frame is nearest to its own, red before blue.
        pictures = [other["rgb"] for other in rooms]
        pictures += [picture[..., ::-1] for picture in pictures]
        errors = [np.abs(image[..., ::-1].astype(float) - other).mean() for other in pictures]
        assert np.argmin(errors) == index % camera.VIEWS
    assert not video.read()[0]


@pytest.mark.slow
def test_the_demo_is_timed_on_every_frame(tmp_path):
    found = camera.measure(
        tmp_path, lambda line: None, threads=1, frames=9, presets=("cen_edge_s_rooms",)
    )
    loop = found["whole_loop"]["cen_edge_s_rooms"]
    assert loop["frames"] == 9
    # Stages run side by side. Five of nine runs of the longest one take its median or more, and two of them may
    # still be on their way when the network has seen the last frame: nine frames in three medians at the most.
    assert 0 < loop["fps"] <= 3e3 / max(loop["stages_ms"].values())
    seen = cv2.VideoCapture(str(tmp_path / "camera/cen_edge_s_rooms/seen.avi"))
    assert seen.get(cv2.CAP_PROP_FRAME_COUNT) == 9
    heads, rows = camera.table(found)
    assert all(len(row) == len(heads) for row in rows)
