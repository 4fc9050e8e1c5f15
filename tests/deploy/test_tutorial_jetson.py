"""docs/tutorials/jetson.md: what it runs on a PC, with two views; the board's part without the rest."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from own_folders import write_views
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "jetson.md"
BOARD = "trial/bin/python -I -m "
SMALL = {
    "export": ["--calibration-count", "2"],
    # Calibrated on two views and scored on two.
    "verify": ["--max-drop", "100", "--count", "2"],
}
# Raises for what the board's environment does not have.
GUARD = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "onnx", "cv2", "cen_keras", "recipes", "rich"}:
            raise ModuleNotFoundError("not on the board: " + name, name=name)
sys.meta_path.insert(0, Refuse())
sys.path[0] = sys.argv.pop(1)
sys.argv.pop(1)
runpy.run_module("deploy", run_name="__main__")
"""


def commands(section):
    """The commands of the block below a heading that begins with `section`."""
    found = re.search(
        rf"^## {section}.*?^```bash\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return found[1].strip().splitlines()


def test_the_page_says_that_no_board_was_there():
    assert "None of this has been run on a Jetson" in PAGE.read_text()[:400]
    assert "```bash" not in PAGE.read_text().partition("## 3.")[2]


@pytest.mark.slow
def test_on_a_pc(tmp_path, monkeypatch, capfd):
    from cen.__main__ import main

    monkeypatch.chdir(tmp_path)
    for command in commands("1"):
        program, name, *arguments = shlex.split(command)
        assert program == "cen"
        assert main([name, *arguments, *SMALL.get(name, [])]) == 0, command
    assert "0 errors" in capfd.readouterr().out

    # The wheel's files in place of the environment that `pip` would fill.
    wheel = [sys.executable, str(ROOT / "packaging" / "runtime_wheel.py"), "dist"]
    subprocess.run(wheel, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = Path("dist").glob("cen_keras_runtime-*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), "trial"], check=True)
    write_views(tmp_path / "captures", 2)
    ran = 0
    for command in commands("2"):
        if command.startswith(BOARD):
            words = shlex.split(command.removeprefix(BOARD))
            done = subprocess.run(
                [sys.executable, "-c", GUARD, "trial", *words], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            ran += 1
    assert ran == 2
    assert [Image.open(path).width > 96 for path in Path("seen").glob("*.png")] == [True, True]
