"""Recipes: a data set, a model and how to train it, each with what to expect of it.

A recipe is a module with a `RECIPE`; `python -m recipes.train --list` shows them all.
"""
