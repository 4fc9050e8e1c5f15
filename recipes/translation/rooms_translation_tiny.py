r"""CEN translates small generated rooms: colour and shading to surface normals.

    python -m recipes.train rooms_translation_tiny
    python -m recipes.evaluate runs/rooms_translation_tiny

Mean absolute error on 200 views of rooms that were not trained on, normals in -1..1; mean and
deviation of seeds 1, 2, 3 (docs/measurements/rooms_translation_tiny.csv):

    CEN                  rgb stream 0.113   reshading stream 0.110   ensemble 0.110 +- 0.001
    concatenated inputs  0.104 +- 0.001
    reshading alone      0.106 +- 0.0003
    rgb alone            0.192 +- 0.003

    CEN without the exchange, seed 1 only: 0.194, 0.119, 0.119 (with it 0.114, 0.111, 0.111)

So CEN stays behind shading alone and behind concatenation in each of the seeds: shading shows almost
all that there is to see of normals, and filters that colour and shading share serve shading less
well than its own. The exchange itself pays: without it the same net is worse, and the stream that is
fed colour has 0.113 where colour alone has 0.192. 97 % of the penalised channels are exchanged. The
sparsity was chosen on seed 0 between 0.1 (0.110) and 0.02 (0.113, 64 % exchanged); nothing else was
tried.

The controls are the same net for as many steps:

    --set 'model.modalities=["rgb"]'             (or "reshading")
    --set 'model.modalities=["rgb-reshading"]'   (both in six channels)
    --set model.fusion.threshold=null --set model.fusion.sparsity=0

Hardware: two CPU cores; no GPU. With TensorFlow 2.21 the 1200 steps and their evaluations took 242
to 282 s while other programs shared the cores, the controls of one modality 102 to 214 s.
"""

from cen_keras.training.translation import (
    TranslationEvaluation,
    TranslationOptimizer,
    TranslationRecipe,
)

RECIPE = TranslationRecipe(
    name="rooms_translation_tiny",
    data={
        "name": "rooms",
        "seed": 0,
        "size": (64, 64),
        "train": 1200,
        "val": 200,
        "sensor": False,
        "cache": "runs/cache",
    },
    model={
        "modalities": ("rgb", "reshading"),
        "target": "normal",
        "base_filters": 16,
        "discriminator_filters": 16,
        "depth": 5,
        "fusion": {
            "name": "exchange",
            "threshold": 1e-2,
            "scope": "subpart",
            "sparsity": 0.1,
            # A scale that starts at 1 does not travel to zero in so few steps, whatever the
            # sparsity.
            "gamma_initializer": 0.3,
        },
    },
    optimizer=TranslationOptimizer(
        learning_rate=2e-3, discriminator_learning_rate=2e-4, schedule="cosine"
    ),
    epochs=8,
    epoch_steps=150,
    batch=8,
    augmentation={"resize": None, "crop": None, "mirror": True},
    evaluation=TranslationEvaluation(batch=20, every=2),
)
