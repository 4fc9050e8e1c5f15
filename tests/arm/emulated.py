"""Where the emulated boards lie, one for each Python, and how a program runs on them."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(os.environ.get("CEN_KERAS_ARM") or ROOT / ".cache" / "arm64")
QEMU = "qemu-aarch64-static"
# Jetson Nano and TX1; the family of Orin's cores. Neither has instructions that qemu 7.2 gets wrong.
PROCESSORS = ("cortex-a57", "cortex-a76")
# The Pythons that Debian has for ARM64. JetPack 5 has 3.8 and JetPack 6 has 3.10, of which Debian has neither:
# what runs under 3.9 and 3.11 and is of 3.8's grammar (tests/deploy/test_board.py) is as near as it gets.
PYTHONS = ("3.11", "3.9")
MARK = "ready"


def missing():
    """What is not there; "" where a program can run."""
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed (Debian, Ubuntu: apt install qemu-user-static)"
    for python in PYTHONS:
        if not (FOLDER / python / MARK).is_file():
            return f"nothing is prepared in {FOLDER / python}; `make test-arm` does it"
    return ""


def run(processor, *arguments, folder, timeout=1800, python=PYTHONS[0], emulator=(QEMU,)):
    """Runs Python on an emulated board; gives the finished process."""
    board = FOLDER / python
    program = board / "root" / "usr" / "bin" / f"python{python}"
    command = [*emulator, "-cpu", processor, "-L", board / "root", program, *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{board / 'board'}:{board / 'site'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=timeout,
    )
