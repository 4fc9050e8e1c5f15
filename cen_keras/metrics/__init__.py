"""Scores of predictions, and how much a model exchanges."""
