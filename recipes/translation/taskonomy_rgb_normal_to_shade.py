"""CEN on Taskonomy, RGB and normals to shade. Has not been run.

Expected of the ensemble: MAE 0.110 and root of MSE 0.172, as TokenFusion (arXiv 2204.08721,
Table 1) reports of CEN. Nothing has been measured here; see taskonomy_shade_texture_to_rgb.
The table calls the second MSE; it fits the root of it, on the scale -1..1.

    python -m recipes.train taskonomy_rgb_normal_to_shade
"""

from recipes.translation import taskonomy_shade_texture_to_rgb

RECIPE = taskonomy_shade_texture_to_rgb.RECIPE.derive(
    "taskonomy_rgb_normal_to_shade", model={"modalities": ("rgb", "normal"), "target": "reshading"}
)
