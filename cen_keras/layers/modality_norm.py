"""Private normalisation per modality, then the exchange (CEN Eq. 5 and 6).

Each modality owns a copy of a network's norm while the filters before it are shared. Where a modality's scale gamma
has become almost zero, `exchange_channels` puts the other modalities' channel in its place.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.exchange import SCOPES, exchange_channels
from cen_keras.layers.fused_norm import fits_fused_norm, fused_batch_norm
from cen_keras.layers.streams import check_modalities, one_shape
from cen_keras.losses.sparsity import SubpartL1
from cen_keras.parts import own_part


@keras.saving.register_keras_serializable("cen_keras")
class ModalityNorm(keras.layers.Layer):
    """One private normalisation per modality, with an optional channel exchange after it.

    Takes and gives a dict modality -> (b, ..., c) floats. With one modality there is nothing to exchange and nothing
    to spare, so exchange and penalty are off.

    **Training and inference**: as the norm itself; a BatchNormalization normalises with the batch's statistics and
    updates the moving ones in training, unless `freeze_statistics`.

    Args:
        modalities: names of the streams, in order; modality m owns channels [floor(mC/M), floor((m+1)C/M)).
        norm: a Keras norm over the last axis: BatchNormalization, GroupNormalization, LayerNormalization,
            RMSNormalization or `InstanceNorm`; every modality gets a copy with its settings and fresh weights.
        exchange_threshold: theta of Eq. 6, or None for no exchange.
        exchange_scope: "subpart" (the paper's figure) or "all" (the official code).
        sparsity: lambda, the strength of the L1 penalty on each modality's own part of gamma; 0 for none.
        sparsity_scope: "subpart", or "all" to penalise every channel (an ablation of the paper).
        freeze_statistics: normalise with the moving statistics in training too, while gamma and beta learn: the
            official recipe for segmentation.
        gamma_initializer: of the scales: a number or a Keras initializer; None for the norm's own.
        gamma_constraint: of the scales, for instance "non_neg"; None for the norm's own.

    Raises:
        InputError: a norm over another axis than the last, an unknown scope, a negative sparsity, streams of
            different shapes, or a norm without scales where channels are to be exchanged.
    """

    def __init__(
        self,
        modalities,
        norm,
        exchange_threshold=None,
        exchange_scope="subpart",
        sparsity=0.0,
        sparsity_scope="subpart",
        freeze_statistics=False,
        gamma_initializer=None,
        gamma_constraint=None,
        **kwargs,
    ):
        # Scales stay float32 under mixed precision: the exchange compares them with theta.
        super().__init__(autocast=False, **kwargs)
        self.modalities = check_modalities(modalities)
        for scope in (exchange_scope, sparsity_scope):
            if scope not in SCOPES:
                raise InputError(f"scope {scope!r} is unknown; choose one of {SCOPES}.")
        if sparsity < 0:
            raise InputError(
                f"sparsity is the strength of a penalty, at least 0; found {sparsity}."
            )
        alone = len(self.modalities) == 1
        self.exchange_threshold = None if alone else exchange_threshold
        self.exchange_scope = exchange_scope
        self.sparsity = 0.0 if alone else float(sparsity)
        self.sparsity_scope = sparsity_scope
        self.freeze_statistics = freeze_statistics
        self.gamma_initializer = scale_initializer(gamma_initializer)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        if isinstance(norm, dict):
            norm = keras.saving.deserialize_keras_object(norm)
        self._norm_class, self._norm_config = type(norm), norm.get_config()
        self.norms = [self._copy(index) for index in range(len(self.modalities))]

    def _copy(self, index):
        """Returns the norm of one modality: the given one's settings, penalised where asked for."""
        config = {**self._norm_config, "name": self.modalities[index]}
        if self.uses_scales and "gamma_initializer" not in config:
            raise InputError(
                f"{self.name}: {self._norm_class.__name__} has no scales gamma to compare with a threshold; select "
                "other norms with where=."
            )
        if self.uses_scales and config.get("scale") is False:
            config["scale"] = True
        # Every norm draws for itself: an initializer is used once.
        if self.gamma_initializer is not None:
            config["gamma_initializer"] = keras.initializers.serialize(self.gamma_initializer)
        if self.gamma_constraint is not None:
            config["gamma_constraint"] = keras.constraints.serialize(self.gamma_constraint)
        if self.sparsity:
            penalty = SubpartL1(
                self.sparsity,
                index,
                len(self.modalities),
                self.sparsity_scope,
                beside=keras.regularizers.get(config.get("gamma_regularizer")),
            )
            config["gamma_regularizer"] = keras.regularizers.serialize(penalty)
        return self._norm_class.from_config(config)

    @property
    def uses_scales(self) -> bool:
        """Whether it exchanges channels or its scales are penalised."""
        return self.exchange_threshold is not None or self.sparsity > 0

    def norm(self, modality: str) -> keras.layers.Layer:
        """Returns the normalisation layer of one modality."""
        return self.norms[self.modalities.index(modality)]

    def scales(self) -> list:
        """Returns the (C,) float32 gammas in the order of the modalities."""
        return [norm.gamma for norm in self.norms]

    def exchange_scores(self) -> list:
        """Returns what is compared with theta: (C,) float32 of each modality, in their order."""
        return [ops.convert_to_tensor(gamma) for gamma in self.scales()]

    def own_part(self, modality: str | int) -> slice:
        """Returns the channels that belong to a modality, given by name or index."""
        index = modality if isinstance(modality, int) else self.modalities.index(modality)
        return own_part(index, len(self.modalities), self.norms[0].gamma.shape[0])

    def build(self, input_shape):
        """Creates the private scales, biases and statistics for streams of one shape."""
        shape = one_shape(input_shape)
        axis = getattr(self.norms[0], "axis", -1)
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        if [a % len(shape) for a in axes] != [len(shape) - 1]:
            raise InputError(
                f"{self.name}: normalises axis {axis} of (b, ..., c); streams are channels_last, so only the last axis "
                "fits. Build the network with data_format='channels_last'."
            )
        for norm in self.norms:
            norm.build(shape)

    def call(self, streams, training=None):
        """Normalises every stream, then exchanges."""
        normed = [
            self._normalise(norm, streams[name], training)
            for name, norm in zip(self.modalities, self.norms, strict=True)
        ]
        if self.exchange_threshold is not None:
            normed = exchange_channels(
                normed,
                self.exchange_scores(),
                self.exchange_threshold,
                self.exchange_scope,
            )
        return dict(zip(self.modalities, normed, strict=True))

    def _normalise(self, norm, stream, training):
        if not isinstance(norm, keras.layers.BatchNormalization):
            return norm(stream)
        if fits_fused_norm(norm, stream, training, self.freeze_statistics):
            return fused_batch_norm(norm, stream, self.freeze_statistics)
        return norm(stream, training=False if self.freeze_statistics else training)

    def compute_output_shape(self, input_shape):
        """Returns the shapes of the streams, unchanged."""
        return dict(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        template = self._norm_class.from_config(self._norm_config)
        return {
            **super().get_config(),
            "modalities": self.modalities,
            "norm": keras.saving.serialize_keras_object(template),
            "exchange_threshold": self.exchange_threshold,
            "exchange_scope": self.exchange_scope,
            "sparsity": self.sparsity,
            "sparsity_scope": self.sparsity_scope,
            "freeze_statistics": self.freeze_statistics,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
        }


def scale_initializer(value) -> keras.initializers.Initializer | None:
    """Returns the initializer of scales that an argument means.

    Args:
        value: a number for all scales, or what `keras.initializers.get` takes: a name, an initializer, its
            serialised dict or None.

    Raises:
        ValueError: Keras knows no initializer of that name.
    """
    if isinstance(value, (int, float)):
        return keras.initializers.Constant(value)
    return keras.initializers.get(value)
