"""CEN on small generated rooms for half of rooms_tiny's steps: what the evidence tables are made of.

    python -m recipes.evidence baselines ablation

Everything but the number of steps is rooms_tiny's. It is scored once, when it ends, so that no net
is chosen by the views it is scored on. Beside rgb and depth it knows how to normalise normals and
edges, for nets of three and four modalities: by mean and deviation over 80 views of the training
rooms.
"""

import dataclasses

from recipes.rooms_tiny import RECIPE as ROOMS_TINY

RECIPE = ROOMS_TINY.derive(
    "rooms_evidence",
    epochs=4,
    normalization={
        "normal": {"scale": 1.0, "mean": [0.0, -0.07, -0.54], "std": [0.52, 0.56, 0.33]},
        "edge_texture": {"scale": 1.0, "mean": [0.067], "std": [0.1]},
    },
    evaluation=dataclasses.replace(ROOMS_TINY.evaluation, every=4),
)
