"""The control of nyudv2_cen_refinenet101 on colour alone. Has not been run.

Expected, single scale: 45.5 % mIoU is reported in the paper's table of fusion methods (RefineNet,
ResNet-101, rgb); it was not checked against the paper, and nothing has been measured here.

    python -m recipes.train nyudv2_rgb_refinenet101

One stream is the plain network: no exchange and no penalty. The official script would go on
penalising half of the scales of every block, unless it gets `--lamda 0`, so its "uni-modal" runs
are not quite this. About half the work of nyudv2_cen_refinenet101, on a GPU of 24 GB or more.
"""

from recipes.segmentation import nyudv2_cen_refinenet101

RECIPE = nyudv2_cen_refinenet101.RECIPE.derive(
    "nyudv2_rgb_refinenet101",
    model={"modalities": ("rgb",), "fusion": {"threshold": None, "sparsity": 0.0}},
)
