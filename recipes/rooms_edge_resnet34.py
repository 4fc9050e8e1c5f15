"""The control of rooms_edge_m: ResNet-34 with a light decoder of 256 filters, trained the same way.

    python -m recipes.train rooms_edge_resnet34 --set policy=mixed_bfloat16

mIoU % of the ensemble on 100 views each, from docs/measurements/edge_control.csv:

                                          val    test    seconds of one thread
    rooms_edge_m                          61.6   60.0    1906
    this recipe, in mixed_bfloat16        65.5   61.7    7482, pauses included
    after 1000 steps of smaller windows:
    rooms_edge_m                          43.4   42.1     550
    this recipe                           44.2   41.7    3124

In float32 a step takes 6.4 s of one thread, in bfloat16 about 4.
"""

from recipes import rooms_edge_m

RECIPE = rooms_edge_m.RECIPE.derive(
    "rooms_edge_resnet34",
    model={"backbone": "resnet34", "decoder_options": {"filters": 256}},
)
