"""The architecture of cen_edge_s, trained as rooms_edge_m. Has not been run.

    python -m recipes.train rooms_edge_s

By calculation a quarter of the work of rooms_edge_m.
"""

from recipes import rooms_edge_m

RECIPE = rooms_edge_m.RECIPE.derive(
    "rooms_edge_s",
    model={
        "backbone": "mobilenet_s",
        "decoder_options": {"filters": 32, "pooling_stages": 2},
    },
)
