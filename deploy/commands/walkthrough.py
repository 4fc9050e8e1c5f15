"""Take the whole way in one go: train, freeze, export, verify, bench, report.

    python -m deploy walkthrough --out runs/demo        (what `make demo` does)

Steps that were taken and whose files are unchanged are skipped, so an interrupted walk goes on
where it stopped. It ends in OUT/report.html and OUT/summary.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..bench import COMPARED_THREADS
from ..runtime.console import CHECK_FAILED, GOOD, Output, plain
from ..runtime.files import write_json
from . import positive

SUMMARY = "train, export, verify, bench and report in one go"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--out", default="runs/demo", metavar="FOLDER", help="(default: runs/demo)")
    parser.add_argument(
        "--recipe", default="rooms_tiny", help="to train, with its controls (default: rooms_tiny)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change of the recipe in every training; may be repeated",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=COMPARED_THREADS,
        metavar="N",
        help=f"of the engine (default: {COMPARED_THREADS})",
    )
    parser.add_argument(
        "--no-checks",
        action="store_true",
        help="do not hold the numbers against what a full walk reaches (for a shortened one)",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Takes the steps, then writes and prints the summary."""
    from ..walkthrough import Places, Walkthrough, plan

    places = Places(Path(arguments.out))
    walk = Walkthrough(places.root, output.say)
    steps = plan(places, arguments.recipe, tuple(arguments.set), arguments.threads)
    code = walk.run(steps)
    if code not in (GOOD, CHECK_FAILED):
        return code
    from ..summary import checks, summarise

    summary = summarise(places, walk.seconds())
    held = [] if arguments.no_checks else checks(summary)
    summary["checks"] = [check.to_json() for check in held]
    write_json(places.root / "summary.json", plain(summary))
    _show(summary, output)
    output.say(f"report: {places.report}   summary: {places.root / 'summary.json'}")
    output.result(summary)
    if any(check.decides and not check.passed for check in held):
        return CHECK_FAILED
    return code


def _show(summary: dict, output: Output) -> None:
    miou, sizes = summary["miou"], summary["bytes"]
    streams = list(miou["float"])
    output.say(f"mIoU in points on {summary['views']} held-out views:")
    files = {"float": "keras", "fp32": "fp32", "int8": "int8"}
    output.table(
        ["model", *streams, "MB"],
        [
            [name]
            + [f"{miou[name][stream]:.2f}" for stream in streams]
            + [f"{sizes[files[name]] / 1e6:.2f}" if name in files else "-"]
            for name in ("float", "frozen", "fp32", "int8")
        ]
        + [
            [name.replace("_", " ")] + ["-"] * (len(streams) - 1) + [f"{value:.2f}", "-"]
            for name, value in miou["control"].items()
        ],
    )
    threads = summary["latency_threads"]
    output.say(
        f"inference at {summary['latency_input']} in {threads} thread{'s' * (threads > 1)}, "
        "ms (p50, interleaved):"
    )
    output.table(
        ["export", "ms", "MB"],
        [
            [name.replace("_", " "), f"{value:.2f}", f"{sizes[name] / 1e6:.2f}"]
            for name, value in summary["latency_ms"].items()
        ],
    )
    output.table(
        ["check", "measured", "wanted", ""],
        [
            [c["check"], f"{c['value']:.3g}", c["wanted"], "good" if c["passed"] else "MISSED"]
            for c in summary["checks"]
        ],
    )
    output.say(f"{summary['seconds']['total'] / 60:.1f} minutes in all")
