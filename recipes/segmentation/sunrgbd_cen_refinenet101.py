"""CEN on SUN RGB-D, RefineNet on ResNet-101. Has not been run.

Expected, single scale: 49.6 % mIoU of the ensemble, 60.9 % mean and 82.0 % pixel accuracy are reported
for the paper; they were not checked against it, and nothing has been measured here. The official
code has no list and no setting for this data set: the three stages of 20 epochs with halved rates
are reported for the paper (not checked either), all else is as for NYUDv2.

    python -m recipes.prepare.sunrgbd SUNRGBD --out datasets/sunrgbd
    python -m recipes.train sunrgbd_cen_refinenet101

880 steps an epoch, 52,800 in all: by calculation 1.3 times the work of nyudv2_cen_refinenet101, on
a GPU of 40 GB or more, plus evaluations of 5050 pictures.
"""

import dataclasses

from recipes.segmentation import nyudv2_cen_refinenet101

_BASE = nyudv2_cen_refinenet101.RECIPE

RECIPE = dataclasses.replace(
    _BASE,
    name="sunrgbd_cen_refinenet101",
    data={"name": "sunrgbd", "root": "datasets/sunrgbd"},
    optimizer=dataclasses.replace(
        _BASE.optimizer,
        learning_rate=(3e-3, 1.5e-3, 7.5e-4),
        encoder_learning_rate=(5e-4, 2.5e-4, 1.25e-4),
        stage_epochs=(20, 20, 20),
    ),
    epochs=60,
)
