"""`python -m deploy.demo`: the demo command alone, for a board that has only this folder and the
runtime.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..runtime.console import Output, add_json, guarded
from . import command


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, runs the demo and gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.demo",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    add_json(parser)
    arguments = parser.parse_args(argv)
    return guarded(lambda: command.run(arguments, Output(arguments.json)))


if __name__ == "__main__":
    sys.exit(main())
