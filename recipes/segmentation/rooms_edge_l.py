"""The architecture of cen_edge_l, trained as rooms_edge_m. Has not been run.

    python -m recipes.train rooms_edge_l

By calculation 1.6 times the work of rooms_edge_m.
"""

from recipes.segmentation import rooms_edge_m

RECIPE = rooms_edge_m.RECIPE.derive(
    "rooms_edge_l",
    model={"backbone": "mobilenet_l"},
)
