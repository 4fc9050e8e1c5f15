"""CEN on NYUDv2, PSPNet on a dilated ResNet-152: the paper's best numbers. Has not been run.

Expected: 52.5 % mIoU of the ensemble, 65.0 % mean and 77.7 % pixel accuracy, as TokenFusion (arXiv
2204.08721, Table 2) reports of CEN; presumably tested on several scales. The official code holds no
PSPNet: net and head are from its published architecture, the training is that of
nyudv2_cen_refinenet152, and whether the paper's was the same is not known. Do not take the number
for a promise. Nothing of it has been measured here.

    python -m recipes.train nyudv2_cen_pspnet152
    python -m recipes.evaluate runs/nyudv2_cen_pspnet152 --scales 0.5,0.75,1,1.25,1.5,1.75 --flip

Two streams at an eighth of 500x500 through 36 blocks need much memory: one GPU of 80 GB, or
`--set batch=2 --set optimizer.accumulate=3`. Hours are not known. The head's norms are new, so they
gather statistics, while ImageNet's stay as they are.
"""

from recipes.segmentation import nyudv2_cen_refinenet152

RECIPE = nyudv2_cen_refinenet152.RECIPE.derive(
    "nyudv2_cen_pspnet152",
    model={
        "backbone": "resnet152_dilated",
        "decoder": "pspnet",
        "decoder_options": {"dropout": 0.1},
    },
)
