"""Does a training step wait for its data? `python -m recipes.pipeline RECIPE [--workers 0,1,2,4]`.

For each number of worker threads, in one run:

- the loader alone, as fast as it goes: views per second, and processor time per view;
- a training loop that takes its batches from the loader: the share of its time that it waits.

`--step-seconds S` sleeps instead of training: a step on an accelerator that is not here, which
leaves the processor to the loader. Where other programs share the cores the waiting says nothing;
the processor time per view, and the cores that it makes, still do. `--made-up N` writes N pairs of
random pictures in the official layout and size (640x480 JPEG and PNG) into a temporary folder, for
recipes whose data are not here.
"""

import argparse
import contextlib
import csv
import dataclasses
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import write_csv
from cen_keras.training import console as consoles
from cen_keras.training import machine
from cen_keras.training.backend import prepare_backend
from cen_keras.training.recipe import RecipeBase
from cen_keras.training.settings import apply_settings
from cen_keras.training.task import task_of
from recipes.listing import recipe_of


def measure_alone(loader: Any, batches: int) -> tuple[float, float]:
    """Takes batches as fast as they come, the first one untimed.

    Returns:
        views per second, and seconds of processor time per view.
    """
    loader[0]
    started, used = time.perf_counter(), time.process_time()
    for index in range(1, batches + 1):
        loader[index % len(loader)]
    views = batches * loader.batch_size
    return views / (time.perf_counter() - started), (time.process_time() - used) / views


def measure_waiting(loader: Any, step: Any, batches: int) -> tuple[float, float]:
    """Takes batches as a training does, the first two steps untimed.

    Args:
        loader: opened.
        step: a function of the batch.
        batches: timed ones.

    Returns:
        seconds per step without the waiting, and the share of all time that was waited, in 0..1.
    """
    waited = worked = 0.0
    for index in range(batches + 2):
        start = time.perf_counter()
        batch = loader[index % len(loader)]
        given = time.perf_counter()
        step(batch)
        if index >= 2:
            waited += given - start
            worked += time.perf_counter() - given
    return worked / batches, waited / (waited + worked)


def measure(
    recipe: RecipeBase, workers: list[int], batches: int, step_seconds: float | None
) -> Iterator[dict[str, Any]]:
    """Measures a recipe's training input.

    Args:
        recipe: whose data are there.
        workers: numbers of threads to try.
        batches: timed for each number.
        step_seconds: sleeps so long instead of training; None trains.

    Yields:
        `workers`, `batch`, `views_per_s`, `cpu_ms_per_view`, `step_s`, `views_needed_per_s`,
        `cores_needed`, the processor time that the loader takes in the time of a step, and `waits`,
        the share of its time that a training waits for data.
    """
    prepare_backend(recipe)
    step = None
    for count in workers:
        loader = task_of(recipe).open_loader(
            dataclasses.replace(recipe, workers=count), "train", training=True
        )
        try:
            if hasattr(loader.views, "prepare"):
                loader.views.prepare()
            step = step or _step(recipe, loader, step_seconds)
            rate, used = measure_alone(loader, batches)
            loader.set_epoch(1)
            seconds, waits = measure_waiting(loader, step, batches)
        finally:
            loader.close()
        yield {
            "workers": count,
            "batch": recipe.batch,
            "views_per_s": round(rate, 2),
            "cpu_ms_per_view": round(1e3 * used, 2),
            "step_s": round(seconds, 4),
            "views_needed_per_s": round(recipe.batch / seconds, 2),
            "cores_needed": round(used * recipe.batch / seconds, 3),
            "waits": round(waits, 4),
        }


def _step(recipe, loader, seconds):
    """Returns what is done with a batch: a training step, or a sleep."""
    if seconds is not None:
        return lambda batch: time.sleep(seconds)
    task = task_of(recipe)
    model = task.build_model(recipe, loader)
    task.compile_model(model, recipe, len(loader))
    return lambda batch: model.train_on_batch(*batch)


def provenance(recipe: RecipeBase, note: str) -> dict[str, Any]:
    """Returns what a row of the table says of machine and software."""
    import cv2

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "time": machine.now(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(load, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "backend": machine.backend(),
        "opencv": cv2.__version__,
        "recipe": recipe.name,
        "note": note,
    }


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Adds rows to a CSV file, atomically.

    Raises:
        InputError: the file has other columns.
    """
    columns, known = list(rows[0]), []
    if path.is_file():
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            known = list(reader)
        if reader.fieldnames not in (None, columns):
            raise InputError(f"{path}: has other columns; name another file with --csv.")
    write_csv(path, [*known, *rows], columns)


def print_rows(console: Any, rows: list[dict[str, Any]]) -> None:
    """Prints the table."""
    from rich.table import Table

    table = Table(title=f"{rows[0]['recipe']}: {rows[0]['note']}")
    columns = ("workers", "loader alone", "CPU per view", "a step", "it needs", "of cores", "waits")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            str(row["workers"]),
            f"{row['views_per_s']:.1f} views/s",
            f"{row['cpu_ms_per_view']:.1f} ms",
            f"{row['step_s']:.3f} s",
            f"{row['views_needed_per_s']:.1f} views/s",
            f"{row['cores_needed']:.2f}",
            f"{consoles.percent(row['waits'])} %",
        )
    console.print(table)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.pipeline",
        description="Measure whether a training step waits for its data.",
    )
    parser.add_argument("recipe", help="name of a recipe; see recipes.train --list")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe"
    )
    parser.add_argument("--workers", default="0,1,2", metavar="N,N", help="threads to try")
    parser.add_argument("--batches", type=int, default=20, metavar="N", help="timed for each")
    parser.add_argument(
        "--step-seconds", type=float, metavar="S", help="sleep so long instead of training"
    )
    parser.add_argument(
        "--made-up", type=int, metavar="N", help="write N pairs of the official size and use them"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="append the rows here")
    parser.add_argument("--json", metavar="FILE", help="write the result here too; - for stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        console = consoles.console_for(options.json)
        workers = _numbers(options.workers)
        if options.batches < 1 or (options.step_seconds is not None and options.step_seconds < 0):
            raise InputError("--batches is at least 1 and --step-seconds at least 0.")
        with contextlib.ExitStack() as stack:
            settings = list(options.set)
            notes = []
            if options.made_up is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                data = apply_settings(recipe_of(options.recipe), settings).data
                if options.made_up < 1 or data["name"] not in ("nyudv2", "sunrgbd"):
                    raise InputError(
                        "--made-up is at least 1, and for recipes of nyudv2 and sunrgbd; found "
                        f"{options.made_up} and {data['name']!r}."
                    )
                from recipes.prepare.made_up import write_pairs

                classes = data.get("mask_classes", data.get("classes", 37))
                write_pairs(folder, options.made_up, classes)
                settings.append(f"data.root={folder}")
                notes.append(f"{options.made_up} made-up pairs of 640x480")
            if options.step_seconds is not None:
                if hasattr(recipe_of(options.recipe), "pretrained"):
                    settings.append("pretrained=null")
                notes.append("a step is a sleep")
            recipe = apply_settings(recipe_of(options.recipe), settings)
            notes = [*options.set, *notes]
            measured = measure(recipe, workers, options.batches, options.step_seconds)
            rows = [{**provenance(recipe, "; ".join(notes)), **row} for row in measured]
        print_rows(console, rows)
        consoles.write_result(rows, options.json)
        if options.csv is not None:
            append_rows(options.csv, rows)
        return 0

    return consoles.run_command(command)


def _numbers(text):
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdigit() for part in parts):
        raise InputError(f"--workers is {text!r}; give numbers with commas between, as 0,1,2.")
    return [int(part) for part in parts]


if __name__ == "__main__":
    sys.exit(main())
