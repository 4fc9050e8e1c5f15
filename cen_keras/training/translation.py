"""TranslationRecipe: one frozen dataclass with all that decides how a Translator's training ends.

The counterpart of `cen_keras.training.segmentation.Recipe`; the commands take either.
"""

import dataclasses
from typing import Any

from cen_keras.errors import InputError
from cen_keras.field_types import check_fields
from cen_keras.training.recipe import RecipeBase, check_choice, check_counts


@dataclasses.dataclass(frozen=True)
class TranslationOptimizer:
    """The two optimisers, both Adam.

    Attributes:
        learning_rate: of the generator.
        discriminator_learning_rate: of the discriminator.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        schedule: "constant", or "cosine" (to zero at the last step).
    """

    learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    schedule: str = "constant"

    def __post_init__(self):
        check_fields(self, "optimizer.")
        check_choice("optimizer.schedule", self.schedule, ("constant", "cosine"))
        check_counts("optimizer.", self, learning_rate=0, discriminator_learning_rate=0)
        for name in ("beta_1", "beta_2"):
            if not 0 <= (found := getattr(self, name)) < 1:
                raise InputError(f"optimizer.{name} is {found}; it must be from 0 to below 1.")


@dataclasses.dataclass(frozen=True)
class TranslationEvaluation:
    """How a Translator is scored while it trains and after.

    Attributes:
        split: of the data set.
        batch: images per batch.
        every: epochs between two evaluations; the last epoch is always evaluated.
        pictures: validation views shown in `pictures/`; 0 for none.
        inception: file of InceptionV3's weights for FID and KID; None leaves them out.
        official_protocol: dropout stays active and images are stretched one by one, as in the
            official evaluation.
    """

    split: str = "val"
    batch: int = 16
    every: int = 1
    pictures: int = 4
    inception: str | None = None
    official_protocol: bool = False

    def __post_init__(self):
        check_fields(self, "evaluation.")
        check_counts("evaluation.", self, batch=1, every=1, pictures=0)


@dataclasses.dataclass(frozen=True)
class TranslationRecipe(RecipeBase):
    """A training of a Translator, from data to scores.

    Attributes:
        name: of the recipe, and by default of the run folder.
        data: a spec of `cen_keras.data.image_domains.open_domains`, "rooms" or "taskonomy"; the
            domains come from the model.
        model: arguments of `cen_keras.models.Translator`. A modality such as "rgb-reshading" joins
            domains along the channels.
        optimizer: see `TranslationOptimizer`.
        reconstruction_weight: of L1.
        adversarial_weight: of the generator's BCE; with 0 there is no adversary.
        epochs: in all.
        epoch_steps: batches per epoch; None is once through the data.
        batch: images per batch.
        seed: of the initial weights, dropout, order and augmentation.
        augmentation: arguments of `cen_keras.data.image_domains.ImageAugmentation`; None for none.
        image_size: height and width to which validation images are resized; None leaves them.
        evaluation: see `TranslationEvaluation`.
        policy: Keras' dtype policy: "float32" or "mixed_bfloat16".
        jit: compiles with XLA.
        deterministic: forbids TensorFlow operators that may differ from run to run.
        workers: threads that read data; has no influence on the result.
        bad_frames: what a training frame that cannot be read does: "raise" an error, or "skip".
        callbacks: further ones, as of `cen_keras.training.segmentation.Recipe`.
        task: tells the recipes of a run folder apart.
    """

    name: str
    data: dict[str, Any]
    model: dict[str, Any]
    optimizer: TranslationOptimizer = TranslationOptimizer()
    reconstruction_weight: float = 100.0
    adversarial_weight: float = 1.0
    epochs: int = 1
    epoch_steps: int | None = None
    batch: int = 1
    seed: int = 0
    augmentation: dict[str, Any] | None = None
    image_size: tuple[int, int] | None = None
    evaluation: TranslationEvaluation = TranslationEvaluation()
    policy: str = "float32"
    jit: bool = False
    deterministic: bool = True
    workers: int = 2
    bad_frames: str = "raise"
    callbacks: tuple[Any, ...] = ()
    task: str = "translation"

    def __post_init__(self):
        check_fields(self)
        check_counts("", self, epochs=1, epoch_steps=1, batch=1, seed=0, workers=0)
        if self.image_size is not None and min(self.image_size) < 1:
            raise InputError(f"image_size is {list(self.image_size)}; give pixels, or null.")
        check_choice("bad_frames", self.bad_frames, ("raise", "skip"))
        check_choice("task", self.task, ("translation",))
