"""CEN on Taskonomy, RGB and edges to depth. Has not been run.

Expected of the ensemble: MAE 0.028 and root of MSE 0.066, as TokenFusion (arXiv 2204.08721,
Table 1) reports of CEN. Nothing has been measured here; see taskonomy_shade_texture_to_rgb.
The table calls the second MSE; it fits the root of it, on the scale -1..1.
That the edges of the paper's table are occlusion edges is our reading: it names texture edges apart.

    python -m recipes.train taskonomy_rgb_edge_to_depth
"""

from recipes.translation import taskonomy_shade_texture_to_rgb

RECIPE = taskonomy_shade_texture_to_rgb.RECIPE.derive(
    "taskonomy_rgb_edge_to_depth",
    model={"modalities": ("rgb", "edge_occlusion"), "target": "depth_euclidean"},
)
