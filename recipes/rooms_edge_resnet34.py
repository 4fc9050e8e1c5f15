"""The control of rooms_edge_m: ResNet-34 and the light decoder, trained the same way.

    python -m recipes.train rooms_edge_resnet34

A step of the recipe as it stands took 6.4 s of one thread, ten times one of rooms_edge_m: a GPU, or
a night. Both were trained for 1000 steps of smaller windows instead (`--set batch=8 --set
augmentation.size=128,160 --set epochs=5 --set evaluation.every=5`, 2.5 s and 0.25 s a step): the
ensemble has 44.2 mIoU on 100 views of val and 41.7 of test where rooms_edge_m has 30.8 and 28.3
(docs/measurements/edge_control.csv). Step for step the small net learns more slowly. Given half of
the control's processor time (20 minutes, its own recipe) it has 61.6 and 58.5; what the control
would have at the end of the recipe is not known.
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
