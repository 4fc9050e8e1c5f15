"""Quantisation-aware training of the frozen graph."""
