"""The control of rooms_tiny on colour alone: the same net, data and number of steps."""

from recipes import rooms_tiny

RECIPE = rooms_tiny.RECIPE.derive("rooms_tiny_rgb", model={"modalities": ("rgb",)})
