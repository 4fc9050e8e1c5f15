"""CEN on SUN RGB-D, RefineNet on ResNet-152. Has not been run.

Expected: for several scales 50.8 % mIoU of the ensemble, 62.5 % mean and 83.2 % pixel accuracy are
reported for the paper; they were not checked against it, a single-scale number is not known, and nothing
has been measured here. Settings as in sunrgbd_cen_refinenet101.

    python -m recipes.train sunrgbd_cen_refinenet152
    python -m recipes.evaluate runs/sunrgbd_cen_refinenet152 --scales 0.75,1,1.25 --flip

A GPU of 48 GB or more; hours are not known.
"""

from recipes.segmentation import sunrgbd_cen_refinenet101

RECIPE = sunrgbd_cen_refinenet101.RECIPE.derive(
    "sunrgbd_cen_refinenet152",
    model={"backbone": "resnet152"},
    pretrained="weights/resnet152-b121ed2d.pth",
)
