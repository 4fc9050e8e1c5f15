"""The paper's findings as data: which row is claimed to be better than which.

`claims` decides them. Source: Wang et al. 2020 (arXiv 2011.05005), its ablation, its baselines and its
translations, in our words; which rows stand for a finding is our choice.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from recipes.evidence.statistics.scores import ENSEMBLE, METRICS

FUSIONS = ("average", "concat", "attention", "align")
"""The paper's aggregation (three) and alignment baselines."""

CEN = "cen"


@dataclass(frozen=True)
class Contest:
    """One comparison of a finding: `better` is claimed to score better than `other`.

    Attributes:
        table: whose rows both are.
        better: row.
        other: row.
        metric: a key of `METRICS`.
        output: of both rows; a row of one modality gives the same for it and its ensemble.
    """

    table: str
    better: str
    other: str
    metric: str = "miou"
    output: str = ENSEMBLE

    @property
    def name(self) -> str:
        """For people, such as "cen against concat"."""
        shown = "" if self.output == ENSEMBLE else f", stream {self.output}"
        by = "" if self.metric == "miou" else f", {METRICS[self.metric].label}"
        return f"{self.better} against {self.other}{shown}{by}"


@dataclass(frozen=True)
class Finding:
    """A claim of the paper and the comparisons that decide it.

    Attributes:
        name: its key in verdicts.json.
        claim: in our words.
        contests: what decides it.
        question: what is asked where it does not hold.
        checks: comparisons that answer the question and decide nothing.
    """

    name: str
    claim: str
    contests: tuple[Contest, ...]
    question: str = ""
    checks: tuple[Contest, ...] = ()


def _against(table: str, others: Iterable[str], metric: str = "miou") -> tuple[Contest, ...]:
    return tuple(Contest(table, CEN, other, metric) for other in others)


FINDINGS = (
    Finding(
        "aggregation_and_alignment",
        "CEN's ensemble is above every baseline of aggregation (average, concatenation, attention) "
        "and alignment",
        _against("baselines", FUSIONS),
        "Is it the budget (more steps), or what one set of filters for two modalities costs so small a "
        "net (CEN with private filters)?",
        (
            Contest("steps", "cen", "concat"),
            Contest("steps", "cen_2400", "concat_2400"),
            Contest("steps", "cen", "average"),
            Contest("steps", "cen_1200", "average_1200"),
            Contest("filters", "cen_unshared", "cen"),
        ),
    ),
    Finding(
        "private_norms",
        "With shared filters and no exchange, a norm of its own for each modality is better than "
        "shared norms",
        (Contest("ablation", "shared_private", "shared_shared"),),
    ),
    Finding(
        "exchange_with_sparsity",
        "Exchange guided by the penalty is better than the penalty without exchange, and than "
        "neither",
        _against("ablation", ("shared_private_l1half", "shared_private")),
    ),
    Finding(
        "half_above_all",
        "Penalty and exchange in a modality's own part are better than in all channels",
        _against("ablation", ("shared_private_l1all",)),
    ),
    Finding(
        "every_component",
        "Each component adds: shared filters, private norms, the exchange, and its restriction to "
        "a modality's own part",
        (
            Contest("ablation", "shared_private", "unshared_unshared"),
            Contest("ablation", "shared_private", "shared_shared"),
            *_against("ablation", ("shared_private_l1half", "shared_private_l1all")),
        ),
        "Shared filters halve the net's convolutions. Does the exchange bring private ones as much?",
        (
            Contest("filters", "unshared", "shared"),
            Contest("filters", "cen_unshared", "cen"),
            Contest("filters", "cen_unshared", "unshared"),
        ),
    ),
    Finding(
        "streams_alone",
        "Each stream of CEN is better than the net of that modality alone",
        tuple(Contest("baselines", CEN, m, output=m) for m in ("rgb", "depth")),
    ),
    Finding(
        "translation",
        "CEN's ensemble translates better than every baseline, by FID and by KID",
        _against("translation", FUSIONS, "fid") + _against("translation", FUSIONS, "kid"),
    ),
)
