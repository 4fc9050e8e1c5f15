"""Aggregation: the streams' maps become one behind stages of the encoder.

    average    mean of the streams
    concat     channels side by side, then a 1x1 convolution back to C channels and a norm
    attention  the block of SSMA (Valada et al., IJCV 2020): channels side by side are weighted by a
               sigmoid of a bottleneck of 3x3 convolutions, then a 3x3 convolution to C and a norm

The paper says that these are used and little of how. What is **our choice**, not the paper's: the
stages (early: after the first; middle: after half of them; late: after the last; all: after each),
the fused map taking the place of every stream's own, no activation after the norm, SSMA's eta of 4,
and in the common protocol that levels before the fusion point reach the decoder as their average.

So where an aggregation meets at all stages in the same setting, a decoder reads the same maps for
every stream; one without private norms (the RefineNets) then gives all streams the same logits.
"""

from typing import Any

import keras

from cen_keras.baselines.stages import AtStages, stages_of
from cen_keras.errors import InputError
from cen_keras.fusion import Fusion, Streams
from cen_keras.layers import blocks
from cen_keras.layers.streams import FUSED


class Aggregation(AtStages):
    """Base of the aggregations; see `AtStages` for the arguments.

    In the protocol "same_setting" the fused map is fed to all streams, in "common" one trunk is left behind the fusion
    point, whose stream is called "fused".

    Raises:
        InputError: a modality has the name of the fused stream.
    """

    def meet(self, streams, number, count, name, norm):
        """Fuses behind the stages that were asked for."""
        if FUSED in streams and len(streams) > 1:
            raise InputError(f"no modality may be called {FUSED!r}; found {tuple(streams)!r}.")
        stages = stages_of(self.stage, count)
        joins = self.protocol == "common"
        if len(streams) == 1 or not (joins or number in stages):
            return streams, streams
        maps, name = list(streams.values()), f"{name}_fusion"
        fused = self.fuse(maps, name, norm) if number in stages else _average(maps, name)
        if not joins:
            fused = dict.fromkeys(streams, fused)
            return fused, fused
        fused = {FUSED: fused}
        return (fused if number == max(stages) else streams), fused

    def fuse(self, maps: list, name: str, norm: keras.layers.Layer | None) -> keras.KerasTensor:
        """Returns one map (b, h, w, c) of the streams' maps.

        Args:
            maps: of the streams, in order, each (b, h, w, c).
            name: of the layers.
            norm: the kind of norm that the network has; None for BatchNormalization.
        """
        return _average(maps, name)

    def reduced(self, x, channels: int, size: int, name: str, norm) -> keras.KerasTensor:
        """Convolves to `channels` and normalises."""
        x = blocks.conv(x, channels, size, name=f"{name}_reduce")
        if norm is None:
            norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        layer = Fusion.norm(self, norm, (FUSED,), False, name=f"{name}_norm")
        streams: Streams = layer({FUSED: x})
        return streams[FUSED]


class Average(Aggregation):
    """Mean of the streams; see `Aggregation`."""

    name = "average"


class Concat(Aggregation):
    """Channels side by side and a 1x1 convolution; see `Aggregation`."""

    name = "concat"

    def fuse(self, maps, name, norm):
        """Returns the fused map."""
        x = keras.layers.Concatenate(name=f"{name}_concat")(maps)
        return self.reduced(x, maps[0].shape[-1], 1, name, norm)


class Attention(Aggregation):
    """SSMA's gated concatenation; see `Aggregation`.

    Args:
        eta: the bottleneck: its width is M * c / eta.
        **options: of `Aggregation`.

    Raises:
        InputError: eta is no whole number from 1 on.
    """

    name = "attention"

    def __init__(self, eta: int = 4, **options: Any):
        super().__init__(**options)
        if not isinstance(eta, int) or eta < 1:
            raise InputError(f"eta is a whole number from 1 on; found {eta!r}.")
        self.eta = eta

    def fuse(self, maps, name, norm):
        """Returns the fused map."""
        x = keras.layers.Concatenate(name=f"{name}_concat")(maps)
        wide = x.shape[-1]
        y = blocks.conv(x, max(1, wide // self.eta), 3, use_bias=True, name=f"{name}_squeeze")
        y = blocks.relu(y, name=f"{name}_relu")
        y = blocks.conv(
            y, wide, 3, use_bias=True, name=f"{name}_excite", kernel_initializer="glorot_uniform"
        )
        gates = keras.layers.Activation("sigmoid", name=f"{name}_gates")(y)
        x = keras.layers.Multiply(name=f"{name}_gated")([x, gates])
        return self.reduced(x, maps[0].shape[-1], 3, name, norm)


def _average(maps, name):
    return keras.layers.Average(name=f"{name}_average")(maps)
