"""The rule by which our rows decide the paper's findings, and verdicts.json.

A finding `holds` where the 95 % interval of every difference lies wholly on the side that the paper
claims, and `fails` where one lies wholly on the other side. Anything else is `undecided`, and so is a
finding of which a row is missing; where nothing can be compared it was `not run`. No correction is made
for the number of comparisons: `holds` needs all of them, which is stricter than each; `fails` needs one
of k and is reached by chance the easier the larger k is.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from cen_keras.files import write_json
from recipes.evidence.experiments.tables import Table
from recipes.evidence.statistics.findings import FINDINGS, Contest, Finding
from recipes.evidence.statistics.overhead import decide_parameters
from recipes.evidence.statistics.paired import Paired, compare
from recipes.evidence.statistics.scores import METRICS, Scores


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A contest and what came of it.

    Attributes:
        contest: what was compared.
        paired: better less other in the metric's shown unit, turned round where less is better: so
            positive is as claimed.
        missing: the rows that are not there, as "row X of TABLE.csv".
    """

    contest: Contest
    paired: Paired
    missing: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Of this comparison alone."""
        if not self.paired.tested or self.paired.low <= 0 <= self.paired.high:
            return "undecided"
        return "holds" if self.paired.low > 0 else "fails"

    @property
    def strength(self) -> tuple[int, float]:
        """By this the weakest comparison is the least: its verdict, then its mean in half intervals."""
        rank = ("fails", "undecided", "holds").index(self.verdict)
        if not self.paired.tested:
            return rank, float("-inf")
        half = self.paired.high - self.paired.mean
        if half == 0:
            return rank, self.paired.mean * float("inf") if self.paired.mean else 0.0
        return rank, self.paired.mean / half


def outcome(scores: Scores, contest: Contest) -> Outcome:
    """Compares the two rows of a contest over their common seeds."""
    sides, missing = [], []
    for row in (contest.better, contest.other):
        sides.append(scores.by_seed(contest.table, row, contest.output, contest.metric))
        if not sides[-1]:
            label = METRICS[contest.metric].label.partition(",")[0]
            of = "" if contest.output == "ensemble" else f" of stream {contest.output}"
            missing.append(f"{label}{of} of row {row} in {contest.table}.csv")
    if METRICS[contest.metric].lower:
        sides.reverse()
    return Outcome(contest, compare(*sides), tuple(missing))


def decide(scores: Scores, finding: Finding) -> dict:
    """Returns a finding's entry of verdicts.json.

    Keys: claim, verdict ("holds", "fails", "undecided" or "not run"), effect and spread (mean and sample
    standard deviation of the differences of the weakest comparison, positive as claimed; None where
    there is none), seeds (how many that comparison has), csv (name of the table's file, beside
    verdicts.json), unit (of effect and spread), note, comparisons (every one, with its interval);
    question and checks (comparisons that follow the finding up and decide nothing).
    """
    outcomes = [outcome(scores, contest) for contest in finding.contests]
    missing = tuple(dict.fromkeys(name for o in outcomes for name in o.missing))
    found = [o for o in outcomes if o.paired.mean is not None]
    weakest = min(found, key=lambda o: o.strength, default=None)
    verdicts = [o.verdict for o in outcomes]
    if not found:
        verdict = "not run"
    elif missing or len(found) < len(outcomes):
        verdict = "undecided"
    elif "fails" in verdicts:
        verdict = "fails"
    else:
        verdict = "holds" if set(verdicts) == {"holds"} else "undecided"
    contest = (weakest or outcomes[0]).contest
    paired = weakest.paired if weakest else Paired(())
    return {
        "claim": finding.claim,
        "verdict": verdict,
        "effect": paired.mean,
        "spread": paired.spread,
        "seeds": len(paired.seeds),
        "csv": f"{contest.table}.csv",
        "unit": _unit(contest),
        "note": _note(outcomes, weakest, missing),
        "comparisons": [_entry(o) for o in outcomes],
        "question": finding.question,
        "checks": [_entry(outcome(scores, contest)) for contest in finding.checks],
    }


def _unit(contest: Contest) -> str:
    metric = METRICS[contest.metric]
    return (
        f"{metric.unit}, positive where {contest.better} is {'lower' if metric.lower else 'higher'}"
    )


def _note(outcomes: Sequence[Outcome], weakest: Outcome | None, missing: tuple[str, ...]) -> str:
    """Says which comparison is the weakest, and what keeps the finding from being decided."""
    parts = []
    if weakest is not None:
        parts.append(f"weakest: {weakest.contest.name}")
    if missing:
        parts.append(f"missing: {'; '.join(missing)}")
    few = [o.contest.name for o in outcomes if not o.missing and not o.paired.tested]
    if few:
        parts.append(f"fewer than 2 common seeds, so not tested: {'; '.join(few)}")
    return ". ".join(parts)


def _entry(o: Outcome) -> dict:
    return {
        "name": o.contest.name,
        "verdict": o.verdict,
        "unit": _unit(o.contest),
        "difference": o.paired.mean,
        "spread": o.paired.spread,
        "low": o.paired.low,
        "high": o.paired.high,
        "p": o.paired.p,
        "seeds": list(o.paired.seeds),
    }


def decide_all(scores: Scores, tables: Mapping[str, Table] | None = None) -> dict[str, dict]:
    """Returns the entry of every finding that the tables are for, by name; None: of all."""
    entries = {
        finding.name: decide(scores, _within(finding, tables))
        for finding in FINDINGS
        if tables is None or all(contest.table in tables for contest in finding.contests)
    }
    entries["parameters"] = decide_parameters(scores)
    return {name: _rounded(entry) for name, entry in entries.items()}


def _within(finding: Finding, tables: Mapping[str, Table] | None) -> Finding:
    """A finding without the checks whose rows the tables do not have."""
    checks = tuple(
        c
        for c in finding.checks
        if tables is None or c.table in tables and {c.better, c.other} <= set(tables[c.table].rows)
    )
    return dataclasses.replace(finding, checks=checks, question=finding.question if checks else "")


def _rounded(value):
    """Rounds to six digits: more the seeds do not carry, and another SciPy may differ in the last."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value


def write_verdicts(path: Path, verdicts: dict[str, dict]) -> None:
    """Writes verdicts.json, atomically."""
    write_json(path, verdicts)
