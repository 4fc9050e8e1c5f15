"""Builds the wheel of a board's part, cen-keras-runtime, from this tree.

    python packaging/runtime_wheel.py dist

The files are put together in a folder of their own, since a tree has one setup.cfg: that of the whole.
Both wheels hold a package `deploy`, so a machine has one of them.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a board runs: the engines' runtime, the demo, the ROS node, engines of TensorRT, bench, and the
# commands, which say of the others that they are a host's.
PACKAGES = ("runtime", "demo", "ros", "tensorrt", "commands", "jetson", "templates")
FILES = ("__init__.py", "__main__.py", "bench.py")
# Of a host's part within these.
HOST_ONLY = ("tensorrt/judge.py",)


def version() -> str:
    """Returns the project's version, which `cen_keras/__init__.py` alone holds."""
    text = (ROOT / "cen_keras" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)[1]


def stage(folder: Path) -> None:
    """Puts the files of the wheel into a folder."""
    target = folder / "deploy"
    target.mkdir()
    for name in FILES:
        shutil.copy2(ROOT / "deploy" / name, target / name)
    for name in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(ROOT / "deploy" / name, target / name, ignore=ignore)
    for name in HOST_ONLY:
        (target / name).unlink()
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy2(ROOT / "packaging" / "runtime" / name, folder / name)
    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    (folder / "VERSION").write_text(version(), encoding="utf-8")


def build(out: Path) -> Path:
    """Builds the wheel into a folder and gives its path."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cen-keras-runtime-") as name:
        folder, made = Path(name) / "tree", Path(name) / "made"
        folder.mkdir()
        stage(folder)
        # Not isolated: setuptools of this environment, no network.
        command = [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            made,
            folder,
        ]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the wheel could not be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        (wheel,) = made.glob("*.whl")
        return Path(shutil.copy2(wheel, out / wheel.name))


def main() -> None:
    """Builds and says where the wheel is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the wheel")
    sys.stdout.write(f"{build(parser.parse_args().out)}\n")


if __name__ == "__main__":
    main()
