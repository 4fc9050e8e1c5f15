"""CEN on Taskonomy, depth, normals and texture edges to RGB. Has not been run.

Expected of the ensemble: FID 60.90 and KID 1.56 (times 100), as TokenFusion (arXiv 2204.08721,
Table 7) reports of CEN. Nothing has been measured here; see taskonomy_shade_texture_to_rgb.
The official code stops at two modalities: here a replaced channel is the mean of the others (Eq. 6),
and every modality's own part is a third of the channels.

    python -m recipes.train taskonomy_depth_normal_texture_to_rgb
"""

from recipes.translation import taskonomy_shade_texture_to_rgb

RECIPE = taskonomy_shade_texture_to_rgb.RECIPE.derive(
    "taskonomy_depth_normal_texture_to_rgb",
    model={"modalities": ("depth_euclidean", "normal", "edge_texture"), "target": "rgb"},
)
