"""Layers over streams: dicts of tensors keyed by modality."""

from cen_keras.layers.ensemble import ModalityEnsemble
from cen_keras.layers.exchange import exchange_channels, kept_channels
from cen_keras.layers.instance_norm import InstanceNorm
from cen_keras.layers.modality_norm import ModalityNorm
from cen_keras.layers.pyramid_pool import PyramidPool
from cen_keras.layers.resize import BilinearResize
from cen_keras.layers.shared import SharedConv2D, SharedConv2DTranspose, SharedDepthwiseConv2D

__all__ = [
    "BilinearResize",
    "InstanceNorm",
    "ModalityEnsemble",
    "ModalityNorm",
    "PyramidPool",
    "SharedConv2D",
    "SharedConv2DTranspose",
    "SharedDepthwiseConv2D",
    "exchange_channels",
    "kept_channels",
]
