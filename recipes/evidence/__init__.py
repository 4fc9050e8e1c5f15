"""Evidence: which of the paper's claims hold for this implementation, on generated rooms.

    python -m recipes.evidence --list
    python -m recipes.evidence baselines ablation --seeds 3

A *table* has rows, a row is a recipe with settings, a *cell* is a row with a seed: one training. The
five parts build on each other in this order:

    experiments   cells and tables: what is trained
    run           trains one cell in a process and a run folder of its own, and many; goes on where it
                  was stopped; finished cells become recipes/results/TABLE.csv
    statistics    scores, paired comparisons, the paper's claims
    report        the page of results, and what a trained net shows
    theorem       the paper's theorem, measured on a trained net
"""
