"""From a translation recipe to what Keras trains: loaders, model, optimisers.

Keras and TensorFlow are imported inside the functions, so that `--help` and `--list` are quick.
"""

from typing import Any

from cen_keras.errors import InputError
from cen_keras.training.segmentation_task import check_arguments
from cen_keras.training.translation import TranslationRecipe


def domains_of(recipe: TranslationRecipe) -> tuple[tuple[str, ...], str]:
    """Returns the modalities and the target of a recipe.

    Raises:
        InputError: the recipe's model names none.
    """
    missing = [key for key in ("modalities", "target") if key not in recipe.model]
    if missing:
        raise InputError(f"model.{missing[0]} is missing; a translation names its domains.")
    return tuple(recipe.model["modalities"]), recipe.model["target"]


def open_loader(recipe: TranslationRecipe, split: str, training: bool):
    """Opens a split of the recipe's data and returns its loader.

    Raises:
        InputError: the data are not there or do not fit.
    """
    from cen_keras.data.image_domains import ImageAugmentation, image_normalization, open_domains
    from cen_keras.data.loader import Loader

    modalities, target = domains_of(recipe)
    augment = None
    if training and recipe.augmentation is not None:
        told = check_arguments(ImageAugmentation, recipe.augmentation, "augmentation")
        augment = ImageAugmentation(**told)
    size = None if training and augment is not None else recipe.image_size
    views = open_domains(recipe.data, split, (*modalities, target), size)
    return Loader(
        views,
        recipe.batch if training else recipe.evaluation.batch,
        modalities=modalities,
        normalization=image_normalization(modalities),
        augment=augment,
        shuffle=training,
        seed=recipe.seed,
        workers=recipe.workers,
        drop_last=training,
        epoch_steps=recipe.epoch_steps if training else None,
        # What takes the place of a frame that cannot be read would count twice in a score.
        bad_frames=recipe.bad_frames if training else "raise",
        target=target,
    )


def build_model(recipe: TranslationRecipe):
    """Builds the recipe's Translator.

    Raises:
        InputError: an argument that the Translator does not have, or does not take.
    """
    from cen_keras.data.image_domains import CHANNELS, parts_of
    from cen_keras.models import Translator

    modalities, _ = domains_of(recipe)
    channels = {CHANNELS * len(parts_of(name)) for name in modalities}
    if len(channels) > 1:
        raise InputError(
            f"model.modalities {list(modalities)} have different numbers of channels; the filters "
            "are shared, so join as many domains in each."
        )
    arguments = check_arguments(Translator.__init__, recipe.model, "model")
    return Translator(**{"input_channels": channels.pop(), **arguments})


def compile_model(model, recipe: TranslationRecipe, steps_per_epoch: int) -> None:
    """Compiles a Translator with the recipe's two optimisers."""
    import keras

    spec = recipe.optimizer

    def adam(rate):
        if spec.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, recipe.epochs * steps_per_epoch)
        return keras.optimizers.Adam(rate, spec.beta_1, spec.beta_2, epsilon=1e-8)

    model.compile(
        adam(spec.learning_rate),
        adam(spec.discriminator_learning_rate),
        adversarial_weight=recipe.adversarial_weight,
        reconstruction_weight=recipe.reconstruction_weight,
        jit_compile=recipe.jit,
    )


def extractor_of(recipe: TranslationRecipe):
    """Returns the extractor of FID's features, or None.

    Raises:
        InputError: its weights are missing or do not fit.
    """
    if recipe.evaluation.inception is None:
        return None
    from cen_keras.metrics.features import inception_extractor

    return inception_extractor(recipe.evaluation.inception)


def data_json(recipe: TranslationRecipe, loader) -> dict[str, Any]:
    """Returns a run folder's `data.json`: all that evaluation and deployment need of the data."""
    from cen_keras.data.image_domains import CHANNELS, parts_of

    modalities, target = domains_of(recipe)
    height, width = loader.views[0][target].shape[:2]
    # What an 8-bit picture of a domain goes through: x / 127.5 - 1.
    pictures = {
        name: {
            "scale": 1 / 127.5,
            "mean": [1.0] * CHANNELS * len(parts_of(name)),
            "std": [1.0] * CHANNELS * len(parts_of(name)),
        }
        for name in modalities
    }
    return {
        "task": "translation",
        "dataset": recipe.to_json()["data"],
        "modalities": list(modalities),
        "target": target,
        # Images have no classes; every run folder says which.
        "classes": [],
        "palette": [],
        "normalization": pictures,
        "image_shape": [int(height), int(width)],
    }
