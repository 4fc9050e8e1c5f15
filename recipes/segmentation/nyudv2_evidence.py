"""CEN on NYUDv2 from ImageNet weights for 400 steps: what the tables of real pictures are made of.

    python -m recipes.evidence baselines ablation --data nyudv2 --root FOLDER

Everything but the number of steps, the penalty and the warm-up is nyudv2_lite0's.
"""

import dataclasses

from recipes.segmentation.nyudv2_lite0 import RECIPE as LITE0

RECIPE = LITE0.derive(
    "nyudv2_evidence",
    model={"fusion": {"sparsity": 2e-3}},
    epochs=2,
    optimizer=dataclasses.replace(LITE0.optimizer, warmup_steps=50),
)
