"""docs/tutorials/ros2.md: its export, its node as a process and its camera, calibrated on two views."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from parts import needed

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "tutorials" / "ros2.md").read_text()

needed("ros", "rclpy", "sensor_msgs.msg", "diagnostic_msgs.msg")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_node_gives_labels_to_the_camera(tmp_path, monkeypatch):
    from cen.__main__ import main

    monkeypatch.chdir(tmp_path)
    export, node = blocks("bash")[0].strip().splitlines()
    assert main([*shlex.split(export)[1:], "--calibration-count", "2"]) == 0

    (tmp_path / "camera.py").write_text("".join(blocks("python")))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        # Other ROS programs of this network stay apart.
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    python, *arguments = shlex.split(node)
    assert python == "python3"
    running = subprocess.Popen([sys.executable, *arguments], env=environment)
    try:
        camera = subprocess.run(
            [sys.executable, "camera.py"],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert camera.returncode == 0, camera.stderr
        assert camera.stdout.startswith("classes seen: [")
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
