"""Rows of the tables, looked up: the scores of a row by seed, its size and its cost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from cen_keras.errors import InputError
from recipes.evidence.experiments.studies import ROOMS, Study
from recipes.evidence.run import records

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Metric:
    """How a metric is shown.

    Attributes:
        label: heading of a column.
        unit: of a difference, in words.
        scale: what the CSV's number is multiplied with.
        digits: after the point; None where the scale depends on the data.
        lower: whether less is better.
    """

    label: str
    unit: str
    scale: float = 1.0
    digits: int | None = 1
    lower: bool = False


METRICS = {
    "miou": Metric("mIoU, %", "points of mIoU", 100),
    "mean_accuracy": Metric("mean accuracy, %", "points of mean accuracy", 100),
    "pixel_accuracy": Metric("pixel accuracy, %", "points of pixel accuracy", 100),
    "mae": Metric("MAE", "mean absolute error, images in -1..1", digits=4, lower=True),
    "rmse": Metric("RMSE", "root of the mean squared error, images in -1..1", 1, 4, True),
    "fid": Metric("FID", "FID", 1, None, True),
    "kid": Metric("KID x 100", "100 times KID", 100, None, True),
}
"""Every metric of the tables, by the name of its column."""


@dataclass(frozen=True)
class Line:
    """A line of a CSV: one output of one training.

    Attributes:
        scores: metric -> number as the CSV has it; those that were not measured are left out.
        parameters: of the whole net, trainable.
        macs: multiply-adds of one view.
        exchanged: share, 0 to 1, of the channels that may be exchanged.
        layers_exchanging: how many layers exchange any channel.
        processor_seconds: of training and scoring; None where it was stopped in between.
        commit: of the code that trained.
        command: repeats the training.
        time: when it was finished.
    """

    table: str
    row: str
    seed: int
    output: str
    scores: dict[str, float]
    parameters: int | None
    macs: int | None
    exchanged: float | None
    layers_exchanging: int | None
    processor_seconds: float | None
    commit: str
    command: str
    hardware: str
    backend: str
    time: str


def read_lines(path: Path, study: Study = ROOMS) -> list[Line]:
    """Reads the CSV of a study's table.

    Raises:
        InputError: as `records.read` does, and for a score that is not finite.
    """
    own = [field.name for field in fields(Line) if field.name != "scores"]
    lines = []
    for number, record in enumerate(records.read(path, study), start=2):
        scores = {name: record[name] for name in METRICS if record.get(name) is not None}
        for name, score in scores.items():
            if not math.isfinite(score):
                raise InputError(f"{path}, line {number}: {name} is {score}, wanted a number.")
        lines.append(Line(scores=scores, **{name: record[name] for name in own}))
    return lines


def decimals(largest: float) -> int:
    """How many digits after the point give three significant ones of a number."""
    return max(0, 2 - math.floor(math.log10(abs(largest)))) if largest else 2


class Scores:
    """Rows of any number of tables, in the order given.

    Args:
        rows: lines of the CSVs, as `read_lines` gives them.

    Raises:
        InputError: one cell and output twice, or a row whose seeds differ in size or cost.
    """

    def __init__(self, rows: Iterable[Line]):
        self._rows: dict[str, dict[str, list[Line]]] = {}
        seen = set()
        for row in rows:
            key = (row.table, row.row, row.seed, row.output)
            if key in seen:
                raise InputError(
                    f"{row.table}.csv: row {row.row}, seed {row.seed}, output {row.output} stands "
                    "there twice; leave one of the two lines."
                )
            seen.add(key)
            self._rows.setdefault(row.table, {}).setdefault(row.row, []).append(row)

    def tables(self) -> list[str]:
        """Names of the tables that have rows, sorted."""
        return sorted(self._rows)

    def rows(self, table: str) -> list[str]:
        """Names of a table's rows."""
        return list(self._rows.get(table, {}))

    def lines(self, table: str, row: str) -> list[Line]:
        """A row's lines: one for each seed and output; none of a row that is not there."""
        return self._rows.get(table, {}).get(row, [])

    def outputs(self, table: str, row: str) -> list[str]:
        """Names of a row's outputs, the ensemble last."""
        names = dict.fromkeys(line.output for line in self.lines(table, row))
        return sorted(names, key=lambda name: name == ENSEMBLE)

    def metrics(self, table: str) -> list[str]:
        """The metrics that any line of a table has, in the order of `METRICS`."""
        lines = [line for row in self.rows(table) for line in self.lines(table, row)]
        return [name for name in METRICS if any(name in line.scores for line in lines)]

    def by_seed(self, table: str, row: str, output: str, metric: str) -> dict[int, float]:
        """A row's scores in the unit that is shown, by seed; empty where not measured."""
        scale = METRICS[metric].scale
        return {
            line.seed: line.scores[metric] * scale
            for line in self.lines(table, row)
            if line.output == output and metric in line.scores
        }

    def seeds(self, table: str, row: str) -> list[int]:
        """The seeds of a row, ascending."""
        return sorted({line.seed for line in self.lines(table, row)})

    def cells(self, table: str, row: str) -> list[Line]:
        """One line of each seed: what a training has once, not for each output."""
        return list({line.seed: line for line in reversed(self.lines(table, row))}.values())

    def digits(self, table: str, metric: str) -> int:
        """How many digits after the point a metric is shown with in a table.

        Where the metric leaves it open, three digits of the largest score.
        """
        if METRICS[metric].digits is not None:
            return METRICS[metric].digits
        lines = [line for row in self.rows(table) for line in self.lines(table, row)]
        largest = max((abs(line.scores.get(metric, 0)) for line in lines), default=0)
        return decimals(largest * METRICS[metric].scale)

    def whole(self, table: str, row: str, column: str) -> int | None:
        """`parameters` or `macs` of a row, which no seed changes; None where not counted."""
        found = {getattr(line, column) for line in self.lines(table, row)} - {None}
        if len(found) > 1:
            raise InputError(
                f"{table}.csv: the lines of row {row} have {column} {sorted(found)}, so they are "
                "of different nets; remove those that do not belong there."
            )
        return found.pop() if found else None

    def trainings(self) -> list[Line]:
        """One line of every training; a cell that stands in two tables was trained once."""
        cells = (c for t in self.tables() for r in self.rows(t) for c in self.cells(t, r))
        # Its command may be spelt otherwise there; when it ended and how long it took is the same.
        return list({(c.seed, c.time, c.processor_seconds, c.commit): c for c in cells}.values())
