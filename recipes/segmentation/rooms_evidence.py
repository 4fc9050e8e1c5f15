"""CEN on small generated rooms for 600 steps: what the evidence tables are made of.

    python -m recipes.evidence baselines ablation

Everything but the number of steps and the sparsity is rooms_tiny's. The sparsity was chosen on seed
0, which is in no table: with 400 steps, 0.002 exchanged 62 % of the penalised channels and gave an
ensemble of 36.2 % mIoU, 0.005 83 % and 39.5, 0.02 99 % and 44.0, 0.05 100 % and 43.9; with 800 steps,
0.005 gave 54.8 and 0.02 55.6. The sooner the streams exchange, the better.

It is scored once, when it ends, so that no net is chosen by the views it is scored on. Beside rgb and
depth it knows how to normalise normals and edges, for nets of three and four modalities: by mean and
deviation over 80 views of the training rooms.
"""

import dataclasses

from recipes.segmentation.rooms_tiny import RECIPE as ROOMS_TINY

RECIPE = ROOMS_TINY.derive(
    "rooms_evidence",
    model={"fusion": {"sparsity": 2e-2}},
    epochs=6,
    normalization={
        "normal": {"scale": 1.0, "mean": [0.0, -0.07, -0.54], "std": [0.52, 0.56, 0.33]},
        "edge_texture": {"scale": 1.0, "mean": [0.067], "std": [0.1]},
    },
    evaluation=dataclasses.replace(ROOMS_TINY.evaluation, every=6),
)
