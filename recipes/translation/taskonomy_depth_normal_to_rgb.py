"""CEN on Taskonomy, depth and normals to RGB. Has not been run.

Expected of the ensemble: FID 84.33 and KID 2.70 (times 100), as TokenFusion (arXiv 2204.08721,
Table 1) reports of CEN. Nothing has been measured here; see taskonomy_shade_texture_to_rgb.

    python -m recipes.train taskonomy_depth_normal_to_rgb
"""

from recipes.translation import taskonomy_shade_texture_to_rgb

RECIPE = taskonomy_shade_texture_to_rgb.RECIPE.derive(
    "taskonomy_depth_normal_to_rgb",
    model={"modalities": ("depth_euclidean", "normal"), "target": "rgb"},
)
