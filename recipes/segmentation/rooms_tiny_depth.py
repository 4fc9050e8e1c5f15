"""The control of rooms_tiny on depth alone: the same net, data and number of steps.

    python -m recipes.train rooms_tiny_depth

Expect 40.5 % mIoU, where rooms_tiny's ensemble has 52.7: what the other modality is worth.
"""

from recipes.segmentation import rooms_tiny

RECIPE = rooms_tiny.RECIPE.derive("rooms_tiny_depth", model={"modalities": ("depth",)})
