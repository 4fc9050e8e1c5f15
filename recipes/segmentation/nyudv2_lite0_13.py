"""nyudv2_lite0 with NYUDv2's 13 classes: a fresh classifier on the same net, 600 steps.

    python -m recipes.train nyudv2_lite0 --set data.root=FOLDER
    python -m recipes.train nyudv2_lite0_13 --set data.root=FOLDER

Everything but the classifier starts from the first line's weights and moves slowly. The preset cen_lite0_nyudv2_13 is
this recipe's: on 436 of the 654 test pictures rgb 48.8, depth 49.0, ensemble 50.5 % mIoU. With `--set
pretrained=preset:cen_lite0_nyudv2` it has 48.7, 47.5 and 49.3.
"""

import dataclasses

from recipes.segmentation.nyudv2_lite0 import RECIPE as LITE0

RECIPE = LITE0.derive(
    "nyudv2_lite0_13",
    data={"classes": 13, "mask_classes": 40},
    pretrained="run:runs/nyudv2_lite0",
    small_scales=None,
    optimizer=dataclasses.replace(
        LITE0.optimizer, learning_rate=5e-4, encoder_learning_rate=1e-4, warmup_steps=50
    ),
    epochs=3,
)
