"""Trains what is missing of the evidence's tables and writes them: `python -m recipes.evidence TABLE ...`.

    python -m recipes.evidence --list
    python -m recipes.evidence all --seeds 3 --jobs 2 --threads 1
    python -m recipes.evidence baselines ablation --data nyudv2 --root FOLDER

Every cell is a training in a process of its own. A run that was stopped, by Ctrl-C or by anything
else, goes on when the same command is given again: finished cells are kept, the others go on from
their last finished epoch. Seeds go before rows, so that what is there is comparable.
"""

import argparse
import contextlib
import dataclasses
import signal
import sys
import time
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training import console as consoles
from recipes.evidence.experiments.cells import FIRST_SEED
from recipes.evidence.experiments.studies import STUDIES, Study
from recipes.evidence.experiments.tables import cells_of
from recipes.evidence.run.cell import RUNS

ALL = "all"

PAGE = Path("docs/claims.md")
"""Of the project's findings, where the command is given in its folder."""


def print_tables(console: Any, study: Study) -> None:
    """Prints all tables of a study and their rows."""
    from rich.table import Table as RichTable

    for name, table in study.tables.items():
        shown = RichTable("row", "what it is", title=f"{name}: {table.title} ({table.recipe})")
        for key, row in table.rows.items():
            shown.add_row(key, row.description)
        console.print(shown)


def print_state(console: Any, processes: int):
    """Returns a context and a function that shows a runner's state in it.

    On a terminal that is one line which is drawn anew; in a file, a line for each training that ends.
    """
    from rich.live import Live
    from rich.text import Text

    live = Live(console=console, transient=True, refresh_per_second=2)
    printed = None

    def show(state):
        nonlocal printed
        now = time.monotonic()
        current = ", ".join(f"{r.job.name} ({now - r.since:.0f} s)" for r in state.running)
        left = state.remaining(processes)
        rest = "" if left is None else f", about {duration(left)} left"
        failed = f", {len(state.failed)} failed" if state.failed else ""
        line = f"{state.done}/{state.total} done{failed}{rest}; now {current or 'nothing'}"
        if console.is_terminal:
            live.update(Text(line))
        elif printed != (state.done, len(state.failed)):
            printed = state.done, len(state.failed)
            console.print(line, soft_wrap=True, markup=False)

    return (live if console.is_terminal else contextlib.nullcontext()), show


def duration(seconds: float) -> str:
    """Returns a duration as "45 s", "12 min" or "2 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def number(least: float, kind: type = int):
    """Returns the type of an argument: a number of at least `least`."""

    def convert(text: str):
        value = kind(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    convert.__name__ = "number"
    return convert


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.evidence",
        description="Train what is missing of the evidence's tables, and write them.",
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of --list, or {ALL}")
    parser.add_argument(
        "--data", choices=STUDIES, default="rooms", help="what to train on; default: rooms"
    )
    parser.add_argument(
        "--root", metavar="FOLDER", help="of the pictures, where the recipe's is not theirs"
    )
    parser.add_argument(
        "--seeds", type=number(1), default=3, help=f"how many, from {FIRST_SEED} on; default: 3"
    )
    parser.add_argument("--jobs", type=number(1), default=1, help="trainings at once; default: 1")
    parser.add_argument("--threads", type=number(1), default=2, help="of each; default: 2")
    parser.add_argument(
        "--budget",
        type=number(0, float),
        metavar="MINUTES",
        help="start no training that would probably end later",
    )
    parser.add_argument("--only", default="", metavar="ROW,ROW", help="of the tables' rows")
    parser.add_argument("--runs", type=Path, default=RUNS, help=f"run folders; default: {RUNS}")
    parser.add_argument("--out", type=Path, help="the CSVs; default: recipes/results, or below it")
    parser.add_argument("--report", action="store_true", help="train nothing; write what is there")
    parser.add_argument("--list", action="store_true", help="list the tables and their rows")
    return parser


def chosen(
    study: Study, tables: list[str], only: str, seeds: int
) -> tuple[list[str], list[tuple[str, Any]]]:
    """Returns the names of the tables and their cells, named, in the order in which they are run.

    Raises:
        InputError: an unknown table, or a row that none of the tables has.
    """
    names = list(study.tables) if ALL in tables else list(dict.fromkeys(tables))
    if not names:
        raise InputError("no table given; `python -m recipes.evidence --list` shows all.")
    rows = [row.strip() for row in only.split(",") if row.strip()]
    wanted = {name: [row for row in rows if row in study.table(name).rows] for name in names}
    for row in rows:
        if not any(row in found for found in wanted.values()):
            cells_of(study.table(names[0]), 0, (row,))  # Says what there is.
    cells = [
        (f"{name} {row}, seed {seed}", cell)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
        for name in names
        if wanted[name] or not rows
        for row, cell in cells_of(study.table(name), seed, tuple(wanted[name])).items()
    ]
    return names, cells


def report(console: Any, study: Study, names: list[str], runs: Path, out: Path) -> None:
    """Writes the CSVs of the named tables and the page about all of them."""
    from recipes.evidence.report import page
    from recipes.evidence.run import records

    for line in [line for name in names for line in records.write(name, runs, out, study)]:
        console.print(f"dropped: {line}", soft_wrap=True, markup=False)
    if any(out.glob("*.csv")):
        # The project's own page shows its own results only.
        claims = PAGE if out == study.results and PAGE.is_file() else None
        page.write(out, claims, study)
        console.print(f"written: {out}", soft_wrap=True)
    else:
        console.print("no cell is finished; nothing to report")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        console = consoles.console_for(None)
        study = STUDIES[options.data]
        out = options.out or study.results
        if options.list:
            print_tables(console, study)
            return 0
        names, cells = chosen(study, options.tables, options.only, options.seeds)
        # The settings are checked against the models that take them.
        from cen_keras.quiet import import_keras

        import_keras()
        if options.report:
            report(console, study, names, options.runs, out)
            return 0
        from recipes.evidence.run import runner

        if options.root:
            root = f"data.root={options.root}"
            cells = [
                (name, dataclasses.replace(cell, settings=(*cell.settings, root)))
                for name, cell in cells
            ]
        # The trainings' processes are ended when this one is terminated.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        jobs = runner.jobs_of(cells, options.runs)
        live, show = print_state(console, options.jobs)
        budget = None if options.budget is None else 60 * options.budget
        with live:
            state = runner.run(jobs, options.jobs, options.threads, budget, show)
        left = f", {len(state.waiting)} not started for want of time" if state.waiting else ""
        console.print(f"{state.done} of {state.total} trainings done{left}", soft_wrap=True)
        report(console, study, names, options.runs, out)
        for name, why in state.failed.items():
            sys.stderr.write(f"failed: {name}: {why}\n")
        return 1 if state.failed else 0

    return consoles.run_command(command, "goes on with what is not finished")


if __name__ == "__main__":
    sys.exit(main())
