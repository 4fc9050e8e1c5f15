"""Whole models: what a user calls `fit` on."""

from cen_keras.models.segmenter import Segmenter
from cen_keras.models.translator import Translator

__all__ = ["Segmenter", "Translator"]
