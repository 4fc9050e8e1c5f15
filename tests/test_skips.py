"""The summary of what was skipped names the part and the way to it, for reasons as pytest gives them."""

import configparser
import re
from pathlib import Path

import pytest
import skips


def test_reasons_are_put_together_by_part():
    reasons = [
        "Skipped: could not import 'torch': No module named 'torch'",
        "Skipped: torch is not installed",
        "Skipped: ros: No module named 'rclpy'",
        "Skipped: the official files are not here",
        "Skipped: no pipes here",
    ]
    assert skips.absent_parts([("tests/test_x.py", reason) for reason in reasons]) == [
        "torch: 2 skipped; to run: pip install -e '.[torch]'",
        "ROS 2: 1 skipped; to run: pip install -e '.[ros]'",
        "shared files: 1 skipped; to run: put them into ../shared",
        "no pipes here: 1 skipped",
    ]
    assert skips.absent_parts([]) == []


def test_the_extras_are_those_of_the_package():
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    named = {extra for _, _, way in skips.PARTS for extra in re.findall(r"\[([\w-]+)\]", way)}
    assert named <= set(config["options.extras_require"]) and len(named) >= 5


@pytest.mark.parametrize("reason", ["jax is not installed", "keras-hub is not installed: pip"])
def test_a_skip_of_today_has_a_way(reason):
    (line,) = skips.absent_parts([("", reason)])
    assert "to run: pip install" in line
