"""The paper's theorem, measured; `python -m recipes.evidence.theorem`."""
