"""Reads a table of evidence."""

import csv
import dataclasses
import math
from pathlib import Path

from cen_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Record:
    """One line."""

    table: str
    row: str
    seed: int
    output: str
    scores: dict[str, float]
    parameters: int | None
    macs: int | None
    exchanged: float | None
    layers_exchanging: int | None
    steps: int | None
    seconds: float | None
    processor_seconds: float | None
    commit: str
    command: str
    hardware: str
    backend: str
    time: str


def read(path: Path) -> list[Record]:
    """Returns the lines of a CSV."""
    fields = {f.name: f for f in dataclasses.fields(Record)}
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        records = []
        for line in reader:
            known = {}
            scores = {}
            for key, text in line.items():
                try:
                    if key not in fields:
                        if text:
                            scores[key] = float(text)
                    elif fields[key].type in (str, "str"):
                        known[key] = text
                    elif key == "seed":
                        known[key] = int(text)
                    else:
                        whole = key in ("parameters", "macs", "layers_exchanging", "steps")
                        known[key] = (int if whole else float)(text) if text else None
                except (ValueError, TypeError) as error:
                    raise InputError(
                        f"{path}, line {reader.line_num}: {key} is {text!r}, not a number."
                    ) from error
            if any(math.isnan(v) for v in scores.values()):
                raise InputError(f"{path}, line {reader.line_num}: a score is not a number.")
            records.append(Record(scores=scores, **known))
    return records
