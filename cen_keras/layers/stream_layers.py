"""The vocabulary of backbones and decoders: what a network does to all its streams at once.

A backbone reads like its paper (`layers.conv`, `layers.norm`, `layers.relu`); what the modalities share, what they own
and where they exchange is decided here once.
"""

import dataclasses

import keras

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
        norm_kind: "batch" or "instance".
    """

    modalities: tuple[str, ...]
    exchange_threshold: float | None = None
    exchange_scope: str = "subpart"
    sparsity: float = 0.0
    sparsity_scope: str = "subpart"
    gamma_initializer: object = "ones"
    gamma_constraint: object = None
    freeze_statistics: bool = False
    norm_kind: str = "batch"

    def _each(self, make, streams: Streams, name: str) -> Streams:
        """Gives every stream its own copy of a layer without weights."""
        return {m: make(name=f"{name}_{m}")(streams[m]) for m in self.modalities}

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
        """Shared convolution; without a bias unless told, since a norm follows."""
        return SharedConv2D(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            use_bias=use_bias,
            kernel_initializer=kwargs.pop("kernel_initializer", "he_normal"),
            name=name,
            **kwargs,
        )(streams)

    def conv_transpose(
        self, streams: Streams, filters: int, kernel_size: int, *, name: str, **kwargs
    ) -> Streams:
        """Shared transposed convolution, as `keras.layers.Conv2DTranspose`."""
        return SharedConv2DTranspose(filters, kernel_size, name=name, **kwargs)(streams)

    def depthwise(
        self,
        streams: Streams,
        kernel_size: int,
        *,
        name: str,
        strides: int = 1,
        padding: str = "symmetric",
    ) -> Streams:
        """Shared depthwise convolution without a bias."""
        return SharedDepthwiseConv2D(
            kernel_size,
            strides=strides,
            padding=padding,
            use_bias=False,
            depthwise_initializer="he_normal",
            name=name,
        )(streams)

    def norm(self, streams: Streams, *, name: str, exchange: bool = False) -> Streams:
        """Private norm per modality; with `exchange`, the penalised and exchanging one."""
        special = {}
        if exchange:
            special = {
                "exchange_threshold": self.exchange_threshold,
                "exchange_scope": self.exchange_scope,
                "sparsity": self.sparsity,
                "sparsity_scope": self.sparsity_scope,
                "gamma_initializer": self.gamma_initializer,
                "gamma_constraint": self.gamma_constraint,
            }
        return ModalityNorm(
            self.modalities,
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
            m: keras.layers.Add(name=f"{name}_{m}")([left[m], right[m]]) for m in self.modalities
        }

    def concat(self, parts: list[Streams], *, name: str) -> Streams:
        """Concatenation of feature maps along the channels, stream by stream."""
        return {
            m: keras.layers.Concatenate(name=f"{name}_{m}")([part[m] for part in parts])
            for m in self.modalities
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
            for index, m in enumerate(self.modalities)
        }

    def resize_like(
        self, streams: Streams, like: Streams, *, name: str, mode: str = "half_pixel"
    ) -> Streams:
        """Bilinear resizing to the height and width of other streams."""
        return BilinearResize(mode=mode, name=name)(streams, like=like)
