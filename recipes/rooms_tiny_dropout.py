"""The recipe rooms_tiny with modality dropout: what it costs to go on when a camera fails.

    python -m recipes.train rooms_tiny_dropout
    python -m recipes.evaluate runs/rooms_tiny_dropout --without depth

Every fifth view loses its colours or its depth. Has not been run in full length.
"""

from recipes import rooms_tiny

RECIPE = rooms_tiny.RECIPE.derive("rooms_tiny_dropout", augmentation={"modality_dropout": 0.2})
