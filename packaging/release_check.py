"""Builds the wheel of the whole and checks what is in it: `make release-check`.

    python packaging/release_check.py

Exit code 0 where all holds, 1 with a line for each thing that does not.
"""

import email
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from runtime_wheel import ROOT
from runtime_wheel import version as source_version

PACKAGES = {"cen", "cen_keras", "recipes", "deploy"}
"""At the top of the wheel, as docs/contributing/architecture.md describes them."""
DATA = (
    "cen_keras/data/nyudv2_classes.csv",
    "cen_keras/models/weights/cen_edge_m_rooms.npz",
    "cen_keras/models/weights/cen_edge_m_rooms.json",
    "cen_keras/models/weights/cen_edge_m_rooms.md",
    "cen_keras/models/weights/int8/cen_lite0_nyudv2/qat_w8a8.tflite",
    "cen_keras/models/weights/int8/cen_lite0_nyudv2/qat_w8a8.tflite.json",
    "deploy/templates/report.html",
    "deploy/templates/live.html",
    "deploy/jetson/README.md",
    "deploy/ros/package/package.xml",
)
MOST_BYTES = 26_000_000
"""The packed weights may come to 24 MB, see `recipes.pack`."""
EXTRAS = {"train", "export", "litert", "ort", "ros", "tensorrt-rtx", "torch", "pretrained", "hub"}


def build(folder: Path) -> Path:
    """Builds the wheel into a folder and returns its path."""
    # What an earlier build left there would go into this one.
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    command = [sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", folder, ROOT]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the wheel could not be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def faults(wheel: Path) -> list[str]:
    """Returns what is wrong with a wheel, a line each."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (info,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        entries = archive.read(f"{info}/entry_points.txt").decode()
    top = {name.partition("/")[0] for name in names} - {info}
    if top != PACKAGES:
        found.append(f"top-level packages are {sorted(top)}, wanted {sorted(PACKAGES)}")
    if f"{info}/licenses/LICENSE" not in names:
        found.append("the licence is not in it")
    found += [f"{name} is not in it" for name in DATA if name not in names]
    strange = [n for n in names if re.search(r"__pycache__|\.pyc$|(^|/)(tests|runs)/|\.ipynb$", n)]
    if strange:
        found.append(f"holds {strange[:3]}")
    if wheel.stat().st_size > MOST_BYTES:
        found.append(f"is {wheel.stat().st_size / 1e6:.1f} MB, at most {MOST_BYTES / 1e6:.0f}")
    wanted = {
        "Name": "cen-keras",
        "Version": source_version(),
        "Requires-Python": ">=3.11",
        "Description-Content-Type": "text/markdown",
    }
    for key, value in wanted.items():
        if metadata[key] != value:
            found.append(f"{key} is {metadata[key]!r}, wanted {value!r}")
    if "Apache-2.0" not in (metadata["License-Expression"] or metadata["License"] or ""):
        found.append("the metadata name no licence Apache-2.0")
    if len(metadata.get_payload()) < 500 or not metadata["Summary"]:
        found.append("summary or description is empty")
    missing = EXTRAS - set(metadata.get_all("Provides-Extra") or ())
    if missing:
        found.append(f"extras {sorted(missing)} are not offered")
    needs = [n for n in metadata.get_all("Requires-Dist") or () if "extra ==" not in n]
    if [re.match(r"[\w-]+", need)[0] for need in needs] != ["numpy"]:
        found.append(f"needs {needs} without any extra, wanted numpy alone")
    if "cen = cen.__main__:console" not in entries:
        found.append("the console command cen is not in it")
    return found


def stale() -> list[str]:
    """Returns the files that name another version than the package."""
    version, found = source_version(), []
    for name, pattern in (
        ("CITATION.cff", r"^version: (\S+)"),
        ("deploy/ros/package/package.xml", r"<version>([^<]+)"),
        ("deploy/ros/package/setup.py", r'version="([^"]+)"'),
    ):
        named = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        if named is None or named[1] != version:
            found.append(f"{name} names {named and named[1]}, wanted {version}")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if version not in changelog or not re.search(r"^## \[", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md does not name {version}")
    return found


def main() -> int:
    """Builds, checks and returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="cen-keras-release-") as folder:
        wheel = build(Path(folder))
        found = stale() + [f"{wheel.name}: {fault}" for fault in faults(wheel)]
        size = wheel.stat().st_size
        sys.stdout.write("".join(f"{line}\n" for line in found))
        if not found:
            sys.stdout.write(f"{wheel.name}, {size / 1e6:.1f} MB: good\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
