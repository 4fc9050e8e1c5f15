"""The version stands in one place, and the check of a wheel finds what is wrong with one."""

import importlib.util
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# As where one of the scripts is run.
sys.path.append(str(ROOT / "packaging"))


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load("release_check")


def test_the_version_stands_in_one_place():
    import cen_keras

    assert check.source_version() == load("runtime_wheel").version() == cen_keras.__version__
    assert "version = attr: cen_keras.__version__" in (ROOT / "setup.cfg").read_text()
    assert check.stale() == []


def wheel(path, **changes):
    info = "cen_keras-0.dist-info"
    metadata = {
        "Name": "cen-keras",
        "Version": check.source_version(),
        "Summary": "a summary",
        "License": "Apache-2.0",
        "Requires-Python": ">=3.11",
        "Requires-Dist": "numpy>=1.26",
        "Description-Content-Type": "text/markdown",
        **changes,
    }
    lines = [f"{key}: {value}" for key, value in metadata.items()]
    lines += [f"Provides-Extra: {extra}" for extra in check.EXTRAS]
    with zipfile.ZipFile(path, "w") as archive:
        for package in check.PACKAGES:
            archive.writestr(f"{package}/__init__.py", "")
        for name in (*check.DATA, f"{info}/licenses/LICENSE"):
            archive.writestr(name, "")
        archive.writestr(f"{info}/METADATA", "\n".join([*lines, "", "words " * 200]))
        archive.writestr(
            f"{info}/entry_points.txt", "[console_scripts]\ncen = cen.__main__:console\n"
        )
    return path


def test_a_wheel_as_it_should_be_is_good(tmp_path):
    assert check.faults(wheel(tmp_path / "a.whl")) == []


def test_each_fault_is_a_line(tmp_path):
    path = wheel(tmp_path / "a.whl", Version="9", **{"Requires-Dist": "torch"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tests/conftest.py", "")
    found = check.faults(path)
    assert len(found) == 4
    assert any("top-level packages" in line for line in found)
    assert any("'9'" in line for line in found) and any("torch" in line for line in found)
