"""The node as a process of its own: images go in and labels come out through DDS on this machine."""

import array
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from deploy_size import SIZE
from parts import needed
from PIL import Image as Picture

import deploy
from deploy.runtime.pictures import colorize, overlay
from deploy.runtime.postprocess import class_map
from deploy.runtime.preprocess import Frame, Preprocessor
from deploy.runtime.runner import open_runner

rclpy = needed("ros", "rclpy", "sensor_msgs.msg", "diagnostic_msgs.msg")
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

ROOT = Path(deploy.__file__).parent.parent
PATIENCE = 90  # seconds; the machine may be busy
RNG = np.random.default_rng(0)
# Smooth, so that the label image has areas and borders.
RGB = np.kron(RNG.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
COUNTS = np.kron(RNG.integers(800, 4000, (6, 8)), np.ones((8, 8))).astype(np.uint16)


@pytest.fixture(scope="module")
def ros():
    """Variables of the environment under which this process and the nodes see each other alone."""
    variables = {
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    rclpy.init()
    yield
    rclpy.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def start(*arguments):
    """A node as a user starts it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.ros", *map(str, arguments)],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def stop(process, kind=signal.SIGTERM):
    process.send_signal(kind)
    _, words = process.communicate(timeout=PATIENCE)
    return process.returncode, words


class Robot:
    """A camera and a listener, in this process."""

    def __init__(self):
        self.node = rclpy.create_node("robot")
        self.rgb = self.node.create_publisher(Image, "/rgb", qos_profile_sensor_data)
        self.depth = self.node.create_publisher(Image, "/depth", qos_profile_sensor_data)
        self.got = {}
        self._listen(Image, "labels", 2)
        self._listen(Image, "overlay", 2)
        self._listen(CompressedImage, "labels/compressed", 2)
        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._listen(String, "label_info", kept)
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.got.__setitem__("diagnostics", m), 2
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _listen(self, kind, topic, qos):
        self.node.create_subscription(
            kind, f"/cen_keras/{topic}", lambda m: self.got.__setitem__(topic, m), qos
        )

    def publish(self, rgb=RGB, depth=COUNTS, rgb_encoding="rgb8"):
        """One view, under one stamp; gives the stamp."""
        stamp = self.node.get_clock().now().to_msg()
        for publisher, image, encoding in (
            (self.rgb, rgb, rgb_encoding),
            (self.depth, depth, "16UC1"),
        ):
            if image is None:
                continue
            message = Image(height=image.shape[0], width=image.shape[1], encoding=encoding)
            message.header.stamp, message.header.frame_id = stamp, "camera"
            message.step = image.nbytes // image.shape[0]
            message.data = array.array("B", image.tobytes())
            publisher.publish(message)
        return stamp

    def until(self, done, **view):
        """Publishes ten views a second until something is true."""
        end = time.monotonic() + PATIENCE
        stamps = []
        while time.monotonic() < end:
            stamps.append(self.publish(**view))
            time.sleep(0.1)
            found = done()
            if found:
                return found, stamps
        raise AssertionError(f"nothing after {PATIENCE} s; there is {sorted(self.got)}")

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def robot(ros):
    robot = Robot()
    yield robot
    robot.close()


@pytest.fixture
def node(ros, artifacts):
    process = start("--artifact", artifacts["int8"], "--rgb", "/rgb", "--depth", "/depth")
    yield process
    if process.poll() is None:
        stop(process)


def expected(artifact, rgb, counts, stream):
    """The classes by the runtime alone, without the demo's and the node's code."""
    runner = open_runner(artifact)
    images = {"rgb": rgb, "depth": (counts * np.float32(0.001)).astype(np.float32)}
    codes = runner.run_raw(Preprocessor(runner.inputs)(Frame("one", images)))[stream][0]
    return class_map(codes, *SIZE), runner.manifest


def pixels(message, channels=()):
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, *channels)


def test_labels_come_with_the_header_of_their_image(robot, node, artifacts):
    (_, stamps) = robot.until(lambda: {"labels", "overlay", "labels/compressed"} <= set(robot.got))
    labels = robot.got["labels"]
    classes, manifest = expected(artifacts["int8"], RGB, COUNTS, "ensemble")
    assert (labels.encoding, labels.header.frame_id) == ("mono8", "camera")
    assert labels.header.stamp in stamps
    np.testing.assert_array_equal(pixels(labels), classes)
    assert len(np.unique(classes)) > 1
    png = np.array(Picture.open(io.BytesIO(robot.got["labels/compressed"].data.tobytes())))
    np.testing.assert_array_equal(png, classes)
    wanted = overlay(RGB, colorize(classes, manifest.palette))
    np.testing.assert_array_equal(pixels(robot.got["overlay"], (3,)), wanted)
    info = json.loads(robot.got["label_info"].data)
    assert [entry["class_name"] for entry in info["class_map"]] == list(manifest.classes)

    robot.until(lambda: robot.got.get("diagnostics") and _value(robot, "latency_p95_ms"))
    status = robot.got["diagnostics"].status[0]
    assert (status.level, status.message) == (b"\x00", "running")
    assert float(_value(robot, "fps")) > 0 and _value(robot, "output") == "ensemble"

    # Another output, while it runs.
    client = robot.node.create_client(SetParameters, "/cen_keras/set_parameters")
    assert client.wait_for_service(PATIENCE)
    assert _set(client, "stream", "rgb").successful
    refused = _set(client, "stream", "nothing")
    assert not refused.successful and "'nothing'" in refused.reason
    assert not _set(client, "rgb", "/other").successful
    classes, _ = expected(artifacts["int8"], RGB, COUNTS, "rgb")
    robot.until(lambda: np.array_equal(pixels(robot.got["labels"]), classes))

    code, words = stop(node)
    assert code == 130 and words.rstrip().endswith("interrupted") and "Traceback" not in words


def _value(robot, key):
    return {v.key: v.value for v in robot.got["diagnostics"].status[0].values}[key]


def _set(client, name, value):
    parameter = Parameter(name, value=value).to_parameter_msg()
    future = client.call_async(SetParameters.Request(parameters=[parameter]))
    end = time.monotonic() + PATIENCE
    while not future.done():
        assert time.monotonic() < end
        time.sleep(0.01)
    return future.result().results[0]


def test_a_depth_camera_that_stops_and_images_that_cannot_be_read(robot, node, artifacts):
    robot.until(lambda: "labels" in robot.got)
    # Colours alone: their own stream, which depends on the depth all the same, as missing.
    classes, _ = expected(artifacts["int8"], RGB, np.zeros_like(COUNTS), "rgb")
    robot.until(lambda: np.array_equal(pixels(robot.got["labels"]), classes), depth=None)
    robot.until(lambda: robot.got["diagnostics"].status[0].message == "missing: depth", depth=None)
    # Back again, then with colours that are none.
    classes, _ = expected(artifacts["int8"], RGB, COUNTS, "ensemble")
    robot.until(lambda: np.array_equal(pixels(robot.got["labels"]), classes))
    for _ in range(3):
        robot.publish(rgb=RGB[..., 0], rgb_encoding="bayer_rggb8")
        time.sleep(0.1)
    robot.got.pop("labels")
    robot.until(lambda: "labels" in robot.got)
    code, words = stop(node, signal.SIGINT)
    assert code == 130 and "Traceback" not in words
    assert words.count("'bayer_rggb8' is none of a colour image") == 1
    assert "depth is missing" in words and "depth is back" in words


def test_depth_in_another_unit_is_one_warning(ros, robot, artifacts):
    topics = ["--rgb", "/rgb", "--depth", "/depth", "--depth-scale", "0.00001"]
    process = start("--artifact", artifacts["int8"], *topics)
    try:
        robot.until(lambda: "labels" in robot.got)
        robot.got.pop("labels")
        robot.until(lambda: "labels" in robot.got)
    finally:
        code, words = stop(process)
    assert code == 130 and "Traceback" not in words
    assert words.count("depth: the median depth is 0.02") == 1
    assert words.count("try --depth-scale 0.001") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no artifact: give --artifact"),
        (["--artifact", "ARTIFACT", "--rgb", "/rgb"], "no topic for depth"),
        (
            ["--artifact", "ARTIFACT", "--topic", "hha=/h"],
            "hha: the artifact takes rgb, depth only; leave the topic out",
        ),
        (["--artifact", "ARTIFACT", "--ros-args", "-p", "rate:=often"], "parameter rate"),
        (["--artifact", "ARTIFACT", "--label-encoding", "rgb8"], "wanted one of mono8, mono16"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(ros, artifacts, arguments, words):
    process = start(*[str(artifacts["int8"]) if a == "ARTIFACT" else a for a in arguments])
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert words in errors.splitlines()[-1] and "Traceback" not in errors
