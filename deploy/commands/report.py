"""Write one self-contained HTML page about a run: curves, exchange, accuracy, size, latency,
pictures.

    python -m deploy report runs/demo/cen --control rgb_only=runs/demo/rgb_only --out report.html

It shows what is there: run export, verify and bench first for the full page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..runtime.console import GOOD, Output
from ..runtime.errors import InputError
from . import positive

SUMMARY = "write one HTML page about a run and its artifacts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "run_folder", metavar="RUN", help="folder that `train` wrote, or preset:NAME"
    )
    parser.add_argument("--out", metavar="FILE", help="the page (default: RUN/report.html)")
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="NAME=RUN",
        help="a run of the same net on one modality, for the table; may be repeated",
    )
    parser.add_argument(
        "--pictures", type=positive, default=4, metavar="N", help="views to show (default: 4)"
    )
    parser.add_argument("--title", help="of the page (default: the run folder's name)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Writes the page."""
    controls = {}
    for text in arguments.control:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise InputError(f"--control {text!r}: wanted NAME=RUN")
        controls[name] = Path(folder)
    from ..report import build
    from ..run_folder import open_run

    folder = open_run(arguments.run_folder)
    out = Path(arguments.out) if arguments.out else folder.path / "report.html"
    result = build(
        folder, out, controls=controls, pictures=arguments.pictures, title=arguments.title
    )
    for line in result["left_out"]:
        output.say(f"left out: {line}")
    output.say(f"{out}: {out.stat().st_size / 1e3:.0f} kB")
    output.result(result)
    return GOOD
