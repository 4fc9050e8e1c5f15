"""TUM sequences are matched by time, videos and cameras become frames in metres, rooms are kept."""

import builtins
import dataclasses
import itertools
import sys

import cv2
import numpy as np
import pytest
from deploy_size import SIZE
from PIL import Image

from deploy.demo import source_realsense, source_rooms
from deploy.demo.source_files import UnitCheck
from deploy.demo.source_tum import LIMIT, associate, read_list
from deploy.demo.sources import Options, SourceLost, open_source
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError


@pytest.fixture
def manifest(artifacts):
    return manifests.load(artifacts["fp32"])


def brute_force(first, second, limit):
    """All pairs, the nearest first: the rule itself, without the short cuts."""
    pairs = sorted(
        (abs(a - b), i, j)
        for (i, a), (j, b) in itertools.product(enumerate(first), enumerate(second))
        if abs(a - b) <= limit
    )
    found = {}
    for _, i, j in pairs:
        if i not in found and j not in found.values():
            found[i] = j
    return sorted(found.items())


def test_association_takes_the_nearest_and_nothing_twice():
    assert associate([1.0, 1.033, 1.066], [1.01, 1.04, 1.5]) == [(0, 0), (1, 1)]
    # 1.00 and 1.01 both want 1.009: the nearer gets it, the other takes 0.99.
    assert associate([1.0, 1.01], [0.99, 1.009]) == [(0, 0), (1, 1)]
    assert associate([1.0], [1.0 + LIMIT * 1.01]) == []
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = (np.sort(rng.uniform(0, 1, n)).tolist() for n in (40, 30))
        assert associate(first, second) == brute_force(first, second, LIMIT)


def write_tum(folder, offsets, metres):
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    lines = {"rgb": ["# color images"], "depth": ["# depth maps"]}
    for index, offset in enumerate(offsets):
        times = {"rgb": 100 + index / 30, "depth": 100 + index / 30 + offset}
        for kind, time in times.items():
            lines[kind].append(f"{time:.6f} {kind}/{time:.6f}.png")
        Image.fromarray(np.full((24, 32, 3), 10 + index, np.uint8)).save(
            folder / f"rgb/{times['rgb']:.6f}.png"
        )
        counts = np.full((24, 32), round(metres[index] * 5000), np.uint16)
        cv2.imwrite(str(folder / f"depth/{times['depth']:.6f}.png"), counts)
    for kind, text in lines.items():
        (folder / f"{kind}.txt").write_text("\n".join(text) + "\n")


def test_a_tum_sequence(tmp_path, manifest):
    write_tum(tmp_path / "s", [0.004, -0.003, 0.8], [1.5, 2.0, 3.0])
    source = open_source(f"tum:{tmp_path / 's'}", manifest, Options())
    assert "1 of 3 colour images have no depth" in source.note
    assert source.rate == pytest.approx(30, rel=1e-3)  # times are written to a microsecond
    frames = list(source)
    assert [frame.name for frame in frames] == ["100.000000", "100.033333"]
    # 1/5000 m a count: these depths are whole counts, so float32 alone rounds.
    np.testing.assert_allclose([f.images["depth"].max() for f in frames], [1.5, 2.0], rtol=1e-6)
    assert [f.images["rgb"][0, 0, 0] for f in frames] == [10, 11]
    assert len(list(source)) == 2, "a source starts again"


def test_lists_that_are_none(tmp_path, manifest):
    with pytest.raises(InputError, match="rgb.txt: missing; a TUM"):
        open_source(f"tum:{tmp_path}", manifest, Options())
    path = tmp_path / "rgb.txt"
    path.write_text("# nothing\n\n")
    with pytest.raises(InputError, match="lists no image"):
        read_list(path)
    for line in ("rgb/1.png", "1.0", "nan rgb/1.png", "1.0 a b"):
        path.write_text("# a comment\n" + line + "\n")
        with pytest.raises(InputError, match="line 2: .*wanted a time and a file name"):
            read_list(path)
    path.write_text("1.0 rgb/1.png\n")
    (tmp_path / "depth.txt").write_text("9.0 depth/9.png\n")
    with pytest.raises(InputError, match="no colour image has a depth image within 20 ms"):
        open_source(f"tum:{tmp_path}", manifest, Options())


def write_videos(folder, frames, depths, depth_type=np.uint16):
    """A colour video whose red grows, and a lossless video of depths in millimetres."""
    wide, high = 64, 48
    code = cv2.VideoWriter_fourcc(*"MJPG")
    colours = cv2.VideoWriter(str(folder / "rgb.avi"), code, 25.0, (wide, high))
    for index in range(frames):
        colours.write(np.full((high, wide, 3), (0, 0, 40 * index + 40), np.uint8))
    colours.release()
    sixteen = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U] if depth_type == np.uint16 else []
    lossless = cv2.VideoWriter(
        str(folder / "depth.mkv"),
        cv2.CAP_FFMPEG,
        cv2.VideoWriter_fourcc(*"FFV1"),
        25.0,
        (wide, high),
        [*sixteen, cv2.VIDEOWRITER_PROP_IS_COLOR, 0],
    )
    for counts in depths:
        lossless.write(np.full((high, wide), counts, depth_type))
    lossless.release()
    return f"video:{folder / 'rgb.avi'},{folder / 'depth.mkv'}"


@pytest.mark.parametrize(
    ("frames", "depths", "count", "said"),
    [
        (4, 2, None, "rgb.avi goes on after the 2 frames of {}/depth.mkv"),
        (2, 4, None, "depth.mkv goes on after the 2 frames of {}/rgb.avi"),
        (3, 3, None, None),
        (4, 2, 2, None),  # nobody asked for more
    ],
)
def test_videos_of_two_lengths_are_doubted_once(tmp_path, manifest, frames, depths, count, said):
    warnings = []
    options = Options(count=count, warn=warnings.append)
    source = open_source(write_videos(tmp_path, frames, [1500] * depths), manifest, options)
    assert len(list(source)) == len(list(source)) == min(frames, count or frames)
    assert len(warnings) == bool(said)
    for warning in warnings:
        assert said.format(tmp_path) in warning and "are they of one recording" in warning


def test_nothing_is_checked_of_an_artifact_without_depth(manifest, tmp_path):
    colour = dataclasses.replace(manifest, inputs={"rgb": manifest.inputs["rgb"]})
    for options in (Options(unit_check=False), Options(depth_range=(1, 80))):
        with pytest.raises(InputError, match="the artifact takes rgb, of which nothing"):
            open_source(f"frames:{tmp_path}", colour, options)


def test_a_video_and_a_depth_that_ends_before_it(tmp_path, manifest):
    source = open_source(write_videos(tmp_path, 4, [1500, 0, 2500]), manifest, Options())
    assert source.rate == 25
    frames = list(source)
    assert len(frames) == 4
    depths = [frame.images["depth"].max() for frame in frames[:3]]
    np.testing.assert_allclose(depths, [1.5, 0, 2.5], rtol=1e-6)  # lossless: float32 alone rounds
    assert "depth" not in frames[3].images
    reds = [frame.images["rgb"][..., 0].mean() for frame in frames]
    # MJPEG of a plain colour: a few grey levels of quantisation, far below the step of 40.
    np.testing.assert_allclose(reds, [40, 80, 120, 160], atol=6)
    assert all(frame.images["rgb"][..., 2].mean() < 12 for frame in frames), "red comes first"


def test_a_video_with_a_folder_of_depths(tmp_path, manifest):
    text = write_videos(tmp_path, 3, [])
    folder = tmp_path / "d"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index:04d}.png"), np.full((48, 64), 1000 + index, np.uint16))
    source = open_source(f"{text.split(',')[0]},{folder}", manifest, Options())
    depths = [frame.images["depth"][0, 0] for frame in source]
    np.testing.assert_allclose(depths, [1.0, 1.001, 1.002], rtol=1e-6)


def test_videos_that_are_refused(tmp_path, manifest, monkeypatch):
    text = write_videos(tmp_path, 2, [100, 100], np.uint8)
    with pytest.raises(InputError, match="wanted 16-bit greys"):
        list(open_source(text, manifest, Options()))
    with pytest.raises(InputError, match="wanted video:RGB,DEPTH"):
        open_source("video:a.mp4", manifest, Options())
    with pytest.raises(InputError, match="no such file"):
        open_source(f"video:{tmp_path / 'no.mp4'},{tmp_path}", manifest, Options())
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="cannot read it as a video"):
        open_source(f"video:{tmp_path / 'text.mp4'},{tmp_path}", manifest, Options())
    real = builtins.__import__

    def without_opencv(name, *rest):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_opencv)
    with pytest.raises(InputError, match="needs OpenCV.*pip install opencv-python-headless"):
        open_source(text, manifest, Options())


def test_rooms_are_rendered_once(manifest, monkeypatch):
    source = open_source("rooms:2", manifest, Options(count=3, size=(24, 32)))
    first = list(source)
    import cen_keras.data.rooms.views as views

    def refuse(*arguments, **keywords):
        raise RuntimeError("rendered again")

    monkeypatch.setattr(views, "render", refuse)
    again = list(source)
    assert (
        [f.name for f in first] == [f.name for f in again] == ["room_000", "room_001", "room_002"]
    )
    for a, b in zip(first, again, strict=True):
        for name in ("rgb", "depth"):
            np.testing.assert_array_equal(a.images[name], b.images[name])
    assert first[0].images["rgb"].shape == (24, 32, 3)
    assert not np.array_equal(first[0].images["rgb"], first[1].images["rgb"])
    assert 0.2 < np.median(first[0].images["depth"]) < 15


def test_a_walk_that_was_left_is_rendered_from_the_start(manifest):
    source = open_source("rooms", manifest, Options(count=3))
    left = source.start()
    first = next(left)
    left.close()
    frames = list(source)
    np.testing.assert_array_equal(frames[0].images["rgb"], first.images["rgb"])
    assert len(frames) == 3 and frames[0].images["rgb"].shape[:2] == SIZE
    assert source_rooms.open_source("", manifest, Options()).note.startswith("rooms: a walk of 360")


def test_a_live_walk_is_rendered_by_a_process_of_its_own(manifest, monkeypatch):
    monkeypatch.setattr(source_rooms, "SHORTEST", 3)
    monkeypatch.setattr(source_rooms, "LONGEST", 3)
    live = open_source("rooms:1", manifest, Options(size=(24, 32)))
    wanted = list(open_source("rooms:1", manifest, Options(count=3, size=(24, 32))))
    for frames in (list(live), list(live)):
        assert [f.name for f in frames] == [f.name for f in wanted]
        for found, expected in zip(frames, wanted, strict=True):
            for name in ("rgb", "depth"):
                np.testing.assert_array_equal(found.images[name], expected.images[name])


class Double:
    """pyrealsense2 as its documentation has it; any other name is an AttributeError."""

    class stream:
        depth, color = "depth", "color"

    class format:
        z16, rgb8 = "z16", "rgb8"

    def __init__(self, frames, unit=0.00025):
        self.log, self._left, self._unit = [], list(frames), unit

    def config(self):
        return Config(self.log)

    def pipeline(self):
        return Pipe(self.log, self._left, self._unit)

    def align(self, stream):
        assert stream == "color"
        return Align()


class Config:
    def __init__(self, log):
        self.enable_device = lambda serial: log.append(("device", serial))
        self.enable_stream = lambda *wanted: log.append(("stream", *wanted))


class Pipe:
    def __init__(self, log, left, unit):
        self._log, self._left, self._unit = log, left, unit

    def start(self, config):
        assert isinstance(config, Config)
        if not self._left:
            raise RuntimeError("No device connected")
        self._log.append("start")
        return self

    def get_device(self):
        return self

    def first_depth_sensor(self):
        return self

    def get_depth_scale(self):
        return self._unit

    def wait_for_frames(self, timeout_ms):
        assert isinstance(timeout_ms, int)
        found = self._left.pop(0)
        if found is None:
            raise RuntimeError("Frame didn't arrive within 2000")
        return found

    def stop(self):
        self._log.append("stop")


class Align:
    def process(self, frameset):
        return Aligned(frameset)


class Aligned:
    def __init__(self, arrays):
        self.get_color_frame = lambda: Taken(arrays[0])
        self.get_depth_frame = lambda: Taken(arrays[1])


class Taken:
    def __init__(self, array):
        self._array = array

    def __bool__(self):
        return self._array is not None

    def get_data(self):
        return self._array


def test_a_realsense_camera(manifest):
    rgb, depth = np.full((48, 64, 3), 9, np.uint8), np.full((48, 64), 8000, np.uint16)
    double = Double([(rgb, depth), (rgb, None), None])
    options = Options(size=(48, 64), rate=15)
    source = source_realsense.open_source("123", manifest, options, double)
    assert source.camera
    frames = source.start()
    first = next(frames)
    assert ("device", "123") in double.log
    assert ("stream", "depth", 64, 48, "z16", 15) in double.log
    assert ("stream", "color", 64, 48, "rgb8", 15) in double.log
    # 8000 counts of the camera's own 0.25 mm.
    np.testing.assert_allclose(first.images["depth"], 2.0, rtol=1e-6)
    depth[:], rgb[:] = 0, 0
    assert first.images["depth"].max() > 1 and first.images["rgb"].max() == 9, "copies, not views"
    assert set(next(frames).images) == {"rgb"}
    with pytest.raises(SourceLost, match="didn't arrive"):
        next(frames)
    assert double.log[-1] == "stop"
    with pytest.raises(SourceLost, match="No device connected"):
        next(source.start())


def test_names_go_on_when_a_realsense_camera_comes_back(manifest):
    rgb = np.full((48, 64, 3), 9, np.uint8)
    double = Double([(rgb, None), (rgb, None)])
    source = source_realsense.open_source("", manifest, Options(size=(48, 64)), double)
    names = [next(source.start()).name for _ in range(2)]
    assert names == ["camera_00000000", "camera_00000001"]


def test_the_camera_tells_its_own_unit(manifest, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)  # not importable, whatever is there
    with pytest.raises(InputError, match="leave that out"):
        open_source("realsense", manifest, Options(metres_per_count=0.001))
    with pytest.raises(InputError, match="needs pyrealsense2"):
        open_source("realsense", manifest, Options())


@pytest.mark.parametrize(
    ("counts_per_metre", "refused"), [(1000, False), (5000, True), (256, True), (100, True)]
)
def test_a_wall_in_another_unit_is_refused_by_what_training_saw(
    counts_per_metre, refused, manifest, tmp_path
):
    """A wall 2.5 m away, read as millimetres; usual limits alone take 0.5 m and 9.8 m for rooms."""
    wall = np.full((48, 64), 2.5 * counts_per_metre, np.uint16)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "depth").mkdir()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "rgb" / "a.png")
    Image.fromarray(wall).save(tmp_path / "depth" / "a.png")
    text = f"frames:{tmp_path}"
    trained = with_medians(manifest, (1.6, 3.4))
    if not refused:
        assert len(list(open_source(text, trained, Options()).start())) == 1
        return
    with pytest.raises(InputError, match="that of the training data's images 1.6 to 3.4 m; try"):
        next(open_source(text, trained, Options()).start())
    assert len(list(open_source(text, trained, Options(unit_check=False)).start())) == 1


def test_a_depth_somewhat_beyond_the_training_s_is_a_doubt(manifest):
    warnings = []
    check = UnitCheck(0.001, with_medians(manifest, (1.0, 3.0)), Options(warn=warnings.append))
    check(np.full((8, 8), 5.0, np.float32), "a.png")
    assert len(warnings) == 1 and warnings[0].startswith("warning: a.png: the median depth is 5 m")
    check(np.full((8, 8), 50.0, np.float32), "b.png")  # the first image has decided
    assert len(warnings) == 1


@pytest.mark.parametrize("counts", [np.uint16, np.uint8])
def test_depth_that_the_artifact_does_not_take_is_no_reason_to_refuse(manifest, tmp_path, counts):
    """12.5 m if read as millimetres, and 8 bits are no depth at all."""
    (tmp_path / "rgb").mkdir()
    (tmp_path / "depth").mkdir()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "rgb" / "a.png")
    wall = np.full((48, 64), 12500 if counts is np.uint16 else 125, counts)
    Image.fromarray(wall).save(tmp_path / "depth" / "a.png")
    colour = dataclasses.replace(manifest, inputs={"rgb": manifest.inputs["rgb"]})
    (frame,) = open_source(f"frames:{tmp_path}", colour, Options()).start()
    assert set(frame.images) == {"rgb"}


@pytest.mark.parametrize("source", ["frames", "bag"])
@pytest.mark.parametrize("scale", [0.001, -1])
def test_a_depth_scale_for_an_artifact_without_depth(manifest, tmp_path, source, scale):
    colour = dataclasses.replace(manifest, inputs={"rgb": manifest.inputs["rgb"]})
    with pytest.raises(InputError, match="--depth-scale would change nothing, .* takes rgb; leave"):
        open_source(f"{source}:{tmp_path}", colour, Options(metres_per_count=scale))


def with_medians(manifest, pair):
    inputs = {
        name: dataclasses.replace(spec, kind=dataclasses.replace(spec.kind, medians=pair))
        if spec.kind.limits is not None
        else spec
        for name, spec in manifest.inputs.items()
    }
    return dataclasses.replace(manifest, inputs=inputs)


def test_floats_in_millimetres_are_reported_as_floats(manifest, tmp_path):
    """Another --depth-scale would change nothing, so none is proposed."""
    for kind, image in (("rgb", np.zeros((48, 64, 3), np.uint8)), ("depth", np.float32([[2500]]))):
        (tmp_path / kind).mkdir()
        np.save(tmp_path / kind / "a.npy", np.resize(image, (48, 64, *image.shape[2:])))
    for trained in (manifest, with_medians(manifest, (1.6, 3.4))):
        with pytest.raises(
            InputError, match="as floats are metres.*they are millimetres"
        ) as caught:
            next(open_source(f"frames:{tmp_path}", trained, Options()).start())
        assert "--depth-scale" not in str(caught.value)
