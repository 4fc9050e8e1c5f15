"""The pages and files for a Jetson name what there is; nothing of them has been run on one."""

import argparse
import ast
import configparser
import re
import shlex
from pathlib import Path

import pytest

import deploy
from deploy.demo import command
from deploy.lint_rules.core import PROFILES
from deploy.runtime.console import BAD_INPUT

FOLDER = Path(deploy.__file__).parent / "jetson"
README = (FOLDER / "README.md").read_text()
PACKAGE = Path(deploy.__file__).parent


def messages():
    """All pieces of text in the code of the board's part."""
    for path in [*PACKAGE.glob("runtime/*.py"), *PACKAGE.glob("demo/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda p: p.name)
def test_every_file_says_that_it_was_not_run(path):
    text = path.read_text()
    assert re.search(
        "nothing on this page has been run|not run on hardware", text[:600], re.IGNORECASE
    )


def test_profiles_and_files_of_the_table():
    rows = [line.split("|") for line in README.splitlines() if "`Dockerfile" in line]
    assert len(rows) == 5
    for row in rows:
        profile, dockerfile = (row[i].strip(" `") for i in (7, 8))
        assert (FOLDER / dockerfile).is_file()
        # The profile's TensorRT is the row's, as far as the row tells it.
        major = PROFILES[profile].tensorrt[0]
        assert re.match(rf"{major}\.", row[4].strip())


def test_messages_are_the_programs_own():
    """Those of the table that are ours; Linux, TensorRT and the page say the others."""
    first = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    quoted = [q for cell in first for q in re.findall("`([^`]+)`", cell)]
    foreign = {"Killed", "dmesg", "insufficient memory on tactic", "Unsupported ONNX opset", "p95"}
    known = " ".join(messages())
    for quote in set(quoted) - foreign:
        for part in quote.split(" ... "):
            assert part.strip() in known, part


def options(line):
    """Parses the options of a `demo` command as the demo does."""
    words = shlex.split(line)
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    return parser.parse_args(words[words.index("demo") + 1 :])


def service():
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str
    unit.read(FOLDER / "cen-demo.service")
    return unit


def test_the_service_goes_on_whatever_ends_the_demo():
    """A GPU that fails once and a port that is taken end it as wrong options do, with BAD_INPUT."""
    unit = service()
    assert unit["Service"]["Restart"] == "on-failure"
    ends_for_good = f"{unit['Service'].get('RestartPreventExitStatus', '')} "
    ends_for_good += unit["Service"]["SuccessExitStatus"]
    assert str(BAD_INPUT) not in ends_for_good.split()
    assert unit["Unit"].get("StartLimitIntervalSec") == "0"


def test_the_service_starts_the_demo():
    unit = service()
    parsed = options(unit["Service"]["ExecStart"])
    assert parsed.serve == "0.0.0.0:8000" and parsed.source == "realsense"
    assert parsed.artifact == "static_w8a8.onnx" and parsed.engine == "tensorrt"
    assert unit["Service"]["SuccessExitStatus"] == "130"
    assert "CEN_DEMO_TOKEN" in (FOLDER / "cen-demo.service").read_text()


@pytest.mark.parametrize("number", [5, 6, 7])
def test_a_container_holds_the_boards_part(number):
    text = (FOLDER / f"Dockerfile.jetpack{number}").read_text()
    assert re.search(r"^COPY dist/cen_keras_runtime-\*.whl /tmp/$", text, re.MULTILINE)
    assert re.search("pip install .*--no-deps /tmp/cen_keras_runtime-", text)
    # Major numbers of Linux: video devices, and USB ones, which most cameras' libraries open themselves.
    assert all(f'--device-cgroup-rule "c {major}:* rmw"' in text for major in (81, 189))
    assert re.search(r'^ENTRYPOINT \["\S*python3?", "-m", "deploy"\]$', text, re.MULTILINE)
    for line in re.sub(r" \\\n#\s+", " ", text).splitlines():
        if "cen-demo demo" in line:
            assert options(line.lstrip("# ")).artifact.startswith("/models/")
            break
    else:
        pytest.fail("no line shows how to run the demo")
