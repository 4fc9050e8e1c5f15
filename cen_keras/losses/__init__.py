"""Losses and penalties."""

from cen_keras.losses.segmentation import SegmentationLoss
from cen_keras.losses.sparsity import SubpartL1

__all__ = ["SegmentationLoss", "SubpartL1"]
