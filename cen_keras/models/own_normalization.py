"""A model that knows how its inputs are normalised says so where a loader does otherwise."""

from typing import Any

from cen_keras.data.normalization import warn_of_other_numbers


class OwnNormalization:
    """`fit`, `evaluate` and `predict` of a model with `descriptions`, modality -> `Modality`.

    A loader of `cen_keras.data.loader` has descriptions too; where their numbers differ a warning is logged, since
    trained weights are worth little on inputs that are scaled otherwise.
    """

    def fit(self, x: Any = None, *args: Any, **kwargs: Any):
        """Like `keras.Model.fit`."""
        warn_of_other_numbers(self, x)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any):
        """Like `keras.Model.evaluate`."""
        warn_of_other_numbers(self, x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any):
        """Like `keras.Model.predict`."""
        warn_of_other_numbers(self, x)
        return super().predict(x, *args, **kwargs)
