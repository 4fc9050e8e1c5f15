"""ARM64 instructions that an artifact executes per frame, counted under qemu.

    python tests/arm/count_instructions.py FILE [FILE ...] --csv arm_instructions.csv

A count, not a time: how many instructions a processor does at once, and how long it waits for memory, differ. Needs
what `make test-arm` prepares, qemu-user with plugins (Debian, Ubuntu: qemu-user) and a C compiler. One process runs
one frame, another two; the difference is a frame's, preparing the engine left out.
"""

import argparse
import csv
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from emulated import PROCESSORS, missing, run

from deploy.runtime.manifest import load

HERE = Path(__file__).parent
QEMU = "qemu-aarch64"  # the static one takes no plugins
COLUMNS = (
    "processor",
    "artifact",
    "scheme",
    "note",
    "sha256",
    "input",
    "instructions_per_frame",
    "qemu",
)


def main():
    """Counts for each artifact on each processor and writes a row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--csv", type=Path, required=True)
    arguments = parser.parse_args()
    lacking = missing() or next(
        (f"{n} is not installed" for n in (QEMU, "cc") if not shutil.which(n)), ""
    )
    if lacking:
        sys.exit(lacking)
    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True).stdout.split()[2]
    with tempfile.TemporaryDirectory(prefix="cen-keras-arm-") as name:
        plugin = build_plugin(Path(name))
        for artifact in arguments.artifacts:
            for processor in PROCESSORS:
                count = per_frame(processor, artifact.resolve(), plugin, Path(name))
                append(arguments.csv, row(artifact, processor, count, version))
                sys.stdout.write(f"{processor} {artifact}: {count / 1e6:.1f} million a frame\n")


def build_plugin(folder):
    """Compiles the counter."""
    plugin = folder / "executed_instructions.so"
    source = HERE / "executed_instructions.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", plugin, source], check=True)
    return plugin


def per_frame(processor, artifact, plugin, folder):
    """Instructions of one frame of random pixels, whole."""
    manifest, rng = load(artifact), np.random.default_rng(0)
    inputs = {}
    for name, spec in manifest.inputs.items():
        height, width, channels = spec.hwc
        value = rng.normal(size=(1, height, width, channels)).astype(np.float32)
        inputs[name] = (
            (40 * value).clip(-128, 127).astype(spec.dtype) if "int" in spec.dtype else value
        )
    np.savez(folder / "inputs.npz", **inputs)
    one, two = (executed(processor, artifact, plugin, folder, frames) for frames in (1, 2))
    return two - one


def executed(processor, artifact, plugin, folder, frames):
    """Instructions of a whole process."""
    words = [HERE / "on_board.py", "repeat", artifact, folder / "inputs.npz", frames]
    done = run(processor, *words, folder=folder, emulator=(QEMU, "-plugin", plugin))
    found = re.search(r"^executed (\d+)$", done.stderr, re.MULTILINE)
    if done.returncode or not found:
        sys.exit(f"{artifact} on {processor}: {done.stdout}{done.stderr}")
    return int(found[1])


def row(artifact, processor, count, version):
    """A row of the table."""
    manifest = load(artifact)
    size = "x".join(map(str, next(iter(manifest.inputs.values())).hwc[:2]))
    name = f"{artifact.parent.name}/{artifact.name}"
    found = (
        processor,
        name,
        manifest.scheme,
        manifest.note,
        manifest.file_sha256[:12],
        size,
        count,
        version,
    )
    return dict(zip(COLUMNS, found, strict=True))


def append(path, values):
    """Appends a row, under a head where the file is new."""
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(values)


if __name__ == "__main__":
    main()
