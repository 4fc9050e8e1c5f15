"""From a trained run folder to a model that runs on a board, with proof that nothing was lost."""
