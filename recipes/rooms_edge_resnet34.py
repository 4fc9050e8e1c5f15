"""The control of rooms_edge_m: ResNet-34 and the light decoder, trained the same way. Has not been run.

    python -m recipes.train rooms_edge_resnet34

A step took 6.5 times the processor time of one of rooms_edge_m (4.1 s and 0.63 s for 12 windows of
192x256, one thread): a GPU, or a night.
"""

from recipes import rooms_edge_m

RECIPE = rooms_edge_m.RECIPE.derive(
    "rooms_edge_resnet34",
    model={
        "backbone": "resnet34",
        "decoder": "light_refinenet",
        "decoder_options": {"filters": 256},
    },
)
