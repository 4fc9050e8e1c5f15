"""Recipes of segmentation, one a file."""
