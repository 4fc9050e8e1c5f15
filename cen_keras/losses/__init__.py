"""Losses and penalties."""

from cen_keras.losses.pixels import PixelLoss
from cen_keras.losses.regions import DiceLoss, LovaszSoftmaxLoss
from cen_keras.losses.segmentation import FocalLoss, SegmentationLoss
from cen_keras.losses.sparsity import SubpartL1

__all__ = [
    "DiceLoss",
    "FocalLoss",
    "LovaszSoftmaxLoss",
    "PixelLoss",
    "SegmentationLoss",
    "SubpartL1",
]
