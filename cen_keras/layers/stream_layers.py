"""The vocabulary of backbones and decoders: what a network does to all its streams at once.

A backbone reads like its paper (`layers.conv`, `layers.norm`, `layers.relu`); what the modalities share, what they own
and where they exchange is decided here once.
"""

import dataclasses
from functools import partial

import keras

from cen_keras.errors import InputError
from cen_keras.layers.fusion import FUSED, Alignment, Fusion, aggregate
from cen_keras.layers.modality_norm import ModalityNorm
from cen_keras.layers.resize import BilinearResize
from cen_keras.layers.shared import SharedConv2D, SharedConv2DTranspose, SharedDepthwiseConv2D

Streams = dict[str, keras.KerasTensor]


def scale_initializer(value):
    """Returns the initializer of the exchanging norms' scales that a model's argument means.

    Args:
        value: a number for all scales, or what `keras.initializers.get` takes: a name, an
            initializer or its serialised dict.

    Raises:
        ValueError: Keras knows no initializer of that name.
    """
    if isinstance(value, (int, float)):
        return keras.initializers.Constant(value)
    return keras.initializers.get(value)


@dataclasses.dataclass(frozen=True)
class StreamLayers:
    """Builds layers over streams, dicts modality -> (b, h, w, c), in a functional model.

    Attributes:
        modalities: names of the streams, in order.
        exchange_threshold: theta of Eq. 6, or None for no exchange.
        exchange_scope: "subpart" or "all".
        sparsity: lambda of Eq. 4, on the scales of exchanging norms.
        sparsity_scope: "subpart" or "all".
        gamma_initializer: of the scales of exchanging norms; other scales start at 1.
        gamma_constraint: of the scales of exchanging norms.
        freeze_statistics: normalise with the moving statistics in training too.
        exchange_criterion: what is compared with theta: "gamma", "random" or "variance".
        norm_kind: "batch" or "instance".
        shared_filters: one set of filters for all streams, or one for each.
        shared_norms: one norm for all streams instead of private ones; no exchange then.
        fusion: where and how the streams meet; any method but "exchange" goes without exchange and
            penalty.

    Raises:
        InputError: a modality has the name of the fused stream.
    """

    modalities: tuple[str, ...]
    exchange_threshold: float | None = None
    exchange_scope: str = "subpart"
    sparsity: float = 0.0
    sparsity_scope: str = "subpart"
    gamma_initializer: object = "ones"
    gamma_constraint: object = None
    exchange_criterion: str = "gamma"
    freeze_statistics: bool = False
    norm_kind: str = "batch"
    shared_filters: bool = True
    shared_norms: bool = False
    fusion: Fusion = Fusion()

    def __post_init__(self):
        if FUSED in self.modalities:
            raise InputError(f"no modality may be called {FUSED!r}; found {self.modalities!r}.")

    def names(self, streams: Streams) -> tuple[str, ...]:
        """Returns the streams' names in the order of the modalities; a fused stream stands alone."""
        return (FUSED,) if FUSED in streams else self.modalities

    def _each(self, make, streams: Streams, name: str) -> Streams:
        """Gives every stream its own copy of a layer without weights."""
        return {m: make(name=f"{name}_{m}")(streams[m]) for m in self.names(streams)}

    def _filtered(self, make, streams: Streams, name: str) -> Streams:
        """Applies one layer with filters to all streams, or with private filters one to each."""
        private = not self.shared_filters or self.fusion.protocol == "common"
        if FUSED in streams or not private:
            return make(name=name)(streams)
        return {m: make(name=f"{name}_{m}")({m: streams[m]})[m] for m in self.names(streams)}

    def conv(
        self,
        streams: Streams,
        filters: int,
        kernel_size: int,
        *,
        name: str,
        strides: int = 1,
        padding: str = "symmetric",
        dilation_rate: int = 1,
        use_bias: bool = False,
        **kwargs,
    ) -> Streams:
        """Convolution; without a bias unless told, since a norm follows."""
        make = partial(
            SharedConv2D,
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            use_bias=use_bias,
            kernel_initializer=kwargs.pop("kernel_initializer", "he_normal"),
            **kwargs,
        )
        return self._filtered(make, streams, name)

    def conv_transpose(
        self, streams: Streams, filters: int, kernel_size: int, *, name: str, **kwargs
    ) -> Streams:
        """Transposed convolution, as `keras.layers.Conv2DTranspose`."""
        make = partial(SharedConv2DTranspose, filters, kernel_size, **kwargs)
        return self._filtered(make, streams, name)

    def depthwise(
        self,
        streams: Streams,
        kernel_size: int,
        *,
        name: str,
        strides: int = 1,
        padding: str = "symmetric",
    ) -> Streams:
        """Depthwise convolution without a bias."""
        make = partial(
            SharedDepthwiseConv2D,
            kernel_size,
            strides=strides,
            padding=padding,
            use_bias=False,
            depthwise_initializer="he_normal",
        )
        return self._filtered(make, streams, name)

    def norm(self, streams: Streams, *, name: str, exchange: bool = False) -> Streams:
        """Private norm per modality; with `exchange`, the penalised and exchanging one."""
        special = {}
        if exchange and self.fusion.method == "exchange":
            special = {
                "exchange_threshold": self.exchange_threshold,
                "exchange_scope": self.exchange_scope,
                "exchange_criterion": self.exchange_criterion,
                "sparsity": self.sparsity,
                "sparsity_scope": self.sparsity_scope,
            }
        if exchange:
            # A net that is compared with CEN starts from the same scales.
            special |= {
                "gamma_initializer": self.gamma_initializer,
                "gamma_constraint": self.gamma_constraint,
            }
        return ModalityNorm(
            self.names(streams),
            shared=self.shared_norms and FUSED not in streams,
            kind=self.norm_kind,
            freeze_statistics=self.freeze_statistics,
            name=name,
            **special,
        )(streams)

    def relu(self, streams: Streams, *, name: str, max_value: float | None = None) -> Streams:
        """ReLU, or ReLU6 with `max_value=6`."""
        return self._each(
            lambda name: keras.layers.ReLU(max_value=max_value, name=name), streams, name
        )

    def leaky_relu(self, streams: Streams, slope: float, *, name: str) -> Streams:
        """Leaky ReLU: x where x is positive, slope * x elsewhere."""
        return self._each(
            lambda name: keras.layers.LeakyReLU(negative_slope=slope, name=name), streams, name
        )

    def tanh(self, streams: Streams, *, name: str) -> Streams:
        """Hyperbolic tangent, float32 whatever the policy: it makes images, not features."""
        return self._each(
            lambda name: keras.layers.Activation("tanh", dtype="float32", name=name), streams, name
        )

    def add(self, left: Streams, right: Streams, *, name: str) -> Streams:
        """Sum of two feature maps, stream by stream."""
        return {
            m: keras.layers.Add(name=f"{name}_{m}")([left[m], right[m]]) for m in self.names(left)
        }

    def concat(self, parts: list[Streams], *, name: str) -> Streams:
        """Concatenation of feature maps along the channels, stream by stream."""
        return {
            m: keras.layers.Concatenate(name=f"{name}_{m}")([part[m] for part in parts])
            for m in self.names(parts[0])
        }

    def max_pool(
        self, streams: Streams, size: int, *, name: str, strides: int = 1, padding: str = "same"
    ) -> Streams:
        """Maximum over windows; "same" pads with -inf, "symmetric" with zeros on both sides (after a ReLU)."""
        if padding == "symmetric":
            streams = self._each(
                lambda name: keras.layers.ZeroPadding2D((size - 1) // 2, name=name),
                streams,
                f"{name}_pad",
            )
            padding = "valid"
        return self._each(
            lambda name: keras.layers.MaxPooling2D(size, strides, padding, name=name), streams, name
        )

    def dropout(self, streams: Streams, rate: float, *, name: str, seed: int = 0) -> Streams:
        """Dropout, drawn for each stream by itself; each layer's name takes part in its seed."""
        if not rate:
            return streams
        return {
            m: keras.layers.Dropout(rate, seed=seed + index, name=f"{name}_{m}")(streams[m])
            for index, m in enumerate(self.names(streams))
        }

    def resize_like(
        self, streams: Streams, like: Streams, *, name: str, mode: str = "half_pixel"
    ) -> Streams:
        """Bilinear resizing to the height and width of other streams."""
        return BilinearResize(mode=mode, name=name)(streams, like=like)

    def fuse(
        self, streams: Streams, *, stage: int, stages: int, name: str
    ) -> tuple[Streams, Streams]:
        """Lets the streams meet behind a stage of the encoder, where the fusion method says so.

        CEN itself needs nothing here: its streams meet in the norms.

        Args:
            streams: the stage's features.
            stage: number of the stage, from 1.
            stages: of the encoder.
            name: of the layers.

        Returns:
            What the encoder's next stage reads, and what the decoder reads of this one.
        """
        fusion, taps = self.fusion, self.fusion.taps(stages)
        if FUSED in streams or len(self.modalities) == 1 or not (fusion.joins or stage in taps):
            return streams, streams
        if fusion.method == "align":
            align = Alignment(fusion.option("kernel"), fusion.option("weight"), name=name)
            streams = align(streams)
        if not fusion.aggregates:
            return streams, streams
        method = fusion.method if stage in taps else "average"
        eta = fusion.option("eta") if method == "attention" else 1
        fused = aggregate(self, streams, method, eta, name)
        if not fusion.joins:
            fused = {m: fused[FUSED] for m in self.modalities}
            return fused, fused
        return (fused if stage == max(taps) else streams), fused
