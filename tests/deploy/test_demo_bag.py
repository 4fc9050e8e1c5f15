"""ROS recordings become frames, their topics found or named, and what is wrong with them is reported."""

import dataclasses

import numpy as np
import pytest
from deploy_size import SIZE
from parts import needed

from deploy.demo.sources import Options, open_source
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.tensors import Normalization, TensorSpec

rosbag2 = needed("ros", "rosbags.rosbag2")
typesys = needed("ros", "rosbags.typesys")

STORE = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
IMAGE = "sensor_msgs/msg/Image"
RGB = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
COUNTS = np.random.default_rng(1).integers(500, 4000, SIZE).astype(np.uint16)


@pytest.fixture
def manifest(artifacts):
    return manifests.load(artifacts["fp32"])


def image(array, encoding, nanoseconds):
    types = STORE.types
    stamp = types["builtin_interfaces/msg/Time"](*divmod(nanoseconds, 10**9))
    header = types["std_msgs/msg/Header"](stamp, "camera")
    data = array.view(np.uint8).reshape(-1)
    step = data.size // array.shape[0]
    return types[IMAGE](header, *array.shape[:2], encoding, 0, step, data)


def write(path, topics, frames=5, storage="SQLITE3", lag=0):
    """Topics are {name: (array, encoding)}; every frame is written to each of them, at 10 Hz."""
    plugin = rosbag2.StoragePlugin[storage]
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = {name: writer.add_connection(name, IMAGE, typestore=STORE) for name in topics}
        for index in range(frames):
            for number, (name, (array, encoding)) in enumerate(topics.items()):
                time = 10**9 + index * 10**8 + number * 10**6
                message = image(array, encoding, time + number * lag)
                writer.write(connections[name], time, STORE.serialize_cdr(message, IMAGE))
    return path


PAIR = {"/color/image_raw": (RGB, "rgb8"), "/depth/image_raw": (COUNTS, "16UC1")}


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_a_recording_is_read(tmp_path, manifest, storage):
    source = open_source(
        f"bag:{write(tmp_path / 'bag', PAIR, storage=storage)}", manifest, Options()
    )
    assert source.rate == pytest.approx(10, rel=0.02) and not source.note and not source.camera
    for _ in range(2):  # it starts again
        frames = list(source)
        assert [frame.name for frame in frames] == [f"stamp_{1 + i / 10:.6f}" for i in range(5)]
    np.testing.assert_array_equal(frames[0].images["rgb"], RGB)
    # The scale and the product are each rounded to float32.
    np.testing.assert_allclose(frames[0].images["depth"], COUNTS / 1000, rtol=2**-23)


def test_topics_are_named_where_several_fit(tmp_path, manifest):
    topics = {**PAIR, "/other/image_raw": (255 - RGB, "rgb8")}
    bag = write(tmp_path / "bag", topics)
    with pytest.raises(
        InputError, match=r"2 topics fit 'rgb' \(/color/image_raw, /other/image_raw"
    ):
        open_source(f"bag:{bag}", manifest, Options())
    text = f"bag:{bag},rgb=/other/image_raw,depth=/depth/image_raw"
    frames = list(open_source(text, manifest, Options(count=2)))
    assert len(frames) == 2
    np.testing.assert_array_equal(frames[0].images["rgb"], 255 - RGB)


def test_what_is_not_named_is_found_beside_what_is(tmp_path, manifest):
    """Two depths, of which one is named; the colours are those that are left."""
    topics = {"/other/depth": (COUNTS // 2, "16UC1"), **PAIR}
    bag = write(tmp_path / "bag", topics)
    text = f"bag:{bag},depth=/depth/image_raw"
    (frame,) = open_source(text, manifest, Options(count=1))
    assert list(frame.images) == list(manifest.inputs)
    np.testing.assert_array_equal(frame.images["rgb"], RGB)
    np.testing.assert_allclose(frame.images["depth"], COUNTS / 1000, rtol=2**-23)
    # What was named stays in what is advised.
    bag = write(tmp_path / "more", {**topics, "/other/color": (RGB, "rgb8")})
    with pytest.raises(InputError, match="bag:.*/more,depth=/depth/image_raw,rgb=TOPIC"):
        open_source(f"bag:{bag},depth=/depth/image_raw", manifest, Options())
    # One camera's recording goes on without the other.
    bag = write(tmp_path / "colours", {"/color": (RGB, "rgb8")})
    (frame,) = open_source(f"bag:{bag},rgb=/color", manifest, Options(count=1))
    assert list(frame.images) == ["rgb"]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_input_of_one_channel_gets_its_own_values(tmp_path, manifest, kind):
    """A thermal camera's counts: no colours, no metres."""
    thermal = TensorSpec(
        "thermal",
        (1, *SIZE, 1),
        "NHWC",
        "float32",
        "image",
        None,
        Normalization(1.0, (0.0,), (1.0,)),
    )
    taken = dataclasses.replace(
        manifest, inputs={"rgb": manifest.inputs["rgb"], "thermal": thermal}
    )
    heat = (COUNTS // (1 if kind is np.uint16 else 256)).astype(kind)
    topics = {"/c": (RGB, "rgb8"), "/t": (heat, "mono16" if kind is np.uint16 else "mono8")}
    text = f"bag:{write(tmp_path / 'bag', topics)},rgb=/c,thermal=/t"
    frame = next(iter(open_source(text, taken, Options())))
    assert frame.images["thermal"].dtype == kind
    np.testing.assert_array_equal(frame.images["thermal"], heat)


def test_depth_of_half_the_size_is_scaled_and_noted(tmp_path, manifest):
    topics = {"/c": (RGB, "rgb8"), "/d": (COUNTS[::2, ::2].copy(), "16UC1")}
    source = open_source(f"bag:{write(tmp_path / 'bag', topics)}", manifest, Options())
    assert "scaled by taking the nearest pixels" in source.note
    assert next(iter(source)).images["depth"].shape == SIZE


@pytest.mark.parametrize(
    ("topics", "options", "words"),
    [
        ({"/c": (RGB, "rgb8")}, Options(), "0 topics fit 'depth' \\(images are on /c\\)"),
        ({"/c": (RGB, "rgb8"), "/d": (COUNTS[:20], "16UC1")}, Options(), "of other proportions"),
        (PAIR, Options(metres_per_count=0.1), "try --depth-scale"),
    ],
)
def test_what_does_not_fit(tmp_path, manifest, topics, options, words):
    with pytest.raises(InputError, match=words):
        open_source(f"bag:{write(tmp_path / 'bag', topics)}", manifest, options)


def test_depth_of_any_name_is_held_against_its_range(tmp_path, manifest):
    """Counts of 0.1 mm taken for millimetres: ten times too far."""
    inputs = {"rgb": manifest.inputs["rgb"]}
    inputs["tof"] = dataclasses.replace(manifest.inputs["depth"], name="tof")
    manifest = dataclasses.replace(manifest, inputs=inputs)
    topics = {**PAIR, "/depth/image_raw": (np.full(SIZE, 30_000, np.uint16), "16UC1")}
    text = f"bag:{write(tmp_path / 'bag', topics)},tof=/depth/image_raw"
    with pytest.raises(InputError, match="30"):
        list(open_source(text, manifest, Options()))
    assert list(open_source(text, manifest, Options(unit_check=False)))


def test_views_apart(tmp_path, manifest):
    bag = write(tmp_path / "bag", PAIR, lag=50_000_000)
    with pytest.raises(InputError, match="within 0.02 s of each other"):
        open_source(f"bag:{bag}", manifest, Options())


def test_no_recording(tmp_path, manifest):
    with pytest.raises(InputError, match="no such recording"):
        open_source(f"bag:{tmp_path / 'none'}", manifest, Options())
    with pytest.raises(InputError, match="wanted bag:FILE"):
        open_source("bag:", manifest, Options())
    (tmp_path / "cut.mcap").write_bytes(b"\x89MCAP0\r\nand nothing more")
    with pytest.raises(InputError, match="not a whole recording"):
        open_source(f"bag:{tmp_path / 'cut.mcap'}", manifest, Options())
    bag = write(tmp_path / "bag", PAIR)
    with pytest.raises(InputError, match="wanted MODALITY=TOPIC"):
        open_source(f"bag:{bag},rgb=/none", manifest, Options())


def test_a_missing_library_is_named(tmp_path, manifest, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rosbags.highlevel", None)
    with pytest.raises(InputError, match="needs rosbags, .*pip install rosbags"):
        open_source(f"bag:{tmp_path}", manifest, Options())
