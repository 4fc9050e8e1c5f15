"""CEN on Taskonomy, shade and texture edges to RGB: the official code's setting. Has not been run.

Expected: FID 62.63 and KID 1.65 (times 100) of the ensemble, as TokenFusion (arXiv 2204.08721,
Table 1) reports of CEN; the official repository's README says 62.6 / 1.65. They hold for the features
of Inception as of 2015-12-05, which Keras does not have, and for `official_protocol`. Nothing of it
has been measured here: the recipe has only been built, and stepped on generated files.

datasets/taskonomy holds a folder per domain and the lists of 1000 and 500 views of the official
repository (data/train_domain.txt, data/val_domain.txt):

    datasets/taskonomy/rgb/point_407_view_2_domain_rgb.png
    datasets/taskonomy/train_domain.txt

    python -m recipes.train taskonomy_shade_texture_to_rgb
    python -m recipes.evaluate runs/taskonomy_shade_texture_to_rgb

300,000 steps of one view; a GPU. How long they take is not known.

What is the official code's and not the usual way:

- Batches of one view, Adam with a constant rate, 300 epochs from random weights.
- Every channel whose scale is below the threshold is exchanged ("all"), not only those of the
  modality's own part, which alone are penalised ("subpart").
- Mirroring leaves the x component of normals as it is.
- The scores keep dropout active and stretch every image by itself (`official_protocol`).

What is not: the best epoch is that of the least error, not of the least FID over all streams; random
windows stay inside the image, where the official ones may leave it by a pixel; pictures of 16 bits
are not cut to 8.
"""

from cen_keras.training.translation import TranslationEvaluation, TranslationRecipe

RECIPE = TranslationRecipe(
    name="taskonomy_shade_texture_to_rgb",
    data={"name": "taskonomy", "root": "datasets/taskonomy"},
    model={
        "modalities": ("reshading", "edge_texture"),
        "target": "rgb",
        "base_filters": 64,
        "discriminator_filters": 64,
        "fusion": {
            "name": "exchange",
            "threshold": 1e-2,
            "scope": "all",
            "sparsity": 1e-3,
            "sparsity_scope": "subpart",
        },
    },
    epochs=300,
    batch=1,
    seed=42,
    augmentation={"resize": 286, "crop": 256, "mirror": True, "turn_normals": False},
    image_size=(256, 256),
    evaluation=TranslationEvaluation(batch=1, every=5, official_protocol=True),
    workers=4,
)
