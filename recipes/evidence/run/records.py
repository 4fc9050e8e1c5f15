"""Finished cells as a CSV for each table: a line for every output of every cell."""

import csv
import io
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import write_csv
from cen_keras.training.run_folder import read_json
from recipes.evidence.experiments.cells import FIRST_SEED
from recipes.evidence.experiments.studies import ROOMS, Study
from recipes.evidence.experiments.tables import Table, cells_of
from recipes.evidence.run.cell import CELL, finished
from recipes.listing import recipe_of

BEFORE = ("table", "row", "seed", "output")
COST = ("parameters", "macs")
EXCHANGE = ("exchanged", "layers_exchanging", "steps")
SPENT = ("seconds", "processor_seconds")
PLACE = ("commit", "digest", "command", "hardware", "backend", "time")

WHOLE = ("seed", "parameters", "macs", "layers_exchanging", "steps")
TEXTS = ("table", "row", "output", *PLACE, "data")


def columns_of(table: Table) -> tuple[str, ...]:
    """Returns the columns of a table's CSV; those of pictures in files say which."""
    data = ("data",) if "root" in recipe_of(table.recipe).data else ()
    return (*BEFORE, *table.metrics, *COST, *EXCHANGE, *SPENT, *PLACE, *data)


def write(name: str, runs: Path, results: Path | None = None, study: Study = ROOMS) -> list[str]:
    """Writes a table's CSV: its finished cells, and what the CSV has of trainings that are gone.

    Lines of a training whose run folder is gone are kept as long as the table would train the same
    today: `digest`, that of the recipe and its settings, is the same; and on the same pictures.

    Args:
        name: of the table.
        runs: folder of all runs.
        results: folder of the CSVs; `NAME.csv` is written, or left alone where there is nothing;
            None for the study's.
        study: whose table it is.

    Returns:
        What was dropped, a line each: "row, seed: why".

    Raises:
        InputError: the CSV that is there is no table of this name, or the run folders are of
            trainings on different pictures.
        OSError: it cannot be written.
    """
    table, path = study.table(name), (results or study.results) / f"{name}.csv"
    lines = {key: line for line in _found(name, table, runs) for key in [_key(line)]}
    new = {key[:2] for key in lines}
    data = {line.get("data") for line in lines.values()}
    if len(data) > 1:
        raise InputError(
            f"{runs} holds trainings of {name} on different pictures ({', '.join(map(str, data))}); keep "
            "each in a folder of its own, --runs FOLDER."
        )
    dropped = {}
    for line in read(path, study) if path.is_file() else []:
        training = (line["row"], line["seed"])
        if training in new:
            continue
        why = _out_of_date(table, line)
        if not why and data and line.get("data") not in data:
            why = f"was trained on other pictures ({line.get('data')}); --out FOLDER keeps both"
        if why:
            dropped[training] = f"{name} {line['row']}, seed {line['seed']}: {why}"
        else:
            lines[_key(line)] = line
    order = list(table.rows)
    # Sorting is stable: outputs keep their order.
    sorted_lines = sorted(lines.values(), key=lambda x: (order.index(x["row"]), x["seed"]))
    if sorted_lines or path.is_file():
        _save(path, columns_of(table), sorted_lines)
    return list(dropped.values())


def _key(line: dict[str, Any]) -> tuple:
    return line["row"], line["seed"], line["output"]


def _found(name: str, table: Table, runs: Path) -> list[dict[str, Any]]:
    lines = []
    for row, cell in cells_of(table, 0).items():
        for folder in sorted((runs / cell.folder).parent.glob("seed*")):
            if not finished(folder):
                continue
            record = read_json(folder / CELL)
            if record["seed"] < FIRST_SEED:
                continue
            if "data" in columns_of(table) and "data" not in record:
                raise InputError(
                    f"{folder / CELL}: does not say which pictures it is of, as an earlier version left it; remove "
                    "the file, and the same command scores the training again."
                )
            # Its settings may be spelt in another table's way.
            command = cells_of(table, record["seed"], (row,))[row].command
            for output, scores in record["outputs"].items():
                own = {"table": name, "row": row, "output": output, "command": command}
                line = {**record, **scores, **own}
                lines.append({column: line[column] for column in columns_of(table)})
    return lines


def _out_of_date(table: Table, line: dict[str, Any]) -> str:
    """Returns why a line is none of today's table, or nothing."""
    if line["row"] not in table.rows:
        return "the table has no such row any more"
    cell = cells_of(table, line["seed"], (line["row"],))[line["row"]]
    if line["digest"] != cell.digest:
        return f"was trained by another recipe or with other settings ({line['command']})"
    return ""


def _save(path: Path, columns: tuple[str, ...], lines: list[dict[str, Any]]) -> None:
    shown = ({column: _shown(line[column]) for column in columns} for line in lines)
    write_csv(path, shown, columns)


def _shown(value: Any) -> Any:
    """Six digits of a float: more than any difference that a score tells."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value


def read(path: Path, study: Study = ROOMS) -> list[dict[str, Any]]:
    """Reads the CSV of a study's table.

    Returns:
        A dict for each line: ints, floats and texts by column, None where nothing was measured.

    Raises:
        InputError: the file is missing, has other columns than its table, or a cell that is no
            number where one is wanted.
    """
    table = study.table(path.stem)
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing; `python -m recipes.evidence {path.stem}{study.options}` makes it."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV ({error}); remove it and collect again.") from error
    columns = columns_of(table)
    if not rows or tuple(rows[0]) != columns:
        found = ",".join(rows[0]) if rows else "nothing"
        raise InputError(
            f"{path}: its first line is {found!r}, wanted {','.join(columns)!r}; remove the file "
            "and collect again."
        )
    lines = []
    for number, row in enumerate(rows[1:], start=2):
        where = f"{path}, line {number}"
        if len(row) != len(columns):
            raise InputError(f"{where}: {len(row)} columns, wanted {len(columns)}.")
        line = {c: _value(c, text, where) for c, text in zip(columns, row, strict=True)}
        if line["table"] != path.stem or line["seed"] is None:
            raise InputError(f"{where}: is no line of the table {path.stem!r}.")
        lines.append(line)
    return lines


def _value(column: str, text: str, where: str) -> Any:
    if column in TEXTS:
        return text
    if not text:
        return None
    try:
        return int(text) if column in WHOLE else float(text)
    except ValueError as error:
        kind = "whole number" if column in WHOLE else "number"
        raise InputError(f"{where}: {column} is {text!r}, wanted a {kind}.") from error
