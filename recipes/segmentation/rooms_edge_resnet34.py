"""The control of rooms_edge_m: ResNet-34 with a light decoder of 256 filters, trained the same way.

    python -m recipes.train rooms_edge_resnet34 --set policy=mixed_bfloat16

mIoU % of the ensemble, from docs/measurements/edge_control.csv:

                                           val             test        seconds of one thread
    views                               100     400     100     400
    rooms_edge_m                        63.2    63.1    61.3    62.3         2772
    this recipe, in mixed_bfloat16      65.5    63.9    61.7    63.2         7482, with pauses

One room gives four views: 25 rooms, or 100. In float32 a step takes 6.4 s of one thread, in bfloat16 about 4.
"""

from recipes.segmentation import rooms_edge_m

RECIPE = rooms_edge_m.RECIPE.derive(
    "rooms_edge_resnet34",
    model={"backbone": "resnet34", "decoder_options": {"filters": 256}},
)
