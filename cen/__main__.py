"""`cen COMMAND ...` or `python -m cen COMMAND ...`: those of `python -m recipes.*` and `python -m deploy *`.

Arguments, output and exit codes are those of the command that runs.
"""

import argparse
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Sequence

from cen.commands import COMMANDS, OWN
from cen.doctor import install_line

BAD_INPUT, INTERRUPTED = 2, 130
OURS = ("cen", "cen_keras", "recipes", "deploy")


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of `cen` itself; a command parses its own arguments."""
    summaries = {**{name: command.summary for name, command in COMMANDS.items()}, **OWN}
    width = max(map(len, summaries))
    parser = argparse.ArgumentParser(
        prog="cen",
        usage="cen [-h] [--version] COMMAND ...",
        description="Channel-Exchanging Networks: train, export, verify, run.",
        epilog="commands:\n"
        + "".join(f"  {name:{width}}  {summary}\n" for name, summary in summaries.items())
        + "\n`cen COMMAND --help` says more of one. RUN is a run folder; most take a .keras file or preset:NAME, too."
        "\nExit codes: 0 good, 1 a check failed, 2 bad input, 130 interrupted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="see below")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = next((i for i, word in enumerate(words, 1) if not word.startswith("-")), len(words))
    parser = make_parser()
    options, rest = parser.parse_args(words[:end]), words[end:]
    if options.version:
        sys.stdout.write(f"cen-keras {importlib.import_module('cen_keras').__version__}\n")
        return 0
    if options.command is None:
        parser.print_help()
        return BAD_INPUT
    if options.command in OWN:
        return importlib.import_module(f"cen.{options.command}").main(rest)
    if options.command not in COMMANDS:
        close = difflib.get_close_matches(options.command, [*COMMANDS, *OWN], 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return _refuse(f"command {options.command!r} is unknown{hint} `cen --help` lists all.")
    return _run(options.command, rest)


def _run(name: str, arguments: list[str]) -> int:
    command = COMMANDS[name]
    try:
        if importlib.util.find_spec(command.module) is None:
            return _refuse(f"cen {name} needs the module {command.module}, which is not installed.")
        return importlib.import_module(command.module).main([*command.before, *arguments])
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OURS:
            raise
        return _refuse(
            f"cen {name} needs {missing}, which is not installed: "
            f"{install_line(command.extra)}; `cen doctor` shows what is there."
        )
    except KeyboardInterrupt:
        # While modules are imported; a command that runs handles Ctrl-C itself.
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def _refuse(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return BAD_INPUT


def console() -> None:
    """Runs the console command; usage lines of the commands then begin with `cen`."""
    sys.argv[0] = "cen"
    sys.exit(main())


if __name__ == "__main__":
    console()
