"""CEN for small CPUs on generated rooms of 480x640: the weights of the preset cen_edge_m_rooms.

    python -m recipes.train rooms_edge_m
    python -m recipes.evaluate runs/rooms_edge_m
    python -m recipes.pack runs/rooms_edge_m cen_edge_m_rooms --about "..."

The packed weights are this recipe's, 46 minutes of one thread of a two-core virtual machine without
a GPU, beside other work. On rooms that were not trained on they have, mIoU %,

                             views   rgb stream   depth stream   ensemble
    val                       100       63.0          62.6         63.2
    val                       400       63.0          62.5         63.1
    test                      100       61.2          60.7         61.3
    test                      400       62.0          61.7         62.3
    test without rgb          100       41.5          41.9         41.9
    test without depth        100       24.4          23.8         24.3

with 96.5 % of the penalised channels exchanged. The loss still fell: give it more epochs.
"""

from cen_keras.training.segmentation import Evaluation, Optimizer, Recipe

RECIPE = Recipe(
    name="rooms_edge_m",
    data={
        "name": "rooms",
        "seed": 0,
        "size": (480, 640),
        "train": 1536,
        "val": 100,
        "test": 100,
        "cache": "runs/cache",
    },
    model={
        "modalities": ("rgb", "depth"),
        "backbone": "mobilenet_m",
        "decoder": "light_refinenet",
        "decoder_options": {"filters": 96},
        "fusion": {
            "name": "exchange",
            "threshold": 2e-2,
            "scope": "subpart",
            "sparsity": 2e-3,
            # A scale that starts at 1 does not travel to zero in so few steps, whatever the
            # sparsity.
            "gamma_initializer": 0.3,
        },
    },
    optimizer=Optimizer(name="adam", learning_rate=3e-3, schedule="cosine", warmup_steps=100),
    epochs=8,
    epoch_steps=200,
    batch=12,
    # Windows between half and all of the pictures' own scale, so that the net serves both.
    augmentation={
        "size": (160, 224),
        "scale": (0.455, 1.05),
        "mirror": True,
        "colour": 0.2,
        "depth": 0.03,
        "modality_dropout": 0.2,
    },
    # One mean and deviation for all colours: the codes of an 8-bit input are then the pixels'.
    normalization={
        "rgb": {"scale": 1 / 255, "mean": [0.45] * 3, "std": [0.25] * 3},
        "depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]},
    },
    evaluation=Evaluation(split="val", batch=4, every=8),
    workers=1,
)
