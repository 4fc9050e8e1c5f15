"""Where the emulated board lies, and how a program runs on it."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(os.environ.get("CEN_KERAS_ARM") or ROOT / ".cache" / "arm64")
QEMU = "qemu-aarch64-static"
# Jetson Nano and TX1; the family of Orin's cores. Neither has instructions that qemu 7.2 gets wrong.
PROCESSORS = ("cortex-a57", "cortex-a76")
MARK = "ready"


def missing():
    """What is not there; "" where a program can run."""
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed (Debian, Ubuntu: apt install qemu-user-static)"
    if not (FOLDER / MARK).is_file():
        return f"nothing is prepared in {FOLDER}; `make test-arm` does it"
    return ""


def run(processor, *arguments, folder, timeout=1800):
    """Runs Python on the emulated board; gives the finished process."""
    python = FOLDER / "root" / "usr" / "bin" / "python3.11"
    command = [QEMU, "-cpu", processor, "-L", FOLDER / "root", python, *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{FOLDER / 'board'}:{FOLDER / 'site'}",
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
