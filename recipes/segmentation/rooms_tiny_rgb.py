"""The control of rooms_tiny on colour alone: the same net, data and number of steps.

    python -m recipes.train rooms_tiny_rgb

Expect 33.4 % mIoU, where rooms_tiny's ensemble has 52.7: what the other modality is worth.
"""

from recipes.segmentation import rooms_tiny

RECIPE = rooms_tiny.RECIPE.derive("rooms_tiny_rgb", model={"modalities": ("rgb",)})
