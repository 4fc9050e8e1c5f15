"""The node beside a camera at 30 Hz: what counts as good, and short runs of the real thing."""

import shutil
import sys

import pytest
from parts import needed

from deploy.benchmarks import ros
from deploy.runtime.errors import InputError
from deploy.runtime.manifest import manifest_path

GOOD = {
    "minutes": 10,
    "pairs": 16200,
    "labelled": 15500,
    "p50_ms": 20.0,
    "p95_ms": 99.0,
    "resident_mb": {"first": 180.0, "least": 180.0, "most": 184.9, "last": 184.0},
    "grown_mb": 4.9,
    "exit_code": 130,
    "failed": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"p95_ms": 101.0},
        {"labelled": 15000},
        {"labelled": 0, "p50_ms": None, "p95_ms": None},
        {"grown_mb": 5.1},
        {"grown_mb": None, "resident_mb": None},
        {"exit_code": -9},
        {"failed": "the node ended before its time"},
    ],
)
def test_what_is_not_good(change):
    assert ros.good({"ros": GOOD})
    assert not ros.good({"ros": GOOD | change})
    assert ros.line({"ros": GOOD | change})


@pytest.fixture
def short(artifacts, tmp_path, monkeypatch):
    """Runs the measurement for some seconds with a small artifact; gives its figures."""
    needed("ros", "rclpy", "sensor_msgs.msg", "diagnostic_msgs.msg")
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.setenv(name, "")  # so that what the measurement sets is taken back
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    monkeypatch.setattr(ros, "INTERVAL", 0.5)

    def export(preset, folder):
        folder.mkdir(parents=True)
        for file in (artifacts["int8"], manifest_path(artifacts["int8"])):
            shutil.copyfile(file, folder / file.name)

    monkeypatch.setattr(ros, "export", export)
    return lambda minutes=0.1: ros.measure(tmp_path, lambda line: None, minutes, 1, 1.0)["ros"]


def test_a_short_run_of_the_real_thing(short, tmp_path):
    found = short()
    assert found["failed"] is None and found["exit_code"] == 130
    # Five seconds at 30 Hz; on a busy machine few are labelled.
    assert 0 < found["labelled"] <= found["pairs"] == 150
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["most_ms"]
    assert found["grown_mb"] >= 0
    rows = (tmp_path / "ros_memory.csv").read_text().splitlines()
    assert rows[0] == "seconds,resident_mb,own_mb,peak_mb" and len(rows) > 3


def test_a_node_that_gives_up_is_reported_with_its_last_words(short, monkeypatch):
    monkeypatch.setattr(ros, "_NODE", (sys.executable, "-c", "raise SystemExit('no camera')"))
    found = short()
    assert found["failed"] == "the node did not get ready: no camera"
    assert found["labelled"] == 0 and not ros.good({"ros": found})
    assert ros.line({"ros": found}) == "failed: the node did not get ready: no camera"


def test_too_short_a_time_is_refused_before_anything_is_made(short, tmp_path):
    with pytest.raises(InputError, match="0.01 minutes are too short"):
        short(0.01)
    assert not list(tmp_path.iterdir())
