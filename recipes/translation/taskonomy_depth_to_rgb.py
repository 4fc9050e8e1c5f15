"""CEN on Taskonomy, depth alone to RGB. Has not been run.

Expected of the ensemble: FID 113.91 and KID 5.68 (times 100), as TokenFusion (arXiv 2204.08721,
Table 7) reports of CEN. Nothing has been measured here; see taskonomy_shade_texture_to_rgb.
One modality has nothing to exchange and no penalty; the official script penalises it nevertheless.

    python -m recipes.train taskonomy_depth_to_rgb
"""

from recipes.translation import taskonomy_shade_texture_to_rgb

RECIPE = taskonomy_shade_texture_to_rgb.RECIPE.derive(
    "taskonomy_depth_to_rgb", model={"modalities": ("depth_euclidean",), "target": "rgb"}
)
