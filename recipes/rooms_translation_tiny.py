"""CEN translates small generated rooms: colour and shading to surface normals.

python -m recipes.train rooms_translation_tiny
"""

from recipes.translation import Adams, TranslationEvaluation, TranslationRecipe

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
        "exchange_threshold": 1e-2,
        "exchange_scope": "subpart",
        "sparsity": 0.1,
        # A scale that starts at 1 does not travel to zero in so few steps, whatever the sparsity.
        "gamma_initializer": 0.3,
    },
    optimizer=Adams(learning_rate=2e-3, discriminator_learning_rate=2e-4, schedule="cosine"),
    epochs=8,
    epoch_steps=150,
    batch=8,
    augmentation={"resize": None, "crop": None, "mirror": True},
    evaluation=TranslationEvaluation(batch=20, every=2),
)
