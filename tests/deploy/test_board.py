"""The board's part needs numpy, Pillow and one engine, in syntax that Python 3.8 reads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deploy

ROOT = Path(deploy.__file__).parent
# The interpreter's own; taken from 3.11, whose list holds no module that 3.8 lacks but these.
STANDARD = set(sys.stdlib_module_names) - {"tomllib", "zoneinfo", "graphlib"}
LIBRARIES = {"numpy", "PIL"}
# What the demo takes where it is installed, and names where it is not.
OPTIONAL = {
    "source_rooms.py": {"cen_keras"},
    "source_video.py": {"cv2"},
    "source_realsense.py": {"pyrealsense2"},
    "source_bag.py": {"rosbags"},
    "network.py": {"onnxruntime"},
    "node.py": {"rclpy", "sensor_msgs", "diagnostic_msgs", "rcl_interfaces"},
    "publishers.py": {"rclpy", "sensor_msgs", "std_msgs", "diagnostic_msgs", "vision_msgs"},
}
ENGINES = {
    "litert_runner.py": {"ai_edge_litert", "tflite_runtime"},
    "ort_runner.py": {"onnxruntime"},
    "trt_runner.py": {"tensorrt"},
    "trt_engine.py": {"tensorrt", "tensorrt_rtx_bindings"},
}
RUNTIME = sorted((ROOT / "runtime").glob("*.py"))
DEMO = sorted((ROOT / "demo").glob("*.py")) + sorted((ROOT / "ros").glob("*.py"))
# Not the board's, but on the way to its commands: `python -m deploy bench` imports them.
COMMANDS = [ROOT / "__init__.py", ROOT / "__main__.py", ROOT / "bench.py"]
COMMANDS += sorted((ROOT / "commands").glob("*.py"))


def parsed(path):
    return ast.parse(path.read_text(), filename=str(path), feature_version=(3, 8))


def imports(tree):
    """Top-level names of all absolute imports, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    "path", RUNTIME + DEMO + COMMANDS, ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_python_3_8_reads_it(path):
    tree = parsed(path)
    annotated = any(
        isinstance(node, ast.FunctionDef)
        and (node.returns or any(a.annotation for a in node.args.args))
        or isinstance(node, ast.AnnAssign)
        for node in ast.walk(tree)
    )
    postponed = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
    )
    # `X | None` and `list[int]` in annotations are read by 3.8 only if nobody evaluates them.
    assert postponed or not annotated


# Names of the standard library that 3.8 has not.
YOUNGER = {
    "removeprefix", "removesuffix", "is_relative_to", "with_stem", "hardlink_to", "bit_count",
    "pairwise", "lcm", "to_thread", "cache",
}  # fmt: skip


def annotations(tree):
    """Every node that is part of an annotation, which nobody evaluates."""
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                yield from ast.walk(getattr(node, field))


@pytest.mark.parametrize(
    "path", RUNTIME + DEMO + COMMANDS, ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_python_3_8_runs_it(path):
    """What parses under 3.8 and fails there when it runs: younger names, `zip(strict=)`, and
    `list[int]` or `X | None` outside annotations.
    """
    tree = parsed(path)
    skipped = set(map(id, annotations(tree)))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Attribute):
            assert node.attr not in YOUNGER, node.attr
        if isinstance(node, ast.ImportFrom):
            assert not YOUNGER & {alias.name for alias in node.names}
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip":
            assert not node.keywords, "zip(strict=)"
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in {"list", "dict", "tuple", "set", "frozenset", "type"}
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = (node.left, node.right)
            assert not any(isinstance(s, ast.Constant) and s.value is None for s in sides)


@pytest.mark.parametrize("path", RUNTIME, ids=lambda p: p.name)
def test_the_runtime_imports_numpy_pillow_and_its_engine(path):
    allowed = STANDARD | LIBRARIES | ENGINES.get(path.name, set())
    assert set(imports(parsed(path))) <= allowed


@pytest.mark.parametrize("path", DEMO, ids=lambda p: p.name)
def test_the_demo_needs_no_more(path):
    assert set(imports(parsed(path))) <= STANDARD | LIBRARIES | OPTIONAL.get(path.name, set())


@pytest.mark.parametrize("path", RUNTIME + DEMO, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_boards_part_reaches_into_no_other_room(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            reached = {
                "runtime": set(),
                "demo": {"runtime", "ros"},
                "ros": {"runtime", "demo"},
            }[path.parent.name]
            assert node.level == 1 or (
                node.level == 2 and (node.module or node.names[0].name).split(".")[0] in reached
            )
    wanted = {"cen_keras"} if path.name == "source_rooms.py" else set()
    assert set(imports(parsed(path))) & {"cen_keras", "recipes", "deploy"} == wanted


# Raises for whatever a board does not have.
GUARD = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError("blocked: " + name, name=name)
sys.meta_path.insert(0, Refuse())
sys.argv = ["deploy"] + sys.argv[1:]
"""
HEAVY = {
    "tensorflow", "keras", "jax", "torch", "cv2", "scipy", "matplotlib", "rich", "jinja2", "h5py",
    "onnx", "tf2onnx", "litert_quantizer", "cen_keras", "recipes",
}  # fmt: skip


def on_a_board(code, *arguments):
    guard = GUARD.format(blocked=HEAVY)
    return subprocess.run(
        [sys.executable, "-c", guard + code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
        timeout=120,
    )


def test_everything_of_the_board_imports_there():
    modules = [f"deploy.{p.parent.name}.{p.stem}" for p in RUNTIME + DEMO]
    modules = [m for m in modules if not m.endswith("__main__")]
    ran = on_a_board(f"import importlib\nfor m in {modules}: importlib.import_module(m)")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "command", ["", "export", "verify", "bench", "demo", "report", "walkthrough"]
)
def test_help_needs_nothing(command):
    code = "from deploy.__main__ import main; sys.exit(main())"
    ran = on_a_board(code, *([command] if command else []), "--help")
    assert ran.returncode == 0, ran.stderr
    assert "usage: python -m deploy" in ran.stdout


@pytest.mark.parametrize("command", ["export", "verify", "qat", "report", "sensitivity"])
def test_commands_of_a_host_say_so(command, artifacts):
    code = "from deploy.__main__ import main; sys.exit(main())"
    ran = on_a_board(code, command, str(artifacts["int8"]))
    assert ran.returncode == 2, ran.stderr
    assert "on a host. A board runs engine, bench and demo" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_demo_and_bench_run_there(artifacts, tmp_path):
    import numpy as np
    from PIL import Image

    Image.new("RGB", (32, 24), (90, 120, 60)).save(tmp_path / "x_rgb.png")
    Image.fromarray(np.full((24, 32), 2000, np.uint16)).save(tmp_path / "x_depth.png")
    artifact = str(artifacts["int8"])
    code = "from deploy.demo.__main__ import main; sys.exit(main())"
    arguments = ["--artifact", artifact, "--source", f"frames:{tmp_path}", "--out", str(tmp_path)]
    ran = on_a_board(code, *arguments)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "x.png").is_file()
    code = "from deploy.__main__ import main; sys.exit(main())"
    table = str(tmp_path / "bench.csv")
    ran = on_a_board(code, "bench", artifact, "--rounds", "2", "--csv", table)
    assert ran.returncode == 0, ran.stderr
    ran = on_a_board(code, "demo", *arguments[:2], "--source", "rooms", "--out", str(tmp_path))
    assert ran.returncode == 2 and "on a board take frames:FOLDER" in ran.stderr


def test_a_missing_engine_is_named(artifacts):
    code = "from deploy.runtime.runner import open_runner\nopen_runner(sys.argv[1])"
    guard = "import sys\nsys.modules['ai_edge_litert'] = sys.modules['tflite_runtime'] = None\n"
    ran = on_a_board(guard + code, str(artifacts["int8"]))
    assert "pip install ai-edge-litert" in ran.stderr
