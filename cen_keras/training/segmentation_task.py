"""Segmentation as a `Task`: from a recipe to loaders, model and scores.

Keras and TensorFlow are imported inside the functions, so that `--help` and `--list` are quick.
"""

import math
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError, suggestion, value_errors_of
from cen_keras.training.console import percent, print_exchange_rate, scored
from cen_keras.training.recipe import arguments_of, check_arguments, fusion_keys
from cen_keras.training.recipe_optimizer import build_optimizer
from cen_keras.training.segmentation import Recipe
from cen_keras.training.start import OF_DATA, model_of, normalization_of, preset_name

RECIPE = Recipe
MONITOR = "ensemble_miou"
SCORES = ("miou", "mean_accuracy", "pixel_accuracy")


def check(recipe: Recipe, distribution: Any) -> None:
    """Checks that a distribution can divide the training; see `OneDevice.check`."""
    optimizer = recipe.optimizer
    clips = optimizer.global_clipnorm is not None
    distribution.check(recipe.batch, recipe.policy, clips, optimizer.accumulate, recipe.jit)


def open_loader(recipe: Recipe, split: str, training: bool, share: tuple[int, int] = (0, 1)):
    """Opens a split of the recipe's data and returns its loader.

    Args:
        recipe: the recipe.
        split: of the data set.
        training: shuffled and augmented batches of `recipe.batch`, all complete; or the views in
            order in batches of `recipe.evaluation.batch`.
        share: the part of every batch that is loaded, see `Loader`.

    Raises:
        InputError: the data are not there or do not fit.
    """
    from cen_keras.data.datasets import open_dataset
    from cen_keras.data.folder_checks import check_labelled
    from cen_keras.data.loader import Loader, describe
    from cen_keras.data.views import Views

    normalization = normalization_of(recipe)
    modalities = model_of(recipe).get("modalities", ("rgb", "depth"))
    known = describe(Views(), modalities, normalization).values()
    views = open_dataset(recipe.data, split, known, recipe.ignore)
    if not views.classes:
        raise InputError(
            f"data set {views.name!r} has no classes: give data.classes, or another data set."
        )
    own = getattr(views, "ignore", recipe.ignore)
    if own != recipe.ignore:
        raise InputError(
            f"data.ignore is {own}, while loss and scores leave out ignore={recipe.ignore}; set ignore={own} and "
            "leave data.ignore out."
        )
    check_labelled(views)
    augment = None
    if training and recipe.augmentation is not None:
        kind, arguments = augmentation_of(recipe.augmentation)
        augment = kind(**check_arguments(kind, arguments, "augmentation"))
    steps = {"drop_last": True, "epoch_steps": recipe.epoch_steps} if training else {}
    return Loader(
        views,
        recipe.batch if training else recipe.evaluation.batch,
        modalities=modalities,
        normalization=normalization,
        augment=augment,
        shuffle=training,
        seed=recipe.seed,
        workers=recipe.workers,
        bad_frames=recipe.bad_frames,
        ignore=recipe.ignore,
        share=share,
        **steps,
    )


def augmentation_of(spec: dict[str, Any]) -> tuple[type, dict[str, Any]]:
    """Returns the class that a recipe's augmentation names, and the arguments without the name.

    Raises:
        InputError: there is none of that name.
    """
    from cen_keras.data.official_augmentation import OfficialAugmentation
    from cen_keras.data.transforms import Augmentation

    kinds = {"usual": Augmentation, "official": OfficialAugmentation}
    name = spec.get("name", "usual")
    if name not in kinds:
        raise InputError(
            f"augmentation.name {name!r} is unknown{suggestion(str(name), kinds)}; take "
            f"{' or '.join(kinds)}."
        )
    return kinds[name], {key: value for key, value in spec.items() if key != "name"}


def keys_of(recipe: Recipe, section: str) -> list[str]:
    """Returns the keys that a section of the recipe takes, whether the recipe has them or not."""
    if section == "model.decoder_options":
        from cen_keras.decoders import DECODERS, options_of
        from cen_keras.plugins import find

        name = recipe.model.get("decoder")
        own = {name: find("decoder", name, DECODERS)} if isinstance(name, str) else {}
        decoders = {**DECODERS, **own}
        return [option for decoder in decoders.values() for option in options_of(decoder) or ()]
    if section == "model.fusion":
        return fusion_keys(recipe.model.get("fusion"))
    if section == "model":
        from cen_keras.models import Segmenter

        given = (*OF_DATA, "weights")  # by data and `pretrained`
        return [key for key in arguments_of(Segmenter.__init__) if key not in given]
    if section == "augmentation":
        kind, _ = augmentation_of({"name": (recipe.augmentation or {}).get("name", "usual")})
        return arguments_of(kind)
    return []


def build_model(recipe: Recipe, loader: Any):
    """Builds the recipe's Segmenter, with its pretrained encoder.

    Its modalities are normalised as the loader's, its classes are those of the loader's views.

    Raises:
        InputError: an argument that the Segmenter does not have, or does not take; or the
            pretrained file is missing or of another architecture.
    """
    from cen_keras.models import Segmenter

    weights = recipe.pretrained
    preset = preset_name(recipe)
    if not preset and weights not in (None, "imagenet"):
        weights = str(Path(weights).expanduser())
        if not Path(weights).is_file():
            raise InputError(
                f"{recipe.pretrained}: is missing; the recipe starts from this ImageNet ResNet of "
                "torchvision (download.pytorch.org/models). Put it there, name it with `--set "
                "pretrained=FILE`, or start from random weights with `--set pretrained=null`."
            )
    arguments = check_arguments(Segmenter.__init__, model_of(recipe), "model")
    arguments["modalities"] = tuple(loader.descriptions.values())
    arguments["classes"] = {"names": loader.views.classes, "colours": loader.views.palette}
    with value_errors_of("model"):
        if preset:
            # All but the classifier of other classes comes along.
            model = Segmenter.from_preset(preset, **arguments)
        else:
            model = Segmenter(weights=weights, **arguments)
    if recipe.small_scales is not None:
        from cen_keras.training.small_scales import start_small

        start_small(model, recipe.small_scales)
    return model


def compile_model(
    model: Any, recipe: Recipe, steps_per_epoch: int, distribution: Any = None
) -> None:
    """Compiles a model with the recipe's loss and optimiser, and makes their variables.

    TensorFlow traces a step that makes variables a second time, which for this many layers takes as
    long as dozens of steps.

    Args:
        model: a Segmenter.
        recipe: the recipe.
        steps_per_epoch: of the training, for the learning rate.
        distribution: of `cen_keras.training.distribution`; None for one device.
    """
    import keras

    from cen_keras.training.distribution import OneDevice

    distribution = distribution or OneDevice()
    distribution.prepare(model)
    model.compile(
        build_optimizer(recipe, steps_per_epoch, model),
        loss=distribution.loss(recipe.ignore, recipe.pixels_per_image),
        # On JAX every step is compiled, and a step that is not would be many times slower.
        jit_compile=recipe.jit or keras.backend.backend() == "jax",
    )
    model.optimizer.build(model.trainable_variables)
    logits = keras.ops.zeros((1, 1, 1, model.num_classes))
    labels = keras.ops.zeros((1, 1, 1), "int32")
    model.compute_loss(y=labels, y_pred={name: logits for name in model.output})


def data_json(recipe: Recipe, loader) -> dict[str, Any]:
    """Returns a run folder's `data.json`: all that evaluation and deployment need of the data."""
    views = loader.views
    # As the network sees images: the recipe says it, or what it starts from, or they stay as they are.
    seen = model_of(recipe).get("image_shape")
    height, width = seen or loader.readable()["label"].shape
    return {
        "task": "segmentation",
        "dataset": recipe.to_json()["data"],
        "modalities": list(loader.modalities),
        "classes": list(views.classes),
        "palette": [[int(value) for value in colour] for colour in views.palette],
        "normalization": loader.normalization.to_json(),
        "descriptions": {name: m.to_config() for name, m in loader.descriptions.items()},
        "ignore": recipe.ignore,
        "image_shape": [int(height), int(width)],
        "depth_unit": "metre",
        **_labels_of(views),
    }


def _labels_of(views: Any) -> dict[str, str]:
    """Which labels a data set reads, where it has several; `Views.label_source`."""
    source = getattr(views, "label_source", "")
    return {"labels": source} if source else {}


def streams_of(model: Any) -> list[str]:
    """Returns the names of the outputs that are scored, "ensemble" last."""
    return [*model.streams, "ensemble"]


def size_of(model: Any) -> str:
    """Returns the number of parameters as a sentence's part."""
    return f"{model.count_params():,} parameters"


def batches(recipe: Recipe, loader: Any, distribution: Any) -> Any:
    """Returns what `fit` is given in the loader's place."""
    return distribution.batches(loader, recipe.ignore, recipe.pixels_per_image)


def fit_arguments(recipe: Recipe, loader: Any) -> dict[str, Any]:
    """Returns the weights of the classes, where the recipe balances them; reads every label once."""
    if not recipe.class_balance:
        return {}
    from cen_keras.data.label_counts import class_pixels

    pixels = class_pixels(loader.views, recipe.ignore, skip=recipe.bad_frames == "skip")
    return {"class_weight": dict(enumerate(balanced(pixels, recipe.class_balance)))}


def balanced(pixels: Any, power: float) -> list[float]:
    """Returns 1 / frequency ** power of each class, of mean 1 over the pixels; 1 for a class without any.

    Args:
        pixels: of each class, counts.
        power: 0 to 1.
    """
    import numpy as np

    share = np.asarray(pixels, float) / np.sum(pixels)
    weights = np.where(share > 0, np.maximum(share, 1e-12) ** -power, 0)
    weights /= np.sum(weights * share)
    return np.where(share > 0, weights, 1.0).tolist()


def columns_of(recipe: Recipe, streams: list[str]) -> list[str]:
    """Returns the columns of log.csv after the epoch."""
    scores = [f"{stream}_{name}" for stream in streams for name in SCORES]
    return ["loss", "learning_rate", *scores, "exchanged", "layers_exchanging", "seconds"]


def callbacks(recipe: Recipe, run: Path, validation: Any, steps: int) -> list[Any]:
    """Returns the callbacks that watch the loss and score the epoch's model."""
    from cen_keras.training.callbacks import EvaluateStreams, StopOnNonFinite

    scoring = recipe.evaluation
    classes = len(validation.views.classes)
    return [
        StopOnNonFinite(run, steps),
        EvaluateStreams(validation, classes, scoring.every, scoring.interpolation, recipe.ignore),
    ]


def epoch_line(streams: list[str], logs: dict[str, Any]) -> list[str]:
    """Returns what an epoch's line says between the loss and the exchange rate."""
    found = {stream: logs.get(f"{stream}_miou") for stream in streams}
    shown = " ".join(f"{s} {percent(value)}" for s, value in found.items() if value is not None)
    return [f"mIoU % {shown}"] if shown else []


def score(
    recipe: Recipe, model: Any, loader: Any, scales: tuple[float, ...] = (1.0,), flip: bool = False
) -> dict[str, Any]:
    """Scores a model over a loader's views.

    Args:
        recipe: the recipe.
        model: a Segmenter.
        loader: of `open_loader`.
        scales: sizes at which every picture is tested; the probabilities are averaged.
        flip: whether every picture is tested mirrored as well.

    Returns:
        `classes`, `scales`, `flip`; `labels`: which these are, where a data set has several;
        `streams`: stream -> `miou`, `mean_accuracy`, `pixel_accuracy` in 0..1 and `per_class`:
        class -> `iou`, `accuracy` (null where undefined), `pixels`; of the ensemble `confusion`:
        pixels, a row per true class; `views`: pixel accuracy of each view (null where nothing is
        labelled).
    """
    from cen_keras.metrics.evaluation import evaluate_streams
    from cen_keras.metrics.multi_scale import MultiScale
    from cen_keras.pages.extremes import Extremes

    def or_null(value):
        return None if math.isnan(value) else float(value)

    classes = list(loader.views.classes)
    interpolation = recipe.evaluation.interpolation
    predictor = model
    if flip or tuple(scales) != (1.0,):
        predictor = MultiScale(model, scales, flip, interpolation)
    watch = Extremes(ignore=recipe.ignore)
    matrices = evaluate_streams(
        predictor,
        loader,
        len(classes),
        ignore=recipe.ignore,
        interpolation=interpolation,
        watch=watch,
    )
    streams = {}
    for stream, matrix in matrices.items():
        table = matrix.per_class()
        streams[stream] = {name: or_null(value) for name, value in matrix.result().items()}
        streams[stream]["per_class"] = {
            name: {
                "iou": or_null(table["iou"][i]),
                "accuracy": or_null(table["accuracy"][i]),
                "pixels": int(table["pixels"][i]),
            }
            for i, name in enumerate(classes)
        }
    return {
        "classes": classes,
        **_labels_of(loader.views),
        "scales": [float(scale) for scale in scales],
        "flip": flip,
        "streams": streams,
        "confusion": matrices["ensemble"].matrix.tolist(),
        "views": [or_null(value) for value in watch.accuracy],
    }


def print_scores(console: Any, result: dict[str, Any], classes: bool = False) -> None:
    """Prints the table of scores that `recipes.evaluate` and the end of a training show."""
    from rich.table import Table

    labels = f"; labels: {result['labels']}" if "labels" in result else ""
    title = f"{scored(result)}: {result['images']} images of {result['split']}{labels}"
    table = Table(title=title)
    for column in ("stream", "mIoU %", "mean accuracy %", "pixel accuracy %"):
        table.add_column(column, justify="left" if column == "stream" else "right")
    for stream, scores in result["streams"].items():
        table.add_row(stream, *(percent(scores[key]) for key in SCORES))
    console.print(table)
    if classes:
        streams = list(result["streams"])
        table = Table(title="IoU % per class")
        for column in ("class", "pixels", *streams):
            table.add_column(column, justify="left" if column == "class" else "right")
        for name in result["classes"]:
            cells = [result["streams"][stream]["per_class"][name] for stream in streams]
            table.add_row(name, str(cells[0]["pixels"]), *(percent(c["iou"]) for c in cells))
        console.print(table)
    print_exchange_rate(console, result["exchange"])
