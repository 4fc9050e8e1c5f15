"""Private normalisation per modality, then the exchange (CEN Eq. 5 and 6).

Each modality owns a BatchNorm (or InstanceNorm) while the convolution before it is shared. Where a modality's scale
gamma has become almost zero, `exchange_channels` puts the other modalities' channel in its place.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.exchange import SCOPES, exchange_channels
from cen_keras.layers.instance_norm import InstanceNorm
from cen_keras.layers.streams import check_modalities, one_shape
from cen_keras.losses.sparsity import SubpartL1
from cen_keras.parts import own_part


class _BatchNorm(keras.layers.BatchNormalization):
    """BatchNormalization whose scales stay float32 under mixed precision: the exchange compares them to theta."""

    def add_weight(self, *args, **kwargs):
        return super().add_weight(*args, **{**kwargs, "autocast": False})


KINDS = {"batch": _BatchNorm, "instance": InstanceNorm}
CRITERIA = ("gamma", "random", "variance")


@keras.saving.register_keras_serializable("cen_keras")
class ModalityNorm(keras.layers.Layer):
    """One private normalisation per modality, with an optional channel exchange after it.

    Takes and gives a dict modality -> (b, h, w, c) floats. With one modality there is nothing to exchange and nothing
    to spare, so exchange and penalty are off.

    **Training**: BatchNorm normalises with the batch's statistics and updates the moving ones, unless
    `freeze_statistics`. **Inference**: with the moving statistics. InstanceNorm is the same in both.

    Args:
        modalities: names of the streams, in order; modality m owns channels [floor(mC/M), floor((m+1)C/M)).
        kind: "batch" or "instance".
        exchange_threshold: theta of Eq. 6, or None for no exchange.
        exchange_scope: "subpart" (the paper's figure) or "all" (the official code).
        exchange_criterion: what is compared with theta. "gamma", or for comparison with CEN "random" (draws of the
            seed, the same for good) or "variance" (the rank of the channel's moving variance, the least first);
            with these theta is the share that is replaced of the channels that may be (drawn: in the mean; ranked:
            rounded up to whole channels, so a share near 1 is all of a small part).
        sparsity: lambda, the strength of the L1 penalty on each modality's own part of gamma; 0 for none.
        sparsity_scope: "subpart", or "all" to penalise every channel (an ablation of the paper).
        freeze_statistics: normalise with the moving statistics in training too, while gamma and beta learn: the
            official recipe for segmentation.
        shared: one normalisation for all modalities (an ablation of the paper) instead of private ones.
        momentum: of the moving statistics (0.9 is PyTorch's 0.1).
        epsilon: added to the variance.
        gamma_initializer: of the scales. A gamma that starts at 1 needs a long training to reach zero.
        gamma_constraint: for instance "non_neg", so that no two modalities' scales differ in sign.

    Raises:
        InputError: an unknown kind, scope or criterion, a negative sparsity, a criterion that the kind has no
            numbers for, streams of different shapes, or an exchange with shared normalisation (the two scales would
            be one).
    """

    def __init__(
        self,
        modalities,
        kind="batch",
        exchange_threshold=None,
        exchange_scope="subpart",
        exchange_criterion="gamma",
        sparsity=0.0,
        sparsity_scope="subpart",
        freeze_statistics=False,
        shared=False,
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer="ones",
        gamma_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.modalities = check_modalities(modalities)
        if kind not in KINDS:
            raise InputError(f"norm kind {kind!r} is unknown; choose one of {tuple(KINDS)}.")
        for scope in (exchange_scope, sparsity_scope):
            if scope not in SCOPES:
                raise InputError(f"scope {scope!r} is unknown; choose one of {SCOPES}.")
        if exchange_criterion not in CRITERIA:
            raise InputError(
                f"exchange criterion {exchange_criterion!r} is unknown; choose one of {CRITERIA}."
            )
        if exchange_criterion == "variance" and kind != "batch":
            raise InputError(
                'exchange criterion "variance" needs the moving variance of kind="batch".'
            )
        if sparsity < 0:
            raise InputError(
                f"sparsity is the strength of a penalty, at least 0; found {sparsity}."
            )
        alone = len(self.modalities) == 1
        self.kind = kind
        self.exchange_threshold = None if alone else exchange_threshold
        self.exchange_scope = exchange_scope
        self.exchange_criterion = exchange_criterion
        self.sparsity = 0.0 if alone else float(sparsity)
        self.sparsity_scope = sparsity_scope
        self.freeze_statistics = freeze_statistics
        self.shared = shared
        self.momentum = momentum
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        if shared and self.exchange_threshold is not None:
            raise InputError(
                "an exchange compares private scales; use shared=False or no threshold."
            )
        self.norms = [
            self._make_norm(index) for index in range(1 if shared else len(self.modalities))
        ]

    def _make_norm(self, index):
        penalty = None
        if self.sparsity:
            penalty = SubpartL1(
                self.sparsity,
                index,
                len(self.modalities),
                "all" if self.shared else self.sparsity_scope,
            )
        initializer = self.gamma_initializer
        moving = {} if self.kind == "instance" else {"axis": -1, "momentum": self.momentum}
        return KINDS[self.kind](
            **moving,
            epsilon=self.epsilon,
            # Every norm draws for itself: an initializer is used once.
            gamma_initializer=initializer.clone() if hasattr(initializer, "clone") else initializer,
            gamma_regularizer=penalty,
            gamma_constraint=self.gamma_constraint,
            dtype=self.dtype_policy,
            name="shared" if self.shared else self.modalities[index],
        )

    def norm(self, modality: str) -> keras.layers.Layer:
        """Returns the normalisation layer of one modality."""
        return self.norms[0 if self.shared else self.modalities.index(modality)]

    def scales(self) -> list:
        """Returns the (C,) float32 gammas in the order of the modalities."""
        return [self.norm(name).gamma for name in self.modalities]

    def exchange_scores(self) -> list:
        """Returns what is compared with theta: (C,) float32 of each modality, in their order."""
        if self.exchange_criterion == "gamma":
            return [ops.convert_to_tensor(gamma) for gamma in self.scales()]
        if self.exchange_criterion == "random":
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

    def own_part(self, modality: str | int) -> slice:
        """Returns the channels that belong to a modality, given by name or index."""
        index = modality if isinstance(modality, int) else self.modalities.index(modality)
        return own_part(index, len(self.modalities), self.norms[0].gamma.shape[0])

    def build(self, input_shape):
        """Creates the private scales, shifts and statistics for streams of one shape."""
        shape = one_shape(input_shape)
        for norm in self.norms:
            norm.build(shape)
        if self.exchange_criterion == "random" and self.exchange_threshold is not None:
            self.draws = [
                self.add_weight(
                    name=f"draws_{name}",
                    shape=(shape[-1],),
                    initializer=keras.initializers.RandomUniform(0.0, 1.0),
                    trainable=False,
                    autocast=False,
                )
                for name in self.modalities
            ]

    def call(self, streams, training=None):
        """Normalises every stream, then exchanges."""
        if self.freeze_statistics:
            training = False
        mode = {} if self.kind == "instance" else {"training": training}
        normed = [self.norm(name)(streams[name], **mode) for name in self.modalities]
        if self.exchange_threshold is not None:
            normed = exchange_channels(
                normed,
                self.exchange_scores(),
                self.exchange_threshold,
                self.exchange_scope,
            )
        return dict(zip(self.modalities, normed, strict=True))

    def compute_output_shape(self, input_shape):
        """Returns the shapes of the streams, unchanged."""
        return dict(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "modalities": self.modalities,
            "kind": self.kind,
            "exchange_threshold": self.exchange_threshold,
            "exchange_scope": self.exchange_scope,
            "exchange_criterion": self.exchange_criterion,
            "sparsity": self.sparsity,
            "sparsity_scope": self.sparsity_scope,
            "freeze_statistics": self.freeze_statistics,
            "shared": self.shared,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
        }
