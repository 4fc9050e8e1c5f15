"""Layers: the exchange and what it takes, most of them over streams, dicts of tensors keyed by modality."""

from cen_keras.layers.ensemble import ModalityEnsemble
from cen_keras.layers.exchange import exchange_channels, kept_channels
from cen_keras.layers.fit_channels import FitChannels
from cen_keras.layers.instance_norm import InstanceNorm
from cen_keras.layers.join import Join
from cen_keras.layers.modality_norm import ModalityNorm
from cen_keras.layers.pyramid_pool import PyramidPool
from cen_keras.layers.resize import BilinearResize

__all__ = [
    "BilinearResize",
    "FitChannels",
    "InstanceNorm",
    "Join",
    "ModalityEnsemble",
    "ModalityNorm",
    "PyramidPool",
    "exchange_channels",
    "kept_channels",
]
