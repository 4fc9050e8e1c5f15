r"""CEN on NYUDv2, RefineNet on ResNet-101: the official code's setting. Has not been run.

Expected, single scale: 51.1 % mIoU of the ensemble, 62.8 % mean and 76.2 % pixel accuracy, which
the official repository's README reports for this setting. The paper's per-stream values, 49.7 for
RGB and 45.1 for depth, were not checked against the paper. Here nothing of it has been measured:
the recipe has been built, stepped on generated pictures, and stepped five times on NYUDv2's frames and
scored on four of them with ResNet-50 and random weights, without frozen statistics, at a constant rate
of 1e-4 and a clipped norm of 1. From random weights the decoder, which has no norms, starts with a loss
of 1e7, and with the recipe's rates it becomes NaN in the second step.

    python -m recipes.prepare.nyudv2 nyu_depth_v2_labeled.mat --out datasets/nyudv2
    curl -o weights/resnet101-5d3b4d8f.pth --create-dirs \
        https://download.pytorch.org/models/resnet101-5d3b4d8f.pth
    python -m recipes.train nyudv2_cen_refinenet101
    python -m recipes.evaluate runs/nyudv2_cen_refinenet101 --scales 0.75,1,1.25 --flip

Hardware: one GPU of 40 GB or more. The convolutions of a step (6 windows of 500x500, forward and
backward) are about 18 TFLOP, of all 39,600 steps 720 PFLOP: by calculation 4 hours at 50 TFLOP/s
and 20 hours at 10, evaluation and reading not counted.

What is the official code's and not the usual way:

- Three stages of 100 epochs (132 steps each); rates for the encoder and for all the rest, alpha
  included; momentum starts from zero with every stage; weight decay is part of the gradient and
  acts on everything, the norms' scales and alpha included.
- The norms keep ImageNet's statistics; their scales and offsets are trained.
- `sparsity` 6e-4: the official factor 2e-4 is added inside the loop over the three outputs (two
  streams and the ensemble), so it counts three times; ours counts once.
- Every channel whose scale is below the threshold is exchanged ("all"), not only those of the
  modality's own part, which alone are penalised ("subpart").
- The test pictures serve for choosing the best epoch: mIoU of the ensemble, every fifth epoch, at
  full size with cubic interpolation of the logits.
- Depth is in metres, without mean and deviation. That the authors' own PNG files are 16-bit in
  1/5000 m follows from their code's factor and was not verified on their files.
"""

from cen_keras.training.segmentation import Evaluation, Optimizer, Recipe

RECIPE = Recipe(
    name="nyudv2_cen_refinenet101",
    data={"name": "nyudv2", "root": "datasets/nyudv2", "classes": 40},
    model={
        "modalities": ("rgb", "depth"),
        "backbone": "resnet101",
        "decoder": "refinenet",
        "decoder_options": {"dropout": 0.5},
        "fusion": {
            "name": "exchange",
            "threshold": 2e-2,
            "scope": "all",
            "sparsity": 6e-4,
            "sparsity_scope": "subpart",
            "freeze_statistics": True,
        },
    },
    pretrained="weights/resnet101-5d3b4d8f.pth",
    optimizer=Optimizer(
        name="sgd",
        learning_rate=(3e-3, 1.5e-3, 7e-4),
        encoder_learning_rate=(5e-4, 2.5e-4, 1e-4),
        schedule="stages",
        stage_epochs=(100, 100, 100),
        momentum=0.9,
        weight_decay=1e-5,
    ),
    epochs=300,
    batch=6,
    seed=42,
    augmentation={
        "name": "official",
        "size": 500,
        "scale": (0.5, 2.0),
        "short_side": 350,
        "official_depth_padding": True,
        "official_nearest": True,
        "mirror": True,
    },
    evaluation=Evaluation(split="val", batch=1, every=5, interpolation="cubic"),
    workers=8,
)
