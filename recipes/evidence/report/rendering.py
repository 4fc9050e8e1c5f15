"""Tables as Markdown, and the section of a page between two markers."""

import re
from collections.abc import Iterable, Sequence

from cen_keras.errors import InputError
from recipes.evidence.statistics.findings import CEN
from recipes.evidence.statistics.overhead import ONE_MODALITY, one_modality
from recipes.evidence.statistics.paired import Paired, compare, summarize
from recipes.evidence.statistics.scores import ENSEMBLE, Scores, decimals

NOTHING = "-"
"""Stands where nothing was measured."""


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; a bar inside a cell is escaped."""
    lines = [list(head), ["---"] * len(head), *body]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def with_spread(values: Sequence[float], digits: int) -> str:
    """Returns "mean ± sample standard deviation"; of one value, no deviation."""
    if not values:
        return NOTHING
    found = summarize(values)
    spread = "" if found.spread is None else f" ± {found.spread:.{digits}f}"
    return f"{found.mean:.{digits}f}{spread}"


def probability(p: float) -> str:
    """Returns p with three digits after the point, "< 0.001" below that."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def difference(paired: Paired, digits: int) -> str:
    """Returns "+1.0 (+0.2 to +1.8), p 0.031", or what is there where nothing could be tested."""
    if paired.mean is None:
        return NOTHING
    if not paired.tested:
        return f"{paired.mean:+.{digits}f} (one seed: not tested)"
    low, high = (f"{end:+.{digits}f}" for end in (paired.low, paired.high))
    return f"{paired.mean:+.{digits}f} ({low} to {high}), {probability(paired.p)}"


def home(scores: Scores, table: str, rows: Sequence[str]) -> str | None:
    """Returns which table has the first of `rows` that a table's rows may be compared with.

    That is the table itself or, of a segmentation that has none of them, the baselines.
    """
    alike = set(scores.metrics(table)) <= set(scores.metrics("baselines"))
    tables = (table, "baselines") if alike else (table,)
    return next((name for name in tables if set(rows) & set(scores.rows(name))), None)


def reference(row: str) -> str:
    """Returns the row of CEN that a row is compared with: of "concat_2400", CEN's 2400 steps too."""
    net, _, steps = row.rpartition("_")
    return f"{CEN}_{steps}" if net and steps.isdigit() else CEN


def score_table(scores: Scores, table: str, metric: str) -> str:
    """One metric of every output of a table's rows, and the ensemble's difference to CEN's."""
    digits, rows = scores.digits(table, metric), scores.rows(table)
    names = dict.fromkeys(name for row in rows for name in scores.outputs(table, row))
    outputs = [name for name in names if name != ENSEMBLE] + [ENSEMBLE]
    to = home(scores, table, [CEN])
    head = ["row", *outputs, "ensemble less CEN's: mean (95 % interval), p", "seeds"]
    body = []
    for row in rows:
        found = [scores.by_seed(table, row, name, metric) for name in outputs]
        paired = Paired(())
        if to is not None and (to, reference(row)) != (table, row):
            paired = compare(found[-1], scores.by_seed(to, reference(row), ENSEMBLE, metric))
        cells = [with_spread(list(values.values()), digits) for values in found]
        body.append([row, *cells, difference(paired, digits), len(scores.seeds(table, row))])
    return markdown(head, body)


def cost_table(scores: Scores, table: str) -> str:
    """Size, operations, exchanged share and training time of a table's rows."""
    one = one_modality(scores, home(scores, table, ONE_MODALITY) or table)
    head = ["row", "parameters", "over one modality", "MACs, millions", "exchanged, %"]
    head += ["layers exchanging", "processor-seconds"]
    body = []
    for row in scores.rows(table):
        count, macs = (scores.whole(table, row, column) for column in ("parameters", "macs"))
        more = NOTHING
        if count is not None and one is not None:
            more = f"{count - one:+,} ({100 * (count - one) / one:+.2f} %)"
        cells = scores.cells(table, row)
        share = [100 * c.exchanged for c in cells if c.exchanged is not None]
        layers = [c.layers_exchanging for c in cells if c.layers_exchanging is not None]
        seconds = [c.processor_seconds for c in cells if c.processor_seconds is not None]
        body.append(
            [
                *(row, NOTHING if count is None else f"{count:,}", more),
                NOTHING if macs is None else f"{macs / 1e6:,.1f}",
                *(with_spread(share, 0), with_spread(layers, 0), with_spread(seconds, 0)),
            ]
        )
    return markdown(head, body)


def effect(entry: dict) -> str:
    """A finding's effect and spread with their unit, "-" where there is none."""
    if entry["effect"] is None:
        return NOTHING
    if isinstance(entry["effect"], int):
        return f"{entry['effect']:+,} {entry['unit'].partition(',')[0]}"
    spread = "" if entry["spread"] is None else f" ± {entry['spread']:.2g}"
    return f"{entry['effect']:+.3g}{spread} {entry['unit'].partition(',')[0]}"


def verdict_table(verdicts: dict[str, dict]) -> str:
    """The findings with verdict and effect, one a line."""
    head = ["claim of the paper", "here", "effect in the weakest comparison", "seeds"]
    return markdown(
        head,
        ([e["claim"], f"**{e['verdict']}**", effect(e), e["seeds"]] for e in verdicts.values()),
    )


def comparison_table(comparisons: list[dict]) -> str:
    """Comparisons of one finding, each with its own verdict."""
    if "verdict" not in comparisons[0]:
        return markdown(
            ["comparison", comparisons[0]["unit"]],
            ([c["name"], f"{c['difference']:+,}"] for c in comparisons),
        )
    body = []
    for c in comparisons:
        paired = Paired(
            tuple(c["seeds"]), *(c[k] for k in ("difference", "spread", "low", "high", "p"))
        )
        digits = 2 if "points" in c["unit"] else decimals(paired.mean or 0)
        body.append(
            [c["name"], difference(paired, digits), c["unit"], len(c["seeds"]), c["verdict"]]
        )
    return markdown(["comparison", "mean (95 % interval), p", "unit", "seeds", "here"], body)


def replace_section(text: str, body: str, name: str = "evidence") -> str:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`; the markers stay.

    A text without the markers is returned as it is.

    Raises:
        InputError: one marker without the other, more than one pair, or the wrong order.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if start not in text and end not in text:
        return text
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if text.count(start) != 1 or text.count(end) != 1 or not pattern.search(text):
        raise InputError(
            f"the markers {start} and {end} stand {text.count(start)} and {text.count(end)} times, "
            "or in the wrong order; wanted is one of each, in this order."
        )
    return pattern.sub(lambda _: f"{start}\n{body.strip()}\n{end}", text)
