"""Fetches the software of ARM64 boards into a folder: Debian's Pythons, and the engines' own wheels.

Needs Linux with apt (Debian or Ubuntu) and qemu-user-static. What is there already stays; the board's own
part is built and installed anew each time, since it is what is tested.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from emulated import FOLDER, MARK, PYTHONS, QEMU, ROOT

COMMON = (
    "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libbz2-1.0", "liblzma5", "libsqlite3-0", "libuuid1",
    "libdb5.3", "libncursesw6", "libtinfo6", "libreadline8", "libcrypt1",
)  # fmt: skip
# Python -> Debian's release that has it, and what only that one has.
RELEASES = {
    "3.11": ("bookworm", ("libssl3", "libffi8")),
    "3.9": ("bullseye", ("libssl1.1", "libffi7")),
}
# One core of a Jetson Nano. Without these files XNNPACK finds no processor and ends.
PROCESSOR = """processor\t: 0
BogoMIPS\t: 38.40
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd07
CPU revision\t: 1

"""
PLATFORMS = [f"manylinux_2_{n}_aarch64" for n in (17, 27, 28, 31, 34)] + ["manylinux2014_aarch64"]


def main():
    """Fetches what is not there and installs the board's part."""
    if shutil.which(QEMU) is None:
        sys.exit(f"{QEMU} is not installed: apt install qemu-user-static")
    if shutil.which("apt-get") is None:
        sys.exit("apt-get is not here: the board's libraries come from Debian's archive")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wheel = build(FOLDER)
    for python in PYTHONS:
        prepare(python, FOLDER / python, wheel)
        sys.stdout.write(f"ready: {FOLDER / python}\n")


def prepare(python, folder, wheel):
    """Fetches a board's software, unless it is there, and unpacks the board's part."""
    wanted = hashlib.sha256(
        Path(__file__).read_bytes() + (ROOT / "constraints.txt").read_bytes()
    ).hexdigest()
    mark = folder / MARK
    if not mark.is_file() or mark.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        fetch_root(python, folder / "root")
        fetch_wheels(python, folder / "site", wheel)
        mark.write_text(wanted)
    shutil.rmtree(folder / "board", ignore_errors=True)
    zipfile.ZipFile(wheel).extractall(folder / "board")


def build(folder):
    """The wheel of the board's part."""
    command = [sys.executable, ROOT / "packaging" / "runtime_wheel.py", folder / "dist"]
    done = run(*command)
    return Path(done.stdout.strip())


def fetch_root(python, root):
    """Unpacks Debian's packages, and lays beside them what an ARM kernel would show."""
    release, more = RELEASES[python]
    names = (f"python{python}-minimal", f"libpython{python}-minimal", f"libpython{python}-stdlib")
    with tempfile.TemporaryDirectory(prefix="cen-keras-arm-") as name:
        work = Path(name)
        for part in ("lists/partial", "cache/archives/partial", "debs"):
            (work / part).mkdir(parents=True)
        (work / "status").touch()
        (work / "sources.list").write_text(
            f"deb [trusted=yes] http://deb.debian.org/debian {release} main\n"
        )
        settings = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Sandbox::User": "",
            "Dir::State::Lists": work / "lists",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "Dir::Etc::SourceList": work / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Debug::NoLocking": "1",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        run("apt-get", *options, "-qq", "update")
        run("apt-get", *options, "-qq", "download", *COMMON, *more, *names, cwd=work / "debs")
        root.mkdir()
        for package in sorted((work / "debs").glob("*.deb")):
            run("dpkg", "-x", package, root)
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(PROCESSOR)
    cpu = root / "sys" / "devices" / "system" / "cpu"
    cpu.mkdir(parents=True)
    for part in ("present", "possible"):
        (cpu / part).write_text("0\n")


def fetch_wheels(python, site, wheel):
    """Installs the board's part with both engines, as pip would on the board."""
    options = ["--target", site, "--only-binary", ":all:", "--python-version", python, "--quiet"]
    for platform in PLATFORMS:
        options += ["--platform", platform]
    if python == PYTHONS[0]:  # of older ones constraints.txt knows nothing
        options += ["-c", ROOT / "constraints.txt"]
    run(
        sys.executable, "-m", "pip", "install", *options, "--disable-pip-version-check",
        f"{wheel}[litert,ort]",
    )  # fmt: skip
    # Tested from the wheel alone, see `main`.
    shutil.rmtree(site / "deploy")


def run(*command, cwd=None):
    """Runs a command; what it says is shown where it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__":
    main()
