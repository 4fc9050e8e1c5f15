"""Image translation as a `Task`: from a recipe to loaders, model and errors.

Keras and TensorFlow are imported inside the functions, so that `--help` and `--list` are quick.
"""

from pathlib import Path
from typing import Any

from cen_keras.errors import InputError, value_errors_of
from cen_keras.training.console import print_exchange_rate, scored
from cen_keras.training.recipe import arguments_of, check_arguments, fusion_keys
from cen_keras.training.translation import TranslationRecipe

RECIPE = TranslationRecipe
MONITOR = "score"
ERRORS = ("mae", "rmse")
DISTANCES = ("fid", "kid")


def check(recipe: TranslationRecipe, distribution: Any) -> None:
    """Checks that a distribution can divide the training; see `OneDevice.check`.

    Instance norms and mean losses: the mean of the replicas' gradients is the batch's.
    """
    if distribution.kind == "hosts":
        raise InputError(
            f"--distribute hosts is for segmentation; {recipe.name} is a translation, which trains "
            "on TensorFlow: take --distribute mirrored, or leave it out."
        )
    distribution.check(recipe.batch, recipe.policy, jit=recipe.jit)


def domains_of(recipe: TranslationRecipe) -> tuple[tuple[str, ...], str]:
    """Returns the modalities and the target of a recipe.

    Raises:
        InputError: the recipe's model names none.
    """
    missing = [key for key in ("modalities", "target") if key not in recipe.model]
    if missing:
        raise InputError(f"model.{missing[0]} is missing; a translation names its domains.")
    return tuple(recipe.model["modalities"]), recipe.model["target"]


def open_loader(
    recipe: TranslationRecipe, split: str, training: bool, share: tuple[int, int] = (0, 1)
):
    """Opens a split of the recipe's data and returns its loader.

    Raises:
        InputError: the data are not there or do not fit.
    """
    from cen_keras.data.image_domains import ImageAugmentation, image_normalization, open_domains
    from cen_keras.data.loader import Loader

    modalities, target = domains_of(recipe)
    augment = None
    if training and recipe.augmentation is not None:
        options = check_arguments(ImageAugmentation, recipe.augmentation, "augmentation")
        augment = ImageAugmentation(**options)
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
        share=share,
    )


def keys_of(recipe: TranslationRecipe, section: str) -> list[str]:
    """Returns the keys that a section of the recipe takes, whether the recipe has them or not."""
    if section == "model":
        from cen_keras.models import Translator

        return arguments_of(Translator.__init__)
    if section == "model.fusion":
        return fusion_keys(recipe.model.get("fusion"))
    if section == "augmentation":
        from cen_keras.data.image_domains import ImageAugmentation

        return arguments_of(ImageAugmentation)
    return []


def build_model(recipe: TranslationRecipe, loader: Any = None):
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
    with value_errors_of("model"):
        return Translator(**{"input_channels": channels.pop(), **arguments})


def compile_model(
    model: Any, recipe: TranslationRecipe, steps_per_epoch: int, distribution: Any = None
) -> None:
    """Compiles a Translator with the recipe's two optimisers."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # It stumbles over a leaky ReLU behind a convolution, and says so on the terminal.
        tf.config.optimizer.set_experimental_options({"remapping": False})

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


def streams_of(model: Any) -> list[str]:
    """Returns the names of the outputs that are scored, "ensemble" last."""
    return [*model.generator.streams, "ensemble"]


def size_of(model: Any) -> str:
    """Returns the number of parameters as a sentence's part."""
    return (
        f"{model.generator.count_params():,} parameters of the generator, "
        f"{model.discriminator.count_params():,} of the discriminator"
    )


def batches(recipe: TranslationRecipe, loader: Any, distribution: Any) -> Any:
    """Returns what `fit` is given in the loader's place."""
    return loader


def fit_arguments(recipe: TranslationRecipe, loader: Any) -> dict[str, Any]:
    """Returns further arguments of `fit`: none."""
    return {}


def columns_of(recipe: TranslationRecipe, streams: list[str]) -> list[str]:
    """Returns the columns of log.csv after the epoch."""
    from cen_keras.models.adversarial import LOSSES

    scores = ERRORS + (DISTANCES if recipe.evaluation.inception else ())
    errors = [f"val_{stream}_{name}" for stream in streams for name in scores]
    tail = ["exchanged", "layers_exchanging", "seconds"]
    return [*LOSSES, "learning_rate", *(f"{s}_mae" for s in streams), *errors, *tail]


def callbacks(recipe: TranslationRecipe, run: Path, validation: Any, steps: int) -> list[Any]:
    """Returns the callbacks that watch the losses, score and show the epoch's model."""
    from cen_keras.training import translation_callbacks as translating

    scoring = recipe.evaluation
    return [
        translating.StopOnNonFiniteLosses(run, steps),
        translating.EvaluateTranslation(
            validation, scoring.every, extractor_of(recipe), scoring.official_protocol
        ),
        translating.SamplePictures(run, validation, scoring.pictures, scoring.every),
    ]


def epoch_line(streams: list[str], logs: dict[str, Any]) -> list[str]:
    """Returns what an epoch's line says between the loss and the exchange rate."""
    found = {stream: logs.get(f"val_{stream}_mae") for stream in streams}
    shown = " ".join(f"{s} {value:.4f}" for s, value in found.items() if value is not None)
    discriminator = f"discriminator {logs['discriminator_loss']:.3f}"
    return [discriminator, f"MAE {shown}"] if shown else [discriminator]


def score(
    recipe: TranslationRecipe,
    model: Any,
    loader: Any,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
) -> dict[str, Any]:
    """Scores a model over a loader's views.

    Returns:
        `modalities`, `target`; `streams`: output -> `mae`, `rmse` on the scale -1..1 and, with
        InceptionV3's weights, `fid` and `kid`.

    Raises:
        InputError: several scales or `flip`, which are of segmentation.
    """
    from cen_keras.metrics.translation import evaluate_translation

    if flip or tuple(scales) != (1.0,):
        raise InputError(
            f"{recipe.name} is a translation, which is scored as it is; leave out --scales and "
            "--flip."
        )
    modalities, target = domains_of(recipe)
    protocol = recipe.evaluation.official_protocol
    streams = evaluate_translation(model, loader, extractor_of(recipe), official_protocol=protocol)
    return {"modalities": list(modalities), "target": target, "streams": streams}


def print_scores(console: Any, result: dict[str, Any], classes: bool = False) -> None:
    """Prints the table of errors that `recipes.evaluate` and the end of a training show."""
    from rich.table import Table

    names = [n for n in (*ERRORS, *DISTANCES) if n in next(iter(result["streams"].values()))]
    table = Table(
        title=f"{scored(result)}: {', '.join(result['modalities'])} to {result['target']}, "
        f"{result['images']} images of {result['split']}"
    )
    for column in ("output", *names):
        table.add_column(column, justify="left" if column == "output" else "right")
    for output, scores in result["streams"].items():
        table.add_row(output, *(f"{scores[name]:.4g}" for name in names))
    console.print(table)
    print_exchange_rate(console, result["exchange"])
