"""From a recipe to what Keras trains: loaders, model, optimiser.

Keras and TensorFlow are imported inside the functions, so that `--help` and `--list` are quick.
"""

from pathlib import Path
from typing import Any

from cen_keras.errors import InputError, close_to
from cen_keras.training.segmentation import Optimizer, Recipe


def prepare_backend(recipe: Recipe) -> None:
    """Seeds everything and sets the dtype policy; call it before anything is built.

    Raises:
        InputError: an unknown policy, or XLA together with determinism on TensorFlow.
    """
    from cen_keras.quiet import stderr_kept_back

    with stderr_kept_back():
        import keras

        if recipe.deterministic and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if recipe.jit:
                # Keras would go on without XLA.
                raise InputError(
                    "jit=true has no effect on TensorFlow while deterministic=true: add `--set "
                    "deterministic=false`, or leave jit."
                )

            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(recipe.seed)
        # TensorFlow looks for devices, and notes what it missed, with the first tensor.
        keras.ops.convert_to_tensor(0.0)
    try:
        keras.config.set_dtype_policy(recipe.policy)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"policy {recipe.policy!r} is unknown; take float32, mixed_float16 or mixed_bfloat16."
        ) from error


def normalization_of(recipe: Recipe):
    """Returns the `Normalization` that the recipe says; other modalities have their own numbers."""
    from cen_keras.data.normalization import Normalization

    return Normalization.from_json(recipe.normalization)


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
    from cen_keras.data.loader import Loader

    class RecipeLoader(Loader):
        """Keeps the error of a batch: TensorFlow passes on no more than its text."""

        error: Exception | None = None

        def __getitem__(self, index):
            try:
                return super().__getitem__(index)
            except Exception as error:
                self.error = error
                raise

    views = open_dataset(recipe.data, split)
    if not views.classes:
        raise InputError(
            f"data set {views.name!r} has no classes: give data.classes, or another data set."
        )
    augment = None
    if training and recipe.augmentation is not None:
        kind, arguments = augmentation_of(recipe.augmentation)
        augment = kind(**check_arguments(kind, arguments, "augmentation"))
    steps = {"drop_last": True, "epoch_steps": recipe.epoch_steps} if training else {}
    return RecipeLoader(
        views,
        recipe.batch if training else recipe.evaluation.batch,
        modalities=recipe.model.get("modalities", ("rgb", "depth")),
        normalization=normalization_of(recipe),
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
            f"augmentation.name {name!r} is unknown{close_to(str(name), kinds)}; take "
            f"{' or '.join(kinds)}."
        )
    return kinds[name], {key: value for key, value in spec.items() if key != "name"}


def check_arguments(function: Any, arguments: dict[str, Any], section: str) -> dict[str, Any]:
    """Returns the arguments with lists as tuples, if the function takes them all.

    Raises:
        InputError: an argument the function does not have; the closest one is proposed.
    """
    import inspect

    known = [
        name
        for name in inspect.signature(function).parameters
        if name not in ("self", "args", "kwargs")
    ]
    for name in arguments:
        if name not in known:
            raise InputError(
                f"{section}.{name} is unknown{close_to(name, known)}; known: {', '.join(known)}."
            )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}


def build_model(recipe: Recipe, num_classes: int):
    """Builds the recipe's Segmenter for a number of classes, with its pretrained encoder.

    Raises:
        InputError: an argument that the Segmenter does not have, or does not take; or the
            pretrained file is missing or of another architecture.
    """
    from cen_keras.models import Segmenter

    if recipe.pretrained is not None and not Path(recipe.pretrained).expanduser().is_file():
        raise InputError(
            f"{recipe.pretrained}: is missing; the recipe starts from this ImageNet ResNet of "
            "torchvision (download.pytorch.org/models). Put it there, name it with `--set "
            "pretrained=FILE`, or start from random weights with `--set pretrained=null`."
        )
    arguments = check_arguments(Segmenter.__init__, recipe.model, "model")
    model = Segmenter(num_classes=num_classes, **arguments)
    if recipe.pretrained is not None:
        from cen_keras.converters import torch_resnet

        torch_resnet.load(Path(recipe.pretrained).expanduser(), model)
    return model


def build_optimizer(recipe: Recipe, steps_per_epoch: int):
    """Builds the recipe's optimiser for a run of `epochs * steps_per_epoch` steps.

    Raises:
        InputError: an unknown name or schedule, or rates and stages that do not fit each other.
    """
    import keras

    from cen_keras.training.optimizers import ENCODER, GroupedSGD, stage_ends

    spec = recipe.optimizer
    stages = [epochs * steps_per_epoch for epochs in spec.stage_epochs]
    if spec.schedule == "stages" and sum(spec.stage_epochs) != recipe.epochs:
        raise InputError(
            f"optimizer.stage_epochs {list(spec.stage_epochs)} make {sum(spec.stage_epochs)} "
            f"epochs, the recipe has {recipe.epochs}; change one of them."
        )
    steps = recipe.epochs * steps_per_epoch
    rate = _schedule(spec, spec.learning_rate, steps, stages)
    common = {
        "global_clipnorm": spec.global_clipnorm,
        # Keras takes None for no accumulation, and nothing below 2.
        "gradient_accumulation_steps": spec.accumulate if spec.accumulate > 1 else None,
    }
    if spec.name == "sgd":
        groups = {}
        if spec.encoder_learning_rate is not None:
            groups[ENCODER] = _schedule(spec, spec.encoder_learning_rate, steps, stages)
        return GroupedSGD(
            rate,
            groups=groups,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            coupled_weight_decay=spec.weight_decay,
            reset_steps=stage_ends(stages) if spec.schedule == "stages" else (),
            **common,
        )
    if spec.name != "adam":
        raise InputError(f"optimizer.name {spec.name!r} is unknown; take adam or sgd.")
    if spec.encoder_learning_rate is not None:
        raise InputError(
            "optimizer.encoder_learning_rate needs optimizer.name=sgd; adam has one rate for all."
        )
    return keras.optimizers.Adam(rate, weight_decay=spec.weight_decay or None, **common)


def _schedule(spec: Optimizer, rate: Any, steps: int, stages: list[int]) -> Any:
    """Returns a rate as a number or a Keras schedule of the step."""
    import keras

    from cen_keras.training.optimizers import stage_schedule

    rates = list(rate) if isinstance(rate, (tuple, list)) else [rate]
    if spec.schedule == "stages":
        return stage_schedule(rates, stages)
    if len(rates) != 1:
        raise InputError(
            f"optimizer: {len(rates)} learning rates need optimizer.schedule=stages, found "
            f"{spec.schedule!r}."
        )
    if spec.schedule == "constant":
        return float(rates[0])
    if spec.schedule == "cosine":
        warm = spec.warmup_steps
        if not 0 <= warm < steps:
            raise InputError(
                f"optimizer.warmup_steps is {warm}; the run has {steps} steps, take fewer."
            )
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warm else rates[0],
            decay_steps=steps - warm,
            warmup_target=rates[0] if warm else None,
            warmup_steps=warm,
        )
    raise InputError(
        f"optimizer.schedule {spec.schedule!r} is unknown; take cosine, constant or stages."
    )


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
        build_optimizer(recipe, steps_per_epoch),
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
    height, width = views[0]["label"].shape
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
    }
