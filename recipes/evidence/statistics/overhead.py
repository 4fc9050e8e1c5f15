"""The finding on parameters: CEN costs one modality's net, a second set of norms and the ensemble's weights.

Counts are exact, so no test is needed. The rows tell the parts of CEN's overhead over one modality
apart: `shared_shared` is one modality's net with the ensemble's weights, `shared_private` adds a set
of norms for each further modality, and `cen` adds exchange and penalty to that.
"""

from recipes.evidence.statistics.findings import CEN, FUSIONS
from recipes.evidence.statistics.scores import Scores

ONE_MODALITY = ("rgb", "depth", "reshading", "edge_texture")
"""Rows of one modality; overheads are over the first of them that a table has."""

MODALITIES = 2
"""Of the rows that the finding is about."""

CLAIM = (
    "CEN needs no parameters for fusion: over one modality's net it has only another set of norms "
    "and the weights of the ensemble"
)


def one_modality(scores: Scores, table: str) -> int | None:
    """Returns the parameters of a table's net of one modality; None where it has none."""
    counts = (scores.whole(table, row, "parameters") for row in ONE_MODALITY)
    return next((count for count in counts if count is not None), None)


def decide_parameters(scores: Scores) -> dict:
    """Returns the finding's entry of verdicts.json; see `claims.decide` for its keys.

    It holds where `cen` has exactly the parameters of `shared_private`, and `shared_shared` those of
    one modality and at most one more for each of the two modalities; `effect` is CEN's overhead.
    """
    one = one_modality(scores, "baselines")
    counts = {
        "one modality in baselines.csv": one,
        "cen in baselines.csv": scores.whole("baselines", CEN, "parameters"),
        "shared_private in ablation.csv": scores.whole("ablation", "shared_private", "parameters"),
        "shared_shared in ablation.csv": scores.whole("ablation", "shared_shared", "parameters"),
    }
    missing = [name for name, count in counts.items() if count is None]
    _, cen, private, shared = counts.values()
    overhead = cen - one if cen is not None and one is not None else None
    if missing:
        verdict = "not run" if overhead is None else "undecided"
        note = f"missing: parameters of {'; '.join(missing)}"
    else:
        weights, norms, fusion = shared - one, private - shared, cen - private
        verdict = "holds" if fusion == 0 and 0 <= weights <= MODALITIES else "fails"
        note = (
            f"CEN has {cen:,} parameters, one modality {one:,}: {100 * overhead / one:.2f} % more. "
            f"Of these {norms:,} are the other set of norms, {weights:,} the ensemble's, "
            f"{fusion:,} the exchange's"
        )
    return {
        "claim": CLAIM,
        "verdict": verdict,
        "effect": overhead,
        "spread": None if overhead is None else 0.0,
        "seeds": len(scores.seeds("baselines", CEN)),
        "csv": "baselines.csv",
        "unit": "parameters over one modality, exact",
        "note": note,
        "comparisons": [
            {
                "name": f"overhead of {row}",
                "unit": "parameters over one modality",
                "difference": more,
            }
            for row, more in _overheads(scores, one)
        ],
    }


def _overheads(scores: Scores, one: int | None) -> list[tuple[str, int]]:
    """Returns (row, parameters over one modality) of CEN and of each baseline that was counted."""
    counts = [(row, scores.whole("baselines", row, "parameters")) for row in (CEN, *FUSIONS)]
    return [(row, n - one) for row, n in counts if n is not None and one is not None]
