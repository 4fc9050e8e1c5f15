"""Mean, spread and the paired comparison over seeds; scores are given per seed.

Two rows of a table that were trained with the same seed saw the same rooms in the same order and, up to
the first layer in which the nets differ, began with the same weights. So they are compared seed by seed:
Student's t on the differences (Student 1908, "The probable error of a mean"), which takes out what the
seed does to both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Summary:
    """Scores of several seeds.

    Attributes:
        mean: in the unit of the scores.
        spread: sample standard deviation (n - 1), the same unit; None of one seed.
        count: n.
    """

    mean: float
    spread: float | None
    count: int


@dataclass(frozen=True)
class Paired:
    """The difference of two rows over the seeds that both have.

    Attributes:
        seeds: the common seeds, ascending.
        mean: of the differences, row less reference; None without a common seed.
        spread: their sample standard deviation; None of fewer than two seeds, as `low`, `high`, `p`.
        low: lower end of the interval of the mean.
        high: its upper end.
        p: two-sided, of the hypothesis that the mean is 0.
    """

    seeds: tuple[int, ...]
    mean: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def tested(self) -> bool:
        """Whether there were seeds enough (two) for an interval."""
        return self.low is not None


def summarize(scores: Sequence[float]) -> Summary:
    """Returns mean and sample standard deviation of one or more scores."""
    mean = math.fsum(scores) / len(scores)
    if len(scores) < 2:
        return Summary(mean, None, len(scores))
    squares = math.fsum((score - mean) ** 2 for score in scores)
    return Summary(mean, math.sqrt(squares / (len(scores) - 1)), len(scores))


def compare(scores: Mapping[int, float], reference: Mapping[int, float]) -> Paired:
    """Compares scores with a reference's, seed by seed.

    Args:
        scores: by seed.
        reference: by seed; seeds that only one of the two has do not count.

    Returns:
        Mean of scores less reference, its interval of `CONFIDENCE` and p by Student's t with n - 1
        degrees of freedom. Where all differences are equal, the interval is that number.
    """
    seeds = tuple(sorted(set(scores) & set(reference)))
    if not seeds:
        return Paired(seeds)
    found = summarize([scores[seed] - reference[seed] for seed in seeds])
    if found.spread is None:
        return Paired(seeds, found.mean)
    error, freedom = found.spread / math.sqrt(found.count), found.count - 1
    if error == 0:
        p = 1.0 if found.mean == 0 else 0.0
        return Paired(seeds, found.mean, 0.0, found.mean, found.mean, p)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(found.mean) / error))
    return Paired(seeds, found.mean, found.spread, found.mean - half, found.mean + half, p)
