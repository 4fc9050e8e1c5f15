"""Other criteria of the exchange than the scale: draws, and the rank of the channel's variance."""

from typing import Any

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.layers.modality_norm import ModalityNorm

CRITERIA = ("random", "variance")


@keras.saving.register_keras_serializable("cen_keras")
class CriterionNorm(ModalityNorm):
    """A ModalityNorm that compares something else than its scales with the threshold.

    The threshold is then the share that is replaced of the channels that may be: drawn, in the mean; ranked, rounded
    up to whole channels, so a share near 1 is all of a small part.

    Args:
        modalities: as for ModalityNorm.
        norm: as for ModalityNorm.
        criterion: "random" (draws of the seed, the same for good) or "variance" (the rank of the channel's moving
            variance, the least first).
        **options: of ModalityNorm.

    Raises:
        InputError: an unknown criterion, or one that the norm has no numbers for.
    """

    def __init__(self, modalities, norm, criterion="random", **options):
        super().__init__(modalities, norm, **options)
        if criterion not in CRITERIA:
            raise InputError(f"criterion {criterion!r} is unknown; choose one of {CRITERIA}.")
        moving = isinstance(self.norms[0], keras.layers.BatchNormalization)
        if criterion == "variance" and not moving:
            raise InputError(
                'criterion "variance" needs the moving variance of a BatchNormalization.'
            )
        self.criterion = criterion

    def build(self, input_shape):
        """Creates the norms and, at random, the draws."""
        super().build(input_shape)
        if self.criterion == "random" and self.exchange_threshold is not None:
            self.draws = [
                self.add_weight(
                    name=f"draws_{name}",
                    shape=self.norms[0].gamma.shape,
                    initializer=keras.initializers.RandomUniform(0.0, 1.0),
                    trainable=False,
                    autocast=False,
                )
                for name in self.modalities
            ]

    def exchange_scores(self) -> list:
        """Returns what is compared with theta: (C,) float32 of each modality, in their order."""
        if self.criterion == "random":
            return [ops.convert_to_tensor(draw) for draw in self.draws]
        return [self._variance_ranks(name) for name in self.modalities]

    def _variance_ranks(self, modality):
        """Returns each channel's rank by moving variance among those that may go, in [0, 1), and 1 elsewhere."""
        variance = ops.convert_to_tensor(self.norm(modality).moving_variance)
        part = self.own_part(modality)
        if self.exchange_scope == "all":
            part = slice(0, variance.shape[0])
        ranks = ops.argsort(ops.argsort(variance[part])) / max(1, part.stop - part.start)
        before, after = ops.ones(part.start), ops.ones(variance.shape[0] - part.stop)
        return ops.concatenate([before, ops.cast(ranks, "float32"), after])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "criterion": self.criterion}


class CriterionExchange(Exchange):
    """An exchange by another criterion than the scales.

    Args:
        criterion: "random" or "variance"; see `CriterionNorm`.
        **options: of `Exchange`; the threshold is a share of channels.
    """

    name = "criterion"

    def __init__(self, criterion: str = "random", **options: Any):
        super().__init__(**options)
        if criterion not in CRITERIA:
            raise InputError(f"criterion {criterion!r} is unknown; choose one of {CRITERIA}.")
        self.criterion = criterion

    def norm(self, norm, names, place, **options):
        """Returns the private norms of the streams."""
        if place and len(names) > 1:
            options |= {"criterion": self.criterion, "kind": CriterionNorm}
        return super().norm(norm, names, place, **options)
