"""Quantisers: a float artifact into one of integers."""
