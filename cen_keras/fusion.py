"""What the streams of a lifted network do with each other: the strategies that `lift` asks.

`Exchange` is CEN. `Fusion`, its base, is the same network without it: shared filters, private norms, streams that
meet in nothing but an ensemble. What CEN is compared with (aggregation, alignment, other criteria, private filters,
shared norms) has the same interface and is in `cen_keras.baselines`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from cen_keras.errors import InputError
from cen_keras.field_types import check_value
from cen_keras.graph import Graph
from cen_keras.layers.exchange import SCOPES
from cen_keras.layers.modality_norm import ModalityNorm, scale_initializer
from cen_keras.placement import Where, exchanging_norms

Streams = dict[str, keras.KerasTensor]


class Fusion:
    """Streams that stay apart: filters are shared, every norm is private, nothing is exchanged.

    Args:
        where: which norms are *places* of fusion; see `cen_keras.placement.exchanging_norms`.
        gamma_initializer: of the scales of these norms: a number or a Keras initializer; None keeps the network's
            own. A net that is compared with CEN starts from the same scales.
        gamma_constraint: of these scales, for instance "non_neg".
        freeze_statistics: norms keep their moving statistics in training, while gamma and beta learn.

    Raises:
        InputError: `freeze_statistics` is neither true nor false.
    """

    name = "none"

    def __init__(
        self,
        where: Where | None = None,
        gamma_initializer: Any = None,
        gamma_constraint: Any = None,
        freeze_statistics: bool = False,
    ):
        self.where = where
        self.gamma_initializer = scale_initializer(gamma_initializer)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        check_value("freeze_statistics", freeze_statistics, bool)
        self.freeze_statistics = bool(freeze_statistics)

    def places(self, graph: Graph, default: Where | None = None) -> tuple[str, ...]:
        """Returns the names of the norms at which a network's streams meet.

        Args:
            graph: of the network.
            default: takes the place of `where` where that is None.
        """
        touches = self.where is not None or self.gamma_initializer or self.gamma_constraint
        where = default if self.where is None else self.where
        return exchanging_norms(graph, where) if touches else ()

    def filters(
        self, layer: keras.layers.Layer, names: tuple[str, ...], copy: Callable[..., Any]
    ) -> dict[str, Any]:
        """Returns the layer that each stream is put through: one for all of them.

        Args:
            layer: of the plain network; not a norm.
            names: of the streams.
            copy: makes a copy of the layer with its weights; takes a suffix of its name.
        """
        return dict.fromkeys(names, copy())

    def norm(
        self, norm: keras.layers.Layer, names: tuple[str, ...], place: bool, **options: Any
    ) -> keras.layers.Layer:
        """Returns the layer over streams that a norm of the plain network becomes.

        Args:
            norm: of the plain network.
            names: of the streams.
            place: whether the streams meet here.
            **options: of the layer: name, dtype, and what a subclass adds; `kind` is its class.
        """
        kind = options.pop("kind", ModalityNorm)
        if place:
            options |= {
                "gamma_initializer": self.gamma_initializer,
                "gamma_constraint": self.gamma_constraint,
            }
        return kind(names, norm, freeze_statistics=self.freeze_statistics, **options)

    def meet(
        self, streams: Streams, number: int, count: int, name: str, norm: keras.layers.Layer | None
    ) -> tuple[Streams, Streams]:
        """Lets the streams meet at an output of the network: behind a stage of an encoder.

        Args:
            streams: modality -> (b, h, w, c).
            number: of the output, from 1.
            count: of outputs.
            name: of the output.
            norm: the kind of norm that the network has; None without one.

        Returns:
            What the rest of the network reads in their place, and what is given out.
        """
        return streams, streams

    def get_config(self) -> dict[str, Any]:
        """Returns the strategy as JSON holds it; `fusion_of` makes it again.

        Raises:
            InputError: `where` is a function.
        """
        if callable(self.where):
            raise InputError(
                "where is a function, which no file can hold; give a regular expression or the names of the norms."
            )
        words = self.where is None or isinstance(self.where, str)
        return {
            "name": self.name,
            **{name: getattr(self, name) for name in arguments_of(type(self))},
            "where": self.where if words else list(self.where),
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
        }


class Exchange(Fusion):
    """CEN: where a modality's scale is almost zero, the other modalities' channel takes the place (Eq. 6).

    Args:
        threshold: theta of Eq. 6, or None for the penalty without the exchange.
        sparsity: lambda of Eq. 4, counted once per step; 0 for none.
        scope: which channels may be replaced: "subpart", a modality's own part (the paper's figure), or "all" (the
            official code, needed for its checkpoints).
        where: which norms exchange: None for those whose channels one convolution reads, or a regular expression,
            names or a function of a name; see `cen_keras.placement.exchanging_norms`.
        sparsity_scope: which scales are penalised: "subpart" or "all".
        gamma_initializer: of the exchanging norms' scales: a number or a Keras initializer; None keeps the
            network's. Start small (0.3) where no pretrained scales are loaded: a scale at 1 does not reach zero in a
            short training.
        gamma_constraint: of the exchanging norms' scales, for instance "non_neg".
        freeze_statistics: train gamma and beta while the norms keep their moving statistics; a Segmenter's head,
            whose norms start without any, learns its own.

    Raises:
        InputError: an unknown scope, or a sparsity or threshold that is negative or no number.

    Reference:
        Wang et al., "Deep Multimodal Fusion by Channel Exchanging", NeurIPS 2020.
    """

    name = "exchange"

    def __init__(
        self,
        threshold: float | None = 2e-2,
        sparsity: float = 0.0,
        scope: str = "subpart",
        where: Where | None = None,
        sparsity_scope: str = "subpart",
        gamma_initializer: Any = None,
        gamma_constraint: Any = None,
        freeze_statistics: bool = False,
    ):
        super().__init__(where, gamma_initializer, gamma_constraint, freeze_statistics)
        for found in (scope, sparsity_scope):
            if found not in SCOPES:
                raise InputError(f"scope {found!r} is unknown; choose one of {SCOPES}.")
        check_value("sparsity", sparsity, float)
        check_value("threshold", threshold, float | None)
        if not sparsity >= 0:
            raise InputError(
                f"sparsity is the strength of a penalty, at least 0; found {sparsity}."
            )
        if threshold is not None and not threshold >= 0:
            raise InputError(
                f"threshold is at least 0, or None for no exchange; found {threshold}."
            )
        self.threshold = None if threshold is None else float(threshold)
        self.sparsity = float(sparsity)
        self.scope = scope
        self.sparsity_scope = sparsity_scope

    def places(self, graph: Graph, default: Where | None = None) -> tuple[str, ...]:
        """Returns the names of the norms that exchange."""
        return exchanging_norms(graph, default if self.where is None else self.where)

    def norm(self, norm, names, place, **options):
        """Returns the private norms of the streams, with exchange and penalty where they meet."""
        if place:
            options |= {
                "exchange_threshold": self.threshold,
                "exchange_scope": self.scope,
                "sparsity": self.sparsity,
                "sparsity_scope": self.sparsity_scope,
            }
        return super().norm(norm, names, place, **options)


def arguments_of(kind: type[Fusion]) -> tuple[str, ...]:
    """Returns the names of a strategy's arguments, those of its bases among them; each is an attribute, too."""
    return tuple(
        dict.fromkeys(
            parameter.name
            for base in kind.__mro__[:-1]
            for parameter in inspect.signature(base.__init__).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD and parameter.name != "self"
        )
    )
