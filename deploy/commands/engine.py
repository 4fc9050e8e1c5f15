"""Build the TensorRT engine of an .onnx artifact, on the board that is to run it.

    python3 -m deploy engine static_w8a8.onnx
    python3 -m deploy engine static_w8a8.onnx --dry-run --tensorrt 10.3     (anywhere)

    python3 -m deploy engine static_w8a8.onnx --target tensorrt-rtx --compute-capability 8.6,8.9   (anywhere)

The engine lies beside the artifact, under a name that holds the GPU, the version of TensorRT, its flags
and the artifact's checksum; one that is there already is kept. Building takes minutes. Not run on
hardware by the authors; the trtexec line that is printed does the same with TensorRT's own tool.

TensorRT for RTX builds ahead of time, on any machine, for the PC's GPUs that are named; its engine has a
description beside it. A Jetson's engine is built on the Jetson.
"""

from __future__ import annotations

import argparse
import re

from ..runtime.console import GOOD, Output
from ..runtime.errors import InputError
from . import capabilities, positive

SUMMARY = "build the TensorRT engine of an .onnx artifact (on the board, or ahead of time for a PC)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("artifact", metavar="ARTIFACT", help="an .onnx file with its manifest")
    parser.add_argument(
        "--target",
        choices=("tensorrt", "tensorrt-rtx"),
        default="tensorrt",
        help="tensorrt (default): on this board; tensorrt-rtx: ahead of time",
    )
    parser.add_argument(
        "--compute-capability",
        type=capabilities,
        metavar="X.Y,...",
        help="with tensorrt-rtx: of the GPUs, such as 8.6,8.9 (7.5, 8.0, 8.6, 8.9, 12.0, 12.1)",
    )
    half = parser.add_mutually_exclusive_group()
    half.add_argument(
        "--half",
        dest="half",
        action="store_true",
        default=None,
        help="allow 16-bit floats in a float32 file, up to TensorRT 10 (default: if it is 8-bit)",
    )
    half.add_argument("--no-half", dest="half", action="store_false", help="forbid them")
    parser.add_argument(
        "--workspace",
        type=positive,
        metavar="MB",
        help="scratch memory (default: 1024)",
    )
    parser.add_argument(
        "--effort",
        type=int,
        choices=range(6),
        help="0 to 5, from TensorRT 8.6 on (default: 3)",
    )
    parser.add_argument("--force", action="store_true", help="build it again")
    parser.add_argument(
        "--dry-run", action="store_true", help="only print the plan and the trtexec line"
    )
    parser.add_argument(
        "--tensorrt",
        type=_version,
        metavar="X.Y",
        help="with --dry-run: for this version instead of the installed one",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Builds, or says how it would."""
    from ..tensorrt.builder import build, onnx_manifest, plan, trtexec_line

    if arguments.tensorrt and not arguments.dry_run:
        raise InputError("--tensorrt says what --dry-run plans for; a board builds with its own")
    if arguments.target == "tensorrt-rtx":
        return _ahead(arguments, output)
    if arguments.compute_capability is not None:
        raise InputError("--compute-capability is of --target tensorrt-rtx; give both")

    options = {
        "half": arguments.half,
        "workspace_mb": arguments.workspace,
        "effort": arguments.effort,
    }
    options = {name: value for name, value in options.items() if value is not None}
    path, built = None, False
    if arguments.dry_run:
        if arguments.force:
            raise InputError("--force builds anew, --dry-run builds nothing; leave one of them")
        manifest = onnx_manifest(arguments.artifact)
        version = arguments.tensorrt or _installed()
        chosen = plan(version, manifest.scheme, **options)
    else:
        path, chosen, built = build(arguments.artifact, force=arguments.force, **options)
        output.say(f"{path}: {'built' if built else 'was there already'}")
    name = path or re.sub(r"\.onnx$", "", str(arguments.artifact)) + ".engine"
    line = trtexec_line(arguments.artifact, name, chosen)
    flags = ", ".join(chosen.network_flags + chosen.builder_flags) or "none"
    output.say(f"TensorRT {chosen.version[0]}.{chosen.version[1]}, flags: {flags}")
    if chosen.note:
        output.say(chosen.note)
    output.say(f"the same with trtexec: {line}")
    output.result(
        {"engine": str(path) if path else None, "built": built, "trtexec": line, "flags": flags}
    )
    return GOOD


def _ahead(arguments: argparse.Namespace, output: Output) -> int:
    """Builds with TensorRT for RTX."""
    from ..tensorrt.ahead import build_ahead, read_description

    if arguments.compute_capability is None:
        raise InputError("--target tensorrt-rtx: wanted --compute-capability, such as 8.6,8.9")
    unused = {
        "--dry-run": arguments.dry_run or None,
        "--half or --no-half": arguments.half,
        "--workspace": arguments.workspace,
        "--effort": arguments.effort,
    }
    for option, value in unused.items():
        if value is not None:
            raise InputError(
                f"--target tensorrt-rtx does not take {option}: the compiler's only choice is "
                "--compute-capability, types are the file's"
            )
    path, built = build_ahead(arguments.artifact, arguments.compute_capability, arguments.force)
    description = read_description(path)
    convolutions = ", ".join(f"{n} in {kind}" for kind, n in description["convolutions"].items())
    output.say(f"{path}: {'built' if built else 'was there already'}, {description['bytes']} bytes")
    output.say(
        f"TensorRT for RTX {description['tensorrt_rtx']}: {description['kernels']} kernels; "
        f"convolutions: {convolutions}"
    )
    for warning in description["warnings"]:
        output.say(f"warning: {warning}")
    output.result({"engine": str(path), "built": built, **description})
    return GOOD


def _installed() -> tuple[int, int]:
    """The version of the TensorRT that is here."""
    from ..runtime.trt_engine import load_tensorrt, version_of

    try:
        return version_of(load_tensorrt())
    except InputError as error:
        raise InputError(f"{error}; or name a version, as in --dry-run --tensorrt 10.3") from None


def _version(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a version such as 10.3")
    major, minor = text.split(".")
    return int(major), int(minor)
