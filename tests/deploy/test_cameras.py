"""Cameras become frames in metres: OpenCV's from files, a pipe and a server, the others from doubles."""

import dataclasses
import http.server
import itertools
import os
import threading
from types import SimpleNamespace

import camera_doubles
import cv2
import numpy as np
import pytest

from deploy.demo import source_kinect, source_oak, source_orbbec, source_realsense
from deploy.demo.cameras import metres
from deploy.demo.sources import Options, SourceLost, open_source
from deploy.runtime.errors import InputError
from deploy.runtime.image_kind import METRES, PICTURE, ImageKind


@dataclasses.dataclass
class Spec:
    content: str
    kind: ImageKind


@dataclasses.dataclass
class Manifest:
    """What a camera asks of an artifact's."""

    inputs: dict
    task: str = "segmentation"


MANIFEST = Manifest({"rgb": Spec("image", PICTURE), "depth": Spec("depth", METRES)})
COLOURS_ALONE = Manifest({"rgb": MANIFEST.inputs["rgb"]})
# Module, its double, metres of a count, and what the double logs of a camera with a number.
CAMERAS = {
    "orbbec": (source_orbbec, camera_doubles.orbbec, 0.0005, ("device", "device 7")),
    "oak": (source_oak, camera_doubles.oak, 0.001, ("device", "info 7")),
    "kinect": (source_kinect, camera_doubles.kinect, 0.001, ("device", 7)),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_a_camera_gives_colours_and_metres_until_it_is_lost_and_comes_back(name):
    module, double, unit, _ = CAMERAS[name]
    library = double()
    source = module.open_source("", MANIFEST, Options(), library)
    assert (source.name, source.camera, source.rate) == (name, True, 30)
    for opened in range(2):
        frames = source.start()
        for view in range(camera_doubles.VIEWS):
            frame = next(frames)
            number = opened * camera_doubles.VIEWS + view
            assert frame.name == f"camera_{number:08d}"
            np.testing.assert_array_equal(frame.images["rgb"], camera_doubles.RGB)
            # The unit and the product are each rounded to float32.
            wanted = camera_doubles.COUNTS * unit
            np.testing.assert_allclose(frame.images["depth"], wanted, rtol=2**-22)
            assert frame.images["depth"].dtype == np.float32
        with pytest.raises(SourceLost):
            next(frames)
    assert library.log.count("start") == library.log.count("stop") == 2


@pytest.mark.parametrize("name", CAMERAS)
def test_a_camera_is_freed_when_the_demo_ends_or_it_does_not_start(name):
    module, double, _, _ = CAMERAS[name]
    library = double()
    frames = module.open_source("", MANIFEST, Options(), library).start()
    next(frames)
    frames.close()
    assert library.log[-1] == "stop"
    library = double(lost=True)
    with pytest.raises(SourceLost, match="does not start .no device"):
        next(module.open_source("", MANIFEST, Options(), library).start())


def test_an_oak_whose_stereo_sensors_stop_gives_colours():
    library = camera_doubles.oak(blind=True)
    frame = next(source_oak.open_source("", MANIFEST, Options(), library).start())
    assert set(frame.images) == {"rgb"}


def test_an_oak_s_colours_and_depth_are_of_one_moment():
    """Its stereo starts two views after its colours."""
    library = camera_doubles.oak(late=2)
    frames = source_oak.open_source("", MANIFEST, Options(), library).start()
    for view in range(2, 2 + camera_doubles.VIEWS):
        images = next(frames).images
        np.testing.assert_array_equal(images["rgb"], camera_doubles.RGB + np.uint8(view))
        wanted = (camera_doubles.COUNTS + view) * 0.001
        np.testing.assert_allclose(images["depth"], wanted, rtol=2**-22)
    # Colours of the views before the stereo's first are left in the double's queue.
    assert [set(next(frames).images) for _ in range(2)] == [{"rgb"}] * 2
    with pytest.raises(SourceLost, match="no frame for 2 s"):
        next(frames)


@pytest.mark.parametrize("rate", [29.97, 0.5])
@pytest.mark.parametrize("module", [source_realsense, *(row[0] for row in CAMERAS.values())])
def test_a_rate_that_is_no_whole_number_is_refused(module, rate):
    """Libraries take whole numbers; 29 and 0 are not what was asked for."""
    with pytest.raises(InputError, match=f"--rate is {rate}, wanted a whole number for an? "):
        module.open_source("", MANIFEST, Options(rate=rate), SimpleNamespace())


@pytest.mark.parametrize("name", CAMERAS)
def test_one_of_several_is_named_and_the_unit_is_the_cameras_own(name):
    module, double, _, logged = CAMERAS[name]
    library = double()
    source = module.open_source("7", MANIFEST, Options(), library)
    next(source.start())
    assert source.name == f"{name}:7" and logged in library.log
    with pytest.raises(InputError, match="--depth-scale: an? .* says its own unit"):
        module.open_source("", MANIFEST, Options(metres_per_count=0.001), library)


@pytest.mark.parametrize(
    ("name", "module"), [("orbbec", "pyorbbecsdk"), ("oak", "depthai"), ("kinect", "pyk4a")]
)
def test_a_missing_library_is_named(name, module, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(InputError, match=f"source {name} needs {module}.*pip install"):
        open_source(name, MANIFEST, Options())


def test_a_size_and_a_rate_are_asked_of_the_camera():
    options = Options(size=(240, 320), rate=15)
    library = camera_doubles.orbbec()
    next(source_orbbec.open_source("", MANIFEST, options, library).start())
    assert ("stream", ("colour", 320, 240, "RGB", 15)) in library.log
    library = camera_doubles.oak()
    next(source_oak.open_source("", MANIFEST, options, library).start())
    assert ("output", "A", (320, 240), "RGB888i", 15) in library.log
    assert ("align", "A") in library.log and ("unit", "mm") in library.log
    library = camera_doubles.kinect()
    next(source_kinect.open_source("", MANIFEST, options, library).start())
    assert ("rate", 15) in library.log
    with pytest.raises(InputError, match="an Azure Kinect has 5, 15, 30"):
        source_kinect.open_source("", MANIFEST, Options(rate=24), library)
    with pytest.raises(InputError, match="kinect:NUMBER"):
        source_kinect.open_source("left", MANIFEST, Options(), library)


def colour_video(path, frames=4):
    code = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), code, 25.0, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), (0, 0, 40 * index + 40), np.uint8))
    writer.release()
    return path


def depth_video(path, size=(64, 48), frames=4):
    kind = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    code = cv2.VideoWriter_fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25.0, size, kind)
    assert writer.isOpened()
    for index in range(frames):
        image = np.full(size[::-1], 1000 * (index + 1), np.uint16)
        image[0, :2] = 0, 65535
        writer.write(image)
    writer.release()
    return path


def reds(frames):
    # MJPG keeps a flat colour to a few levels.
    return [round((int(frame.images["rgb"][24, 32, 0]) - 40) / 40) for frame in frames]


def until_lost(source):
    frames = []
    with pytest.raises(SourceLost):
        for frame in source.start():
            frames.append(frame)
    return frames


def test_what_opencv_opens_is_a_camera(tmp_path):
    path = colour_video(tmp_path / "a.avi")
    source = open_source(f"camera:{path}", COLOURS_ALONE, Options())
    assert source.camera and not source.note
    for _ in range(2):  # opened again after it was lost
        frames = until_lost(source)
        assert reds(frames) == [0, 1, 2, 3]
        assert all(list(frame.images) == ["rgb"] for frame in frames)
    note = open_source(f"camera:{path}", MANIFEST, Options()).note
    assert "gives no depth, which the artifact takes" in note


@pytest.mark.parametrize("size", [(64, 48), (32, 24)])
def test_depth_comes_from_a_second_camera(tmp_path, size):
    colour, depth = colour_video(tmp_path / "a.avi"), depth_video(tmp_path / "d.mkv", size)
    source = open_source(
        f"camera:{colour}+depth:{depth}", MANIFEST, Options(metres_per_count=0.002)
    )
    frames = until_lost(source)
    assert reds(frames) == [0, 1, 2, 3]
    for index, frame in enumerate(frames):
        found = frame.images["depth"]
        assert found.shape == (48, 64) and found.dtype == np.float32
        # The scale and the product are each rounded to float32.
        np.testing.assert_allclose(found[24, 32], 2.0 * (index + 1), rtol=2**-22)
        assert found[0, 0] == 0 and found[0, 128 // size[0] - 1] == 0


def test_depth_of_a_second_camera_in_another_unit_is_refused(tmp_path):
    """Its first image holds 1000 counts: a metre at a millimetre each, a tenth of one at 0.1 mm."""
    text = f"camera:{colour_video(tmp_path / 'a.avi')}+depth:{depth_video(tmp_path / 'd.mkv')}"
    wrong = {"metres_per_count": 0.0001}
    with pytest.raises(InputError, match="d.mkv: the median depth is 0.1 m.*try --depth-scale"):
        next(open_source(text, MANIFEST, Options(**wrong)).start())
    for manifest, options in (
        (MANIFEST, Options()),
        (MANIFEST, Options(**wrong, unit_check=False)),
        (MANIFEST, Options(**wrong, depth_range=(0.01, 0.2))),
        (COLOURS_ALONE, Options(**wrong)),  # depth that is only shown
    ):
        frames = open_source(text, manifest, options).start()
        assert set(next(frames).images) == {"rgb", "depth"}
        frames.close()


def test_a_size_that_the_driver_does_not_give_is_one_warning(tmp_path):
    path, said = colour_video(tmp_path / "a.avi"), []
    source = open_source(f"camera:{path}", COLOURS_ALONE, Options(size=(96, 128), warn=said.append))
    for _ in range(2):
        until_lost(source)
    assert len(said) == 1 and "a.avi: gives 48x64, not the 96x128 of --size" in said[0]
    fitting = open_source(f"camera:{path}", COLOURS_ALONE, Options(size=(48, 64), warn=said.append))
    until_lost(fitting)
    assert len(said) == 1


def test_counts_become_metres():
    found = metres(np.array([[0, 1, 2500, 65535]], np.uint16), 0.001)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 0.001, 2.5, 0]], rtol=2**-22)


def test_depth_that_is_none_is_refused(tmp_path):
    colour = colour_video(tmp_path / "a.avi")
    source = open_source(f"camera:{colour}+depth:{colour}", MANIFEST, Options())
    with pytest.raises(InputError, match="wanted 16-bit greys"):
        next(source.start())
    flat = depth_video(tmp_path / "flat.mkv", (64, 24))
    with pytest.raises(InputError, match="of other proportions"):
        next(open_source(f"camera:{colour}+depth:{flat}", MANIFEST, Options()).start())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe(tmp_path):
    path = colour_video(tmp_path / "a.avi")
    jpegs = []
    capture = cv2.VideoCapture(str(path))
    for _ in range(4):
        jpegs.append(cv2.imencode(".jpg", capture.read()[1])[1].tobytes())
    pipe = tmp_path / "pipe.mjpeg"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"".join(jpegs)), daemon=True)
    writer.start()
    frames = open_source(f"camera:{pipe}", COLOURS_ALONE, Options()).start()
    assert reds(itertools.islice(frames, 3)) == [0, 1, 2]
    frames.close()
    writer.join(10)


class Stream(http.server.BaseHTTPRequestHandler):
    """A network camera: JPEG after JPEG, as its page would show them."""

    jpegs = ()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for jpeg in self.jpegs:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, *arguments):
        pass


def test_an_address_on_the_network():
    images = [np.full((48, 64, 3), (0, 0, 40 * i + 40), np.uint8) for i in range(4)]
    Stream.jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/video.mjpg"
        frames = open_source(f"camera:{address}", COLOURS_ALONE, Options()).start()
        assert reds(itertools.islice(frames, 3)) == [0, 1, 2]
        frames.close()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("what", ["/dev/video77", "rtsp://127.0.0.1:9/none", "nosrc ! appsink"])
def test_what_opencv_cannot_open_is_named(what):
    with pytest.raises(InputError, match="OpenCV cannot open"):
        open_source(f"camera:{what}", COLOURS_ALONE, Options())


def test_the_text_is_checked():
    for text in ("camera:", "camera:0+depth:", "camera:+depth:1"):
        with pytest.raises(InputError, match="wanted camera:WHAT"):
            open_source(text, MANIFEST, Options())
