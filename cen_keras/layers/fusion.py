"""The fusion methods that CEN is compared with: where and how streams are aggregated or aligned.

    average    mean of the streams
    concat     channels side by side, then a 1x1 convolution back to C channels and a norm
    attention  the block of SSMA (Valada et al., IJCV 2020): channels side by side are weighted by a
               sigmoid of a bottleneck of 3x3 convolutions, then a 3x3 convolution to C and a norm
    align      the streams stay apart; a penalty pulls their features together (`Alignment`)

The paper tells that these are used and little of how. What is **our choice**, not the paper's: the
tap points (early: after the first stage; middle: after half of them; late: after the last; all:
after each), the fused map taking the place of every stream's own, no activation after the norm,
SSMA's eta of 4, and in the common protocol that levels before the fusion point reach the decoder as
their average.

So where an aggregation meets at all stages in the same setting, a decoder reads the same maps for
every stream; one without private norms (the RefineNets) then gives all streams the same logits.
"""

import dataclasses
import math

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.pyramid_pool import bin_matrix
from cen_keras.layers.streams import one_shape
from cen_keras.losses.alignment import KERNELS, mean_discrepancy

AGGREGATIONS = ("average", "concat", "attention")
METHODS = ("exchange", "none", *AGGREGATIONS, "align")
STAGES = ("early", "middle", "late", "all")
PROTOCOLS = ("same_setting", "common")
OPTIONS = {"attention": {"eta": 4}, "align": {"kernel": "rbf", "weight": 0.1}}
"""Method -> its options and their defaults."""

FUSED = "fused"
"""Name of the one stream that is left behind the fusion point of the common protocol."""


@dataclasses.dataclass(frozen=True)
class Fusion:
    """How and where the streams meet.

    Attributes:
        method: "exchange" (CEN), "none", "average", "concat", "attention" or "align".
        stage: "early", "middle", "late" or "all"; of no meaning for "exchange" and "none".
        protocol: "same_setting": shared filters, private norms, every stream to the end, the fused
            map fed to all of them. "common": private filters, and one trunk behind the fusion point
            (aggregations) or separate nets (align, none; "exchange" exchanges all the same).
        options: of the method; see OPTIONS.

    Raises:
        InputError: an unknown name or option, or an option's value that makes no sense.
    """

    method: str = "exchange"
    stage: str = "all"
    protocol: str = "same_setting"
    options: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for key, known in (("method", METHODS), ("stage", STAGES), ("protocol", PROTOCOLS)):
            found = getattr(self, key)
            if found not in known:
                named = "fusion" if key == "method" else f"fusion_{key}"
                raise InputError(f"{named} {found!r} is unknown; choose one of {', '.join(known)}.")
        known = OPTIONS.get(self.method, {})
        for name in self.options:
            if name not in known:
                raise InputError(
                    f"fusion_options: {self.method} has no {name!r}; known: "
                    f"{', '.join(known) or 'none'}."
                )
        if self.method == "align" and self.option("kernel") not in KERNELS:
            raise InputError(
                f"fusion_options: kernel {self.option('kernel')!r} is unknown; choose one of "
                f"{', '.join(KERNELS)}."
            )
        if self.method == "align" and not 0 <= self.option("weight") < math.inf:
            raise InputError(
                f"fusion_options: weight is at least 0 and finite; found {self.option('weight')}."
            )
        if self.method == "attention":
            eta = self.option("eta")
            if not isinstance(eta, int) or eta < 1:
                raise InputError(f"fusion_options: eta is a whole number from 1 on; found {eta!r}.")

    def option(self, name: str):
        """Returns an option's value."""
        return self.options.get(name, OPTIONS[self.method][name])

    @property
    def aggregates(self) -> bool:
        """Whether the streams' maps become one."""
        return self.method in AGGREGATIONS

    @property
    def joins(self) -> bool:
        """Whether one trunk is left behind the fusion point."""
        return self.aggregates and self.protocol == "common"

    def taps(self, stages: int) -> tuple[int, ...]:
        """Returns at which of an encoder's stages, counted from 1, the streams meet."""
        middle = (stages + 1) // 2
        return {
            "early": (1,),
            "middle": (middle,),
            "late": (stages,),
            "all": tuple(range(1, stages + 1)),
        }[self.stage]


@keras.saving.register_keras_serializable("cen_keras")
class Alignment(keras.layers.Layer):
    """Penalises the discrepancy of the streams' features and gives the streams unchanged (Eq. 3).

    The features compared are the means over a grid of at most 4x4 cells: C numbers for each cell of
    each image, so that the norm's own statistics do not make the comparison empty (the mean of an
    instance-normalised map over the whole image is its shift).

    Takes and gives a dict modality -> (b, h, w, c) floats.

    Args:
        kernel: "linear", "cubic" or "rbf"; see `cen_keras.losses.alignment`.
        weight: of the penalty, averaged over pairs of streams; counted in training only.
    """

    CELLS = 4

    def __init__(self, kernel: str = "rbf", weight: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.kernel = kernel
        self.weight = float(weight)

    def build(self, input_shape):
        """Checks the shapes; there are no weights."""
        one_shape(input_shape)

    def call(self, streams, training=None):
        """Adds the penalty to the model's losses."""
        if training:
            cells = [self._cells(stream) for stream in streams.values()]
            pairs = [(a, b) for i, a in enumerate(cells) for b in cells[i + 1 :]]
            total = sum(mean_discrepancy(a, b, self.kernel) for a, b in pairs)
            self.add_loss(self.weight * total / len(pairs))
        return dict(streams)

    def _cells(self, stream):
        """Returns (cells * b, c) float32 means."""
        stream = ops.cast(stream, "float32")
        for axis, equation in ((1, "bhwc,ih->biwc"), (2, "bhwc,iw->bhic")):
            size = stream.shape[axis]
            bins = self.CELLS if size is None else min(self.CELLS, size)
            size = ops.shape(stream)[axis] if size is None else size
            stream = ops.einsum(equation, stream, bin_matrix(size, bins))
        return ops.reshape(stream, (-1, stream.shape[-1]))

    def compute_output_shape(self, input_shape):
        """Returns the shapes of the streams, unchanged."""
        return dict(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kernel": self.kernel, "weight": self.weight}


def aggregate(layers, streams: dict, method: str, eta: int, name: str):
    """Makes one map of the streams' maps.

    Args:
        layers: a `StreamLayers`, which builds the convolutions and norms of the fused stream.
        streams: modality -> (b, h, w, c), two or more.
        method: one of AGGREGATIONS.
        eta: attention's bottleneck: its width is M * c / eta.
        name: of the layers.

    Returns:
        {FUSED: (b, h, w, c)}.
    """
    maps = [streams[name] for name in layers.names(streams)]
    if method == "average":
        return {FUSED: keras.layers.Average(name=f"{name}_average")(maps)}
    channels = maps[0].shape[-1]
    x = {FUSED: keras.layers.Concatenate(name=f"{name}_concat")(maps)}
    size = 1
    if method == "attention":
        wide = len(maps) * channels
        y = layers.conv(x, max(1, wide // eta), 3, use_bias=True, name=f"{name}_squeeze")
        y = layers.relu(y, name=f"{name}_relu")
        y = layers.conv(
            y, wide, 3, use_bias=True, name=f"{name}_excite", kernel_initializer="glorot_uniform"
        )
        gates = keras.layers.Activation("sigmoid", name=f"{name}_gates")(y[FUSED])
        x = {FUSED: keras.layers.Multiply(name=f"{name}_gated")([x[FUSED], gates])}
        size = 3
    x = layers.conv(x, channels, size, name=f"{name}_reduce")
    return layers.norm(x, name=f"{name}_norm")
