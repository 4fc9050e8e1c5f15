"""Whole models: what a user calls `fit` on."""

from cen_keras.models.segmenter import Segmenter

__all__ = ["Segmenter"]
