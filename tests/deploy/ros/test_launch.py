"""The launch file hands every option of the node on, by doubles of launch and launch_ros."""

import runpy
import sys
import types
from pathlib import Path
from typing import List  # noqa: UP035 - all that launch_ros takes

import pytest
import yaml

import deploy.ros
from deploy.ros.__main__ import _parser

PATH = Path(deploy.ros.__file__).parent / "package/launch/segmentation.launch.py"
# launch_ros' own list.
TYPES = (int, float, bool, str, List[str])  # noqa: UP006


def module(monkeypatch, name, **content):
    made = types.ModuleType(name)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.fixture
def launched(monkeypatch):
    """(argument by name, (argument's name, type) by parameter)."""
    arguments, given = {}, {}

    def declare(name, default_value=None, description=""):
        arguments[name] = default_value

    def node(parameters, **_):
        given.update(parameters[0])

    module(monkeypatch, "launch", LaunchDescription=list)
    module(monkeypatch, "launch.actions", DeclareLaunchArgument=declare)
    module(monkeypatch, "launch.substitutions", LaunchConfiguration=str)
    module(monkeypatch, "launch_ros")
    module(monkeypatch, "launch_ros.actions", Node=node)
    module(
        monkeypatch,
        "launch_ros.parameter_descriptions",
        ParameterValue=lambda value, value_type: (value, value_type),
    )
    runpy.run_path(str(PATH))["generate_launch_description"]()
    return arguments, given


def test_every_option_of_the_node_is_an_argument(launched):
    arguments, given = launched
    options = vars(_parser().parse_args([]))
    assert set(arguments) == set(given) == set(options)
    for name, (argument, kind) in given.items():
        assert argument == name and kind in TYPES
        # As launch_ros reads a text: YAML, but for texts.
        default = arguments[name]
        value = default if kind is str or default is None else yaml.safe_load(default)
        if name in ("rgb", "depth", "artifact"):
            continue  # a camera's usual topics; and the one that has no default
        # An empty list of parameters has no type, so the node takes one empty text for it.
        assert value == (options[name] or [""] if name == "topics" else options[name])
        assert type(value) is type(options[name])
