"""The page of evidence: every table, plot and verdict, and how to repeat each number.

    python -m recipes.evidence all --report    # writes it from the CSVs that are there

The same CSVs give the same bytes: nothing of when or where the page was made is in it.
"""

import os
import re
from pathlib import Path

from cen_keras.errors import InputError
from cen_keras.files import atomic_path
from recipes.evidence.experiments.studies import ROOMS, Study
from recipes.evidence.report.plots import SWEPT, write_plots
from recipes.evidence.report.rendering import (
    comparison_table,
    cost_table,
    markdown,
    replace_section,
    score_table,
    verdict_table,
)
from recipes.evidence.statistics.claims import decide_all, write_verdicts
from recipes.evidence.statistics.scores import METRICS, Line, Scores, read_lines

HEAD = ["table", "row", "seed", "output"]
"""How the first line of a table's CSV begins."""

APPENDED = ("theorem", "shows")
"""Pages of their own that stand beside this one where they have been made."""

INTRODUCTION = """\
# Which of the paper's claims hold here

Written by `recipes.evidence.report.page` from the CSVs beside it; do not edit.
{about}
    python -m recipes.evidence {tables}

trains what is missing and writes the CSVs. Rows of a table differ in nothing but what their settings
say. A seed decides the first weights, the order of the views and their augmentation. Means stand with
the sample standard deviation over seeds. A difference is taken seed by seed over the seeds that both
rows have; its 95 % interval and its two-sided p are Student's t on these differences. With three seeds
t has two degrees of freedom, so only a mean of more than 2.5 times the deviation differs from none. p is
not corrected for the number of comparisons.

Where streams are aggregated at all stages the decoder reads the same maps for each, so its streams and
their ensemble are one; in the paper's table they differ, so its "same setting" is not quite ours.
"""

RULE = """\
A finding **holds** where the 95 % interval of every comparison lies wholly on the side that the paper
claims, and **fails** where one lies wholly on the other side; anything else, and a finding of which a
row is missing, is **undecided**. Of one that was **not run** no rows can be compared. Effect and spread
(sample standard deviation over seeds) are those of the weakest comparison: the one with the worst
verdict and, among these, the least mean relative to its interval. Positive is as the paper claims.
Parameters are counted, not tested.
[verdicts.json](verdicts.json) has the same in full.
"""

DISTANCES = """\
FID and KID are of the features of a Segmenter that was trained on rooms (`recipes.evidence.run.features`),
not of Inception's: they compare these rows with each other, not with published numbers.
"""

COST_CAPTION = "Means with the sample standard deviation over seeds; points of nearly one cost are drawn side by side."
SWEEP_CAPTION = (
    "A point for each seed, a line through the means; the place left of all stands for 0 or none."
)
CAPTIONS = {**dict.fromkeys(SWEPT, SWEEP_CAPTION), "share": "Three points for each training."}


def write(
    results: Path | None = None, readme: Path | None = None, study: Study = ROOMS
) -> dict[str, dict]:
    """Writes README.md, verdicts.json and the plots of a folder of CSVs.

    Args:
        results: folder of the CSVs; a file whose first line does not begin as a table's is only
            named on the page; None for the study's.
        readme: page whose section between `<!-- evidence -->` and `<!-- /evidence -->` (of the study) is written
            anew too; one without these markers stays as it is.
        study: whose tables the CSVs are.

    Returns:
        The verdicts, by finding.

    Raises:
        InputError: the folder has no table, a line of a CSV does not hold, or markers do not pair.
    """
    results = Path(results or study.results)
    files = sorted(results.glob("*.csv"))
    tables = [path for path in files if is_table(path, study)]
    if not tables:
        raise InputError(
            f"{results} has no table of evidence (TABLE.csv); make one with "
            f"`python -m recipes.evidence baselines{study.options}`."
        )
    scores = Scores(_in_order([line for path in tables for line in read_lines(path, study)], study))
    verdicts = decide_all(scores, study.tables)
    plots = write_plots(scores, results)
    write_verdicts(results / "verdicts.json", verdicts)
    others = [path.name for path in files if path not in tables]
    _write(results / "README.md", _page(scores, verdicts, plots, others, results, study))
    if readme is not None:
        text = Path(readme).read_text(encoding="utf-8")
        try:
            changed = replace_section(
                text, readme_section(verdicts, results, Path(readme), study), study.section
            )
        except InputError as error:
            raise InputError(f"{readme}: {error}") from error
        if changed != text:
            _write(Path(readme), changed)
    return verdicts


def is_table(path: Path, study: Study = ROOMS) -> bool:
    """Whether a CSV is a table of evidence: by its name, or as its first line begins."""
    with open(path, encoding="utf-8", errors="replace") as file:
        head = file.readline().strip().split(",")
    return path.stem in study.tables or head[: len(HEAD)] == HEAD


def readme_section(
    verdicts: dict[str, dict], results: Path, readme: Path, study: Study = ROOMS
) -> str:
    """The findings for the project's own page, which links to this one."""
    link = Path(os.path.relpath(results.resolve(), readme.resolve().parent)).as_posix()
    return (
        f"{verdict_table(verdicts)}\n\n{study.short} Every table, interval and command: "
        f"[{results.name}]({link}/README.md)."
    )


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _in_order(lines: list[Line], study: Study) -> list[Line]:
    """Sorts rows as the tables' definitions have them, unknown ones behind; then by seed."""

    def place(line):
        known = list(study.tables[line.table].rows) if line.table in study.tables else []
        at = known.index(line.row) if line.row in known else len(known)
        return line.table, at, line.seed

    return sorted(lines, key=place)


def _page(
    scores: Scores,
    verdicts: dict,
    plots: list[str],
    others: list[str],
    folder: Path,
    study: Study,
) -> str:
    # The tables as they are defined, those that are not known behind.
    known = [name for name in study.tables if name in scores.tables()]
    order = known + [name for name in scores.tables() if name not in known]
    parts = [
        INTRODUCTION.format(about=study.about, tables=" ".join(order) + study.options),
        "## Findings",
        verdict_table(verdicts),
        RULE,
    ]
    for name, entry in verdicts.items():
        parts += [
            f"### {name}: {entry['verdict']}",
            f"{entry['claim']}. Table: {_link(folder, entry['csv'])}.",
        ]
        if entry["comparisons"]:
            parts.append(comparison_table(entry["comparisons"]))
        parts += [f"{entry['note'][0].upper()}{entry['note'][1:]}."] if entry["note"] else []
        if entry.get("checks"):
            asked = f"Followed up, deciding nothing. {entry['question']}"
            parts += [asked, comparison_table(entry["checks"])]
    for name in order:
        parts += _table(scores, name, f"{name}.png" in plots, study)
    for name in APPENDED:
        if (folder / f"{name}.md").exists():
            parts += _appended(folder / f"{name}.md")
    parts += _measured(scores, others)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _link(folder: Path, name: str) -> str:
    """A link to a table, or its name where it was not made."""
    return f"[{name}]({name})" if (folder / name).exists() else f"{name}, not made yet"


def _table(scores: Scores, name: str, plotted: bool, study: Study) -> list[str]:
    known = study.tables.get(name)
    parts = [
        f"## {name}: {known.title if known else name}",
        f"Every line: [{name}.csv]({name}.csv). Again: `python -m recipes.evidence {name}{study.options}`.",
    ]
    if "fid" in scores.metrics(name):
        parts.append(DISTANCES)
    shown = [m for m in scores.metrics(name) if not m.endswith("accuracy")]
    for metric in shown:
        better = "lower" if METRICS[metric].lower else "higher"
        parts += [
            f"{METRICS[metric].label} ({better} is better):",
            score_table(scores, name, metric),
        ]
    parts += ["Size and cost:", cost_table(scores, name)]
    if plotted:
        parts += [f"![{name}]({name}.png)", CAPTIONS.get(name, COST_CAPTION)]
    body = []
    for row in scores.rows(name):
        meaning = known.rows[row].description if known and row in known.rows else ""
        body.append([row, meaning, f"`{scores.lines(name, row)[0].command}`"])
    commands = markdown(["row", "what it is", "command of its first seed"], body)
    parts.append(
        f"<details><summary>What the rows are, and their commands</summary>\n\n{commands}\n\n</details>"
    )
    return parts


def _appended(path: Path) -> list[str]:
    """A link to a page beside this one, and the pictures that it shows."""
    text = path.read_text(encoding="utf-8")
    title = re.search(r"^#+ (.+)$", text, re.MULTILINE)
    pictures = re.findall(r"!\[[^\]]*\]\([^)\s]+\)", text)
    heading = title.group(1) if title else path.stem
    return [f"## {heading}", f"On a page of its own: [{path.name}]({path.name}).", *pictures]


def _measured(scores: Scores, others: list[str]) -> list[str]:
    """Hardware, software and the processor time of all trainings."""
    trainings = scores.trainings()
    hours = sum(cell.processor_seconds or 0 for cell in trainings) / 3600
    body = []
    for label, key in (("hardware", "hardware"), ("backend", "backend"), ("commit", "commit")):
        values = sorted({getattr(cell, key) for cell in trainings} - {""})
        body.append([label, "; ".join(values)])
    lacking = sum(cell.processor_seconds is None for cell in trainings)
    body.append(["trainings", f"{len(trainings)} (one that stands in two tables counts once)"])
    without = f"; {lacking} of unknown time (stopped in between) not counted" if lacking else ""
    body.append(["processor time", f"{hours:.1f} processor-hours in all{without}"])
    parts = ["## How it was measured", markdown(["", ""], body)]
    if others:
        links = ", ".join(f"[{name}]({name})" for name in others)
        parts.append(f"Further files: {links}.")
    return parts
