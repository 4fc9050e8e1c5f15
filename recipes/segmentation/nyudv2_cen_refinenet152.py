r"""CEN on NYUDv2, RefineNet on ResNet-152: the official code's setting. Has not been run.

Expected, single scale: 51.6 % mIoU of the ensemble, 64.4 % mean and 77.0 % pixel accuracy, which
the official repository's README reports. For several scales 52.2 is reported for the paper; that was not
checked against it. Nothing of it has been measured here.

    curl -o weights/resnet152-b121ed2d.pth --create-dirs \
        https://download.pytorch.org/models/resnet152-b121ed2d.pth
    python -m recipes.train nyudv2_cen_refinenet152

As nyudv2_cen_refinenet101, but three stages of 150 epochs: 59,400 steps, by calculation 1.6 times
that recipe's work on a GPU of 48 GB or more.
"""

import dataclasses

from recipes.segmentation import nyudv2_cen_refinenet101

_BASE = nyudv2_cen_refinenet101.RECIPE

RECIPE = _BASE.derive(
    "nyudv2_cen_refinenet152",
    model={"backbone": "resnet152"},
    pretrained="weights/resnet152-b121ed2d.pth",
    optimizer=dataclasses.replace(_BASE.optimizer, stage_epochs=(150, 150, 150)),
    epochs=450,
)
