"""What becomes of channels once their scale is below the threshold, from a run's scales.npz.

One row an epoch: what happens within an epoch is not seen.
"""

import dataclasses

import numpy as np

from recipes.evidence.theorem.attraction import Shares


@dataclasses.dataclass(frozen=True)
class History:
    """One penalised channel over the training.

    Attributes:
        epochs: (E,) finished epochs of each row.
        below: (E,) whether |gamma| < theta.
        sizes: (E,) |gamma|.
    """

    epochs: np.ndarray
    below: np.ndarray
    sizes: np.ndarray

    @property
    def first(self) -> int | None:
        """The epoch after which the scale was below the threshold first; None if never."""
        return int(self.epochs[self.below.argmax()]) if self.below.any() else None

    @property
    def returned(self) -> int | None:
        """The epoch after which it was above again first; None if it stayed, or was never below."""
        if not self.below.any():
            return None
        later = ~self.below & (np.arange(self.below.size) > self.below.argmax())
        return int(self.epochs[later.argmax()]) if later.any() else None

    @property
    def largest_since(self) -> float:
        """The largest |gamma| since it was below first; NaN if it never was."""
        return float(self.sizes[self.below.argmax() :].max()) if self.below.any() else np.nan


def history(epochs: np.ndarray, gammas: np.ndarray, theta: float) -> History:
    """Returns the history of one channel from its (E,) gammas."""
    sizes = np.abs(gammas)
    return History(epochs, sizes < theta, sizes)


def by_epoch(histories: list[History]) -> list[Shares]:
    """How many channels are below the threshold after each epoch, came below it, came back.

    `x` is the epoch. "came back" counts channels that were below in the row before; rows without
    such channels are left out.
    """
    if not histories:
        return []
    epochs = histories[0].epochs
    below = np.stack([one.below for one in histories])
    found = [
        Shares("life", "below theta", float(epoch), len(histories), int(below[:, row].sum()))
        for row, epoch in enumerate(epochs)
    ]
    for row in range(1, len(epochs)):
        before, now = below[:, row - 1], below[:, row]
        for case, some, hits in (
            ("came below", ~before, ~before & now),
            ("came back", before, before & ~now),
        ):
            if some.any():
                found.append(
                    Shares("life", case, float(epochs[row]), int(some.sum()), int(hits.sum()))
                )
    return found


def ever(histories: list[History]) -> list[Shares]:
    """Of all channels, how many were ever below; of those, how many ever came back, and are now."""
    once = [one for one in histories if one.first is not None]
    found = [Shares("life", "ever below", 0.0, len(histories), len(once))] if histories else []
    if once:
        back = [one for one in once if one.returned is not None]
        found.append(Shares("life", "ever came back", 0.0, len(once), len(back)))
        away = sum(not one.below[-1] for one in once)
        found.append(Shares("life", "is back at the end", 0.0, len(once), away))
    return found


def quantiles(values: list[float]) -> tuple[float, float, float] | None:
    """Returns the least, median and largest of some values; None of none."""
    return (min(values), float(np.median(values)), max(values)) if values else None
