"""Trains cells and gathers what they found; `python -m recipes.evidence.run` trains one."""
