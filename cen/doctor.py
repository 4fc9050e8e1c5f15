"""`cen doctor`: what is installed, which engines and cameras there are, what is missing and the line that installs it.

Nothing is imported: versions are those of the installed distributions.
"""

import argparse
import configparser
import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
from pathlib import Path

NAME = "cen-keras"
CHECKOUT = Path(__file__).resolve().parents[1] / "setup.cfg"
"""There in a checkout only."""
USES = {
    "train": "train, evaluate and predict",
    "export": "freeze, quantise, export and verify",
    "litert": "run .tflite files",
    "ort": "run .onnx files",
    "pretrained": "start from ImageNet weights of EfficientNet-Lite",
    "torch": "read the authors' PyTorch checkpoints",
    "hub": "lift networks of keras-hub",
    "ros": "run the ROS 2 node without a robot's ROS",
    "tensorrt-rtx": "build engines of TensorRT for RTX",
}
"""Extra of the installation -> what it is for."""
ENGINES = {
    "litert": (("ai-edge-litert", "ai_edge_litert"), ("tflite-runtime", "tflite_runtime")),
    "ort": (("onnxruntime", "onnxruntime"), ("onnxruntime-gpu", "onnxruntime")),
    "tensorrt": (("tensorrt", "tensorrt"),),
    "tensorrt-rtx": (("tensorrt-rtx-cu12-bindings", "tensorrt_rtx_bindings"),),
}
"""Engine -> (distribution, module), any of which will do."""
CAMERAS = {
    "camera": (("opencv-python-headless", "cv2"), ("opencv-python", "cv2")),
    "realsense": (("pyrealsense2", "pyrealsense2"),),
    "orbbec": (("pyorbbecsdk2", "pyorbbecsdk"),),
    "oak": (("depthai", "depthai"),),
    "kinect": (("pyk4a", "pyk4a"),),
}
"""Source of the demo -> (distribution, module) of its library."""
MISSING = {
    **{
        name: f"-   pip install {choices[0][0]}" for name, choices in {**ENGINES, **CAMERAS}.items()
    },
    "tensorrt": "-   comes with JetPack, for the system's Python",
}
"""Engine or source -> what is printed where it is not installed."""
GPU = ("dev/nvidia0", "dev/nvhost-gpu", "dev/nvgpu")


def install_line(extra: str) -> str:
    """Returns the command that installs an extra: of the checkout in its folder, or of the package."""
    what = f"[{extra}]" if extra else ""
    return f"pip install -e '.{what}'" if CHECKOUT.is_file() else f"pip install '{NAME}{what}'"


def version_of(distribution: str, module: str = "") -> str | None:
    """Returns a distribution's version, "found" for a module without one, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "found" if module and importlib.util.find_spec(module) else None


def requirements() -> dict[str, list[str]]:
    """Returns extra -> requirements, "" for those of every installation; of a checkout from its setup.cfg."""
    found: dict[str, list[str]] = {}
    if CHECKOUT.is_file():
        config = configparser.ConfigParser()
        config.read(CHECKOUT, encoding="utf-8")
        found[""] = config["options"]["install_requires"].split("\n")
        for extra, text in config["options.extras_require"].items():
            found[extra] = text.split("\n")
    else:
        for line in importlib.metadata.requires(NAME) or ():
            text, _, marker = line.partition(";")
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
            found.setdefault(extra[1] if extra else "", []).append(text)
    return {
        extra: [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        for extra, lines in found.items()
    }


def fits(version: str | None, wanted: str) -> bool:
    """Whether a version is as a requirement wants it, by `>=` and `==`; "found" is taken on trust."""
    if version is None:
        return False
    for sign, limit in re.findall(r"(>=|==)\s*([0-9][0-9.]*)", wanted):
        found, least = _numbers(version), _numbers(limit)
        if found and (found < least if sign == ">=" else found != least):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def cameras(root: Path = Path("/")) -> list[dict[str, str]]:
    """Returns device and name of every video device."""
    found = []
    for path in sorted((root / "dev").glob("video*")):
        name = root / "sys/class/video4linux" / path.name / "name"
        text = name.read_text(errors="replace").strip() if name.is_file() else ""
        found.append({"device": f"/dev/{path.name}", "name": text})
    return found


def examine(root: Path = Path("/")) -> dict:
    """Returns all that the command says.

    Args:
        root: of the file system, for devices.
    """
    extras, missing = {}, []
    for extra, lines in requirements().items():
        if extra and extra not in USES:
            continue
        packages = {}
        for line in lines:
            name = re.match(r"[A-Za-z0-9._-]+", line)[0]
            version = version_of(name)
            packages[name] = {"version": version, "wanted": line, "good": fits(version, line)}
        extras[extra] = packages
        bad = [name for name, package in packages.items() if not package["good"]]
        if bad:
            what = USES.get(extra, "do anything at all")
            missing.append({"for": what, "packages": bad, "line": install_line(extra)})
    tegra = root / "etc/nv_tegra_release"
    return {
        "version": version_of(NAME),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "jetson": tegra.read_text().splitlines()[0].strip("# ") if tegra.is_file() else None,
        "gpu": [f"/{path}" for path in GPU if (root / path).exists()],
        "packages": extras,
        "engines": {name: _first(choices) for name, choices in ENGINES.items()},
        "cameras": cameras(root),
        "camera_libraries": {name: _first(choices) for name, choices in CAMERAS.items()},
        "missing": missing,
    }


def _first(choices):
    for distribution, module in choices:
        version = version_of(distribution, module)
        if version:
            return {"package": distribution, "version": version}
    return None


def usable(found: dict) -> bool:
    """Whether something can be done here: training, or running an artifact in any engine."""
    trains = all(package["good"] for package in found["packages"].get("train", {}).values())
    return trains or any(found["engines"].values())


def lines_of(found: dict) -> list[str]:
    """Returns the words for people."""
    words = [
        f"cen-keras {found['version'] or 'not installed: a checkout; pip install -e .'}",
        f"Python {found['python']}, {found['system']}",
    ]
    if found["jetson"]:
        words.append(f"Jetson: {found['jetson']}")
    words.append(f"NVIDIA GPU: {', '.join(found['gpu']) or 'none'}")
    words += ["", "packages"]
    seen = set()
    for packages in found["packages"].values():
        for name, package in packages.items():
            if name not in seen and package["version"]:
                note = "" if package["good"] else f"   wanted {package['wanted']}"
                words.append(f"  {name:32} {package['version']}{note}")
            seen.add(name)
    for title, kind in (("engines", "engines"), ("libraries of cameras", "camera_libraries")):
        words += ["", title]
        for name, engine in found[kind].items():
            status = f"{engine['package']} {engine['version']}" if engine else MISSING[name]
            words.append(f"  {name:32} {status}")
    words += ["", "cameras"]
    words += [f"  {c['device']:32} {c['name']}".rstrip() for c in found["cameras"]] or ["  none"]
    if found["missing"]:
        words += ["", "not installed, or older than wanted"]
        for gap in found["missing"]:
            words.append(f"  to {gap['for']}: {', '.join(gap['packages'])}")
            words.append(f"      {gap['line']}")
    if not usable(found):
        words += [
            "",
            "Nothing can run here yet: install [train], or an engine with [litert] or [ort].",
        ]
    return words


def main(arguments: list[str] | None = None) -> int:
    """Prints what was found; 1 where neither training nor any engine can run, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="cen doctor",
        description="Say what is installed, which engines and cameras there are, and what is missing.",
    )
    parser.add_argument("--json", metavar="FILE", help="write it as JSON too; - for stdout")
    target = parser.parse_args(arguments).json
    found = examine()
    if target == "-":
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(lines_of(found)) + "\n")
        if target:
            try:
                Path(target).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            except OSError as error:
                sys.stderr.write(
                    f"error: --json {target}: cannot be written ({error.strerror}); name a file in a "
                    "folder that is there, or - for stdout\n"
                )
                return 2
    return 0 if usable(found) else 1
