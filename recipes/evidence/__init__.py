"""Evidence: which of the paper's claims hold for this implementation, on generated rooms.

    python -m recipes.evidence --list
    python -m recipes.evidence baselines ablation --seeds 3

A *table* has rows, a row is a recipe with settings, a *cell* is a row with a seed: one training. The
modules build on each other in this order:

    cells, tables what is trained
    cell          trains and scores one cell, in a process and a run folder of its own
    runner        runs many, goes on where it was stopped
    records       finished cells as recipes/results/TABLE.csv
    claims, page  what the tables say about the paper's claims
"""
