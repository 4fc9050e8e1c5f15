"""The recipe rooms_tiny with modality dropout: what it costs to go on when a camera fails.

    python -m recipes.train rooms_tiny_dropout
    python -m recipes.evaluate runs/rooms_tiny_dropout --without depth

Every fifth view loses its colours or its depth. mIoU % on the 200 views of rooms_tiny, one seed,
two CPU cores, both as trained here (rooms_tiny on another day: 52.7, see there):

                     rooms_tiny                with dropout
    connected     rgb   depth  ensemble     rgb   depth  ensemble
    both         50.5   51.5     53.2      49.1   49.0     50.6
    rgb only      3.0    2.0      2.2      25.9   22.0     24.5
    depth only   29.5   33.8     33.0      31.8   33.8     33.6

The price is 2.6 points while both are connected; without it a lost depth camera leaves nothing.
"""

from recipes.segmentation import rooms_tiny

RECIPE = rooms_tiny.RECIPE.derive("rooms_tiny_dropout", augmentation={"modality_dropout": 0.2})
