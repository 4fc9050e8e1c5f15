"""The wheel of a board's part is whole: unpacked elsewhere, every command runs without the rest."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# Raises for whatever a board does not have, the project's own other packages included.
GUARD = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "onnx", "cv2", "cen_keras", "recipes", "rich"}:
            raise ModuleNotFoundError("blocked: " + name, name=name)
# The finder of an editable installation would give the tree's modules where the wheel lacks them.
sys.meta_path[:] = [f for f in sys.meta_path if not f.__module__.startswith("__editable__")]
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv.pop(1))
import deploy
assert deploy.__file__.startswith(sys.path[0]), deploy.__file__
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(ROOT / "packaging" / "runtime_wheel.py"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    assert done.stdout.strip() == str(wheel) and wheel.stat().st_size < 1 << 20
    zipfile.ZipFile(wheel).extractall(out / "site")
    return out / "site"


def on_a_board(unpacked, tmp_path, code, *arguments):
    command = [sys.executable, "-c", GUARD + code, str(unpacked), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)


def test_it_is_for_python_3_8_and_needs_numpy_and_pillow(unpacked):
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    lines = metadata.read_text().splitlines()
    assert "Requires-Python: >=3.8" in lines
    needs = [
        line.split()[1]
        for line in lines
        if line.startswith("Requires-Dist") and "extra" not in line
    ]
    assert sorted(n.split(">")[0] for n in needs) == ["numpy", "pillow"]
    for name in ("ros/package/package.xml", "templates/live.html", "jetson/cen-demo.service"):
        assert (unpacked / "deploy" / name).is_file()
    assert not (unpacked / "deploy" / "freeze").exists()
    # A link in the tree, a file in the wheel.
    assert "def read_image(" in (unpacked / "deploy/runtime/image_files.py").read_text()


def test_every_command_says_what_it_does(unpacked, tmp_path):
    code = """
from deploy.__main__ import COMMANDS, main
from deploy.demo.__main__ import main as demo
from deploy.ros.__main__ import main as ros
for call in (lambda: main(["--help"]), lambda: demo(["--help"]), lambda: ros(["--help"]),
             *(lambda c=c: main([c, "--help"]) for c in COMMANDS)):
    try:
        call()
    except SystemExit as end:
        assert not end.code
"""
    done = on_a_board(unpacked, tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: ") == 3 + done.stdout.count("usage: python -m deploy ") - 1


MAIN = "from deploy.__main__ import main; sys.exit(main(sys.argv[1:]))"


def test_engine_plans(unpacked, tmp_path):
    from onnx_graphs import write_artifact

    artifact = str(write_artifact(tmp_path / "fp16.onnx", "fp16"))
    done = on_a_board(
        unpacked, tmp_path, MAIN, "engine", artifact, "--dry-run", "--tensorrt", "10.3"
    )
    assert done.returncode == 0 and "STRONGLY_TYPED" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "command",
    ["export runs/x", "verify runs/x", "lint x.onnx", "qat runs/x", "report runs/x",
     "sensitivity runs/x", "walkthrough", "benchmarks", "benchmarks --part ros"],
)  # fmt: skip
def test_a_hosts_command_says_that_it_is_one(unpacked, tmp_path, command):
    done = on_a_board(unpacked, tmp_path, MAIN, *command.split())
    assert done.returncode == 2 and done.stdout == "", done.stderr
    assert done.stderr.count("\n") == 1 and "on a host" in done.stderr
