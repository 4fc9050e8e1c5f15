"""CEN on SUN RGB-D, PSPNet on a dilated ResNet-152. Has not been run.

Expected: 51.1 % mIoU of the ensemble, 63.2 % mean and 83.5 % pixel accuracy, as TokenFusion (arXiv
2204.08721, Table 2) reports of CEN; presumably tested on several scales. The official code holds
neither PSPNet nor this data set, so take the number for no promise; nothing has been measured here.
Settings as in sunrgbd_cen_refinenet101, net and memory as in nyudv2_cen_pspnet152.

    python -m recipes.train sunrgbd_cen_pspnet152
    python -m recipes.evaluate runs/sunrgbd_cen_pspnet152 --scales 0.5,0.75,1,1.25,1.5,1.75 --flip
"""

from recipes.segmentation import nyudv2_cen_pspnet152, sunrgbd_cen_refinenet152

RECIPE = sunrgbd_cen_refinenet152.RECIPE.derive(
    "sunrgbd_cen_pspnet152", model=nyudv2_cen_pspnet152.RECIPE.model
)
