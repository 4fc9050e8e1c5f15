"""Measure the project's edge figures again on this machine.

    python -m deploy benchmarks --out runs/bench        (what `make bench` does)

writes OUT/deploy.json: latency and size of a full network frozen and as trained, the mIoU points
that each scheme loses on the run of `make demo` (trained first where it is not there), what the
linter says, the table of the edge presets, which goes to OUT/edge.json too, the whole demo from a
camera's 1280x720 to a video, and the time of networks beside ESANet's. It takes up to 40 minutes; a
part that is done is kept when it is interrupted. Exit code 1 when a part fails or a figure that does
not depend on the machine misses its target.

    python -m deploy benchmarks --part endurance --minutes 60

runs the live demo for an hour, with two viewers, exchanges of the engine and a camera that
goes away: OUT/demo_memory.csv; and

    python -m deploy benchmarks --part ros --minutes 10

the ROS 2 node beside a camera of 640x480 at 30 Hz: OUT/ros_memory.csv, and

    python -m deploy benchmarks --part accuracy_latency

networks on NYUDv2 beside ESANet, by mIoU and milliseconds: OUT/accuracy_latency.csv and .png. They are
no part of `make bench`.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from ..runtime.console import CHECK_FAILED, GOOD, INTERRUPTED, Output
from ..runtime.errors import InputError
from . import positive

SUMMARY = "measure the edge figures of the project again"
# Named here: a board has the command for its --help, and not the package behind it.
_PARTS = ("network", "accuracy", "lint", "edge_network", "edge", "camera", "esanet")
_LONG = ("endurance", "ros")
_ASIDE = ("accuracy_latency",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--out", default="runs/bench", metavar="FOLDER", help="(runs/bench)")
    parser.add_argument(
        "--demo", default="runs/demo", metavar="FOLDER", help="of `make demo` (runs/demo)"
    )
    parser.add_argument(
        "--part", choices=(*_PARTS, *_ASIDE, *_LONG), help="measure this part only, in this process"
    )
    parser.add_argument("--epochs", type=positive, default=4, help="of qat (default: 4)")
    parser.add_argument("--rounds", type=positive, default=40, help="timed rounds (default: 40)")
    parser.add_argument(
        "--threads",
        type=positive,
        default=2,
        help="of the engine (default: 2); edge takes the faster of 1 and 2",
    )
    parser.add_argument(
        "--minutes", type=positive, help="of endurance (default: 60) and ros (default: 10)"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Measures all parts, or the one that was asked for."""
    out = Path(arguments.out)
    if arguments.minutes and arguments.part not in _LONG:
        raise InputError(f"--minutes would change nothing; give --part {' or '.join(_LONG)}")
    if arguments.part:
        return _part(arguments, out, output)
    from ..benchmarks import held, keep, measure_all

    handed_on = {
        "--demo": arguments.demo,
        "--epochs": str(arguments.epochs),
        "--rounds": str(arguments.rounds),
        "--threads": str(arguments.threads),
    }
    result, code = measure_all(out, handed_on, output.say, _PARTS)
    if code == INTERRUPTED:
        output.say("interrupted; the same command goes on with the parts that are missing")
        return code
    rows = held(result)
    result["held"] = {
        name: {"value": value, "limit": limit, "within": good} for name, value, limit, good in rows
    }
    keep(out / "deploy.json", result)
    output.table(
        ["figure", "measured", "wanted", ""],
        [
            [name, "-" if v is None else f"{v:.3g}", f"{limit:g}", "good" if good else "MISSED"]
            for name, v, limit, good in rows
        ],
    )
    for name, why in result["failed"].items():
        output.say(f"{name} failed: {why}")
    output.say(f"{out / 'deploy.json'}; {result['seconds']['total'] / 60:.1f} minutes")
    output.result(result)
    # A busy machine's latency is reported, not judged.
    missed = [name for name, _, _, good in rows if not good and not name.startswith("latency")]
    return CHECK_FAILED if missed or result["failed"] else GOOD


def _part(arguments: argparse.Namespace, out: Path, output: Output) -> int:
    from ..benchmarks import keep, part_path
    from ..host import quiet_tensorflow

    if arguments.part in _LONG:
        return _long(arguments, out, output)
    start = time.perf_counter()
    quiet_tensorflow()
    if arguments.part == "network":
        from ..benchmarks import network

        found = network.measure(out, output.say, rounds=arguments.rounds, threads=arguments.threads)
    elif arguments.part == "edge_network":
        from ..benchmarks import edge_network

        found = edge_network.measure(out, output.say, arguments.rounds, arguments.threads)
    elif arguments.part == "edge":
        from ..benchmarks import edge

        found = edge.measure(out, output.say, arguments.rounds)
        keep(out / "edge.json", found["edge"])
        output.table(*edge.table(found))
    elif arguments.part == "camera":
        from ..benchmarks import camera

        found = camera.measure(out, output.say, arguments.threads)
        output.table(*camera.table(found))
    elif arguments.part == "accuracy_latency":
        from ..benchmarks import accuracy_latency

        found = accuracy_latency.measure(out, output.say, arguments.rounds, arguments.threads)
    elif arguments.part == "esanet":
        from ..benchmarks import esanet

        found = esanet.measure(out, output.say, arguments.rounds, arguments.threads)
    else:
        from ..benchmarks import accuracy, lint

        trained = accuracy.demo_run(Path(arguments.demo), output.say)
        if arguments.part == "lint":
            found = lint.measure(out, trained, output.say)
        else:
            found = accuracy.measure(out, trained, output.say, arguments.epochs)
    found["seconds"] = time.perf_counter() - start
    keep(part_path(out, arguments.part), found)
    output.result(found)
    return GOOD


def _long(arguments: argparse.Namespace, out: Path, output: Output) -> int:
    """A program that is watched for a while, in the way that somebody would start it."""
    from ..benchmarks import endurance, keep, part_path, ros

    # Ended by force it would leave the program running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if arguments.part == "ros":
        found = ros.measure(out, output.say, arguments.minutes or 10, arguments.threads)
        line, good = ros.line(found), ros.good(found)
    else:
        found = endurance.measure(out, output.say, arguments.minutes or 60)
        line, good = endurance.line(found), endurance.good(found)
    keep(part_path(out, arguments.part), found)
    output.say(line)
    output.result(found)
    return GOOD if good else CHECK_FAILED
