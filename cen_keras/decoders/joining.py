"""Where a decoder's streams become one: behind it, two modalities cost as much as one.

The filters of a lifted decoder are shared, and a 1x1 convolution of the mean is the mean of the 1x1 convolutions, so
the streams are averaged before a level's first convolution. What this costs in accuracy and saves in time:
`docs/measurements/join.csv`.
"""

from collections.abc import Callable

import keras

from cen_keras.errors import InputError
from cen_keras.layers.join import Join

DOWNWARDS = ("P5", "P4", "P3", "P2")
"""Levels in the order in which a decoder reads them."""


def joining(
    features: dict[str, keras.KerasTensor], join: str | None
) -> tuple[dict[str, keras.KerasTensor], Callable[[keras.KerasTensor, str], keras.KerasTensor]]:
    """Marks where a decoder's streams become one.

    Args:
        features: levels "P2" to "P5" of a backbone.
        join: the coarsest level that reads one stream: with "P5" the whole decoder does, with "P2" its last level.
            None for streams that stay apart.

    Returns:
        The features, joined from that level on, and a function (map, level) that joins what this level takes from
        the one above it.

    Raises:
        InputError: `join` is no level.
    """
    if join is None:
        return features, lambda x, level: x
    if join not in DOWNWARDS:
        raise InputError(f"join is {join!r}; give one of {', '.join(DOWNWARDS)}, or None.")
    one_stream = DOWNWARDS[DOWNWARDS.index(join) :]

    def above(x, level):
        return Join(name=f"decoder_{level.lower()}_mean_above")(x) if level == join else x

    joined = {
        level: Join(name=f"decoder_{level.lower()}_mean")(x) if level in one_stream else x
        for level, x in features.items()
    }
    return joined, above
