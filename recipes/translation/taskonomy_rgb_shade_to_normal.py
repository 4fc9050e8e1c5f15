"""CEN on Taskonomy, RGB and shade to normals. Has not been run.

Expected of the ensemble: MAE 0.112 and root of MSE 0.251, as TokenFusion (arXiv 2204.08721,
Table 1) reports of CEN. Nothing has been measured here; see taskonomy_shade_texture_to_rgb.
The table calls the second MSE; it fits the root of it, on the scale -1..1.

    python -m recipes.train taskonomy_rgb_shade_to_normal
"""

from recipes.translation import taskonomy_shade_texture_to_rgb

RECIPE = taskonomy_shade_texture_to_rgb.RECIPE.derive(
    "taskonomy_rgb_shade_to_normal", model={"modalities": ("rgb", "reshading"), "target": "normal"}
)
