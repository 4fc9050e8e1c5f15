"""The sparsity penalty of CEN: L1 on each modality's own part of the scales (Eq. 4, second term).

As a Keras regularizer it works on every backend and is scaled right under distribution. It is counted once per
training step; the official segmentation script adds it once for each of its M + 1 outputs, so the official
lambda = 2e-4 with two modalities is `strength=6e-4` here.
"""

import keras
from keras import ops

from cen_keras.parts import own_part


@keras.saving.register_keras_serializable("cen_keras")
class SubpartL1(keras.regularizers.Regularizer):
    """strength * sum |gamma| over the channels that belong to one modality.

    Args:
        strength: lambda, a non-negative float.
        modality: index m of the modality whose normalisation owns the scale.
        modalities: number of modalities M.
        scope: "subpart" penalises the modality's own part [floor(mC/M), floor((m+1)C/M)), "all" every channel.
        beside: another Keras regularizer of the whole scale, which is added; None for none.
    """

    def __init__(
        self,
        strength: float,
        modality: int,
        modalities: int,
        scope: str = "subpart",
        beside: keras.regularizers.Regularizer | None = None,
    ):
        self.strength = float(strength)
        self.modality = int(modality)
        self.modalities = int(modalities)
        self.scope = scope
        self.beside = keras.regularizers.get(beside)

    def __call__(self, gamma):
        """Returns the scalar penalty of a (C,) scale."""
        part = gamma
        if self.scope == "subpart":
            part = gamma[own_part(self.modality, self.modalities, gamma.shape[0])]
        penalty = self.strength * ops.sum(ops.abs(part))
        return penalty if self.beside is None else penalty + self.beside(gamma)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "strength": self.strength,
            "modality": self.modality,
            "modalities": self.modalities,
            "scope": self.scope,
            "beside": keras.regularizers.serialize(self.beside),
        }
