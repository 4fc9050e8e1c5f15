"""`python -m deploy COMMAND`: see `COMMANDS`.

Commands are imported for their arguments only; each imports what it needs when it runs, so that
`--help` is quick and a board needs no more than its runtime.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from .runtime.console import Output, add_json, guarded

COMMANDS = (
    "export",
    "verify",
    "lint",
    "engine",
    "bench",
    "benchmarks",
    "demo",
    "qat",
    "report",
    "sensitivity",
    "walkthrough",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, runs the command and gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="cen" if sys.argv[0] == "cen" else "python -m deploy",
        description="From a trained run folder to a model on a board, with proof of every step.",
        epilog="Exit codes: 0 good, 1 a check failed, 2 bad input, 130 interrupted.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(".commands." + name, __package__)
        subparser = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        add_json(subparser)
        subparser.set_defaults(execute=module.run)
    arguments = parser.parse_args(argv)
    return guarded(lambda: arguments.execute(arguments, Output(arguments.json)))


if __name__ == "__main__":
    sys.exit(main())
