"""From a recipe of segmentation to its optimiser."""

import re
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training.segmentation import Optimizer, Recipe


def build_optimizer(recipe: Recipe, steps_per_epoch: int, model: Any = None):
    """Builds the recipe's optimiser for a run of `epochs * steps_per_epoch` steps.

    Args:
        recipe: the recipe.
        steps_per_epoch: of the training.
        model: whose variables it updates; needed where scales have a rate of their own. Without
            one the encoder is what is called as the backbones of this package call their layers.

    Raises:
        InputError: an unknown name or schedule, rates and stages that do not fit each other, or a
            rate of scales or of the encoder for a model that trains none.
    """
    import keras

    from cen_keras.training.optimizers import ENCODER, GroupedAdam, GroupedSGD, stage_ends

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
    groups = {}
    if spec.scale_learning_rate is not None:
        groups[scales_of(model)] = _schedule(spec, spec.scale_learning_rate, steps, stages)
    if spec.encoder_learning_rate is not None:
        encoder = ENCODER if model is None else encoder_of(model)
        groups[encoder] = _schedule(spec, spec.encoder_learning_rate, steps, stages)
    if spec.name == "sgd":
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
    decay = spec.weight_decay or None
    if groups:
        return GroupedAdam(rate, groups=groups, weight_decay=decay, **common)
    return keras.optimizers.Adam(rate, weight_decay=decay, **common)


def scales_of(model: Any) -> str:
    """Returns an expression that matches the paths of the scales that a penalty moves or an exchange reads.

    Raises:
        InputError: there are none.
    """
    from cen_keras.training.scale_history import spared_norms

    paths = [
        norm.gamma.path
        for layer in ([] if model is None else spared_norms(model))
        for norm in layer.norms
    ]
    if not paths:
        raise InputError(
            "optimizer.scale_learning_rate: the model's norms neither exchange nor are penalised; set it to null."
        )
    return _one_of(paths)


def encoder_of(model: Any) -> str:
    """Returns an expression that matches the paths of the variables of a Segmenter's backbone.

    Raises:
        InputError: none of them is trained.
    """
    layers = [layer for layer in model.layers if layer.name in model.encoder_layers]
    paths = [variable.path for layer in layers for variable in layer.trainable_variables]
    if not paths:
        raise InputError(
            "optimizer.encoder_learning_rate: no variable of the model's backbone is trained; set it "
            "to null."
        )
    return _one_of(paths)


def _one_of(paths: list[str]) -> str:
    return "^(" + "|".join(map(re.escape, paths)) + ")$"


def _schedule(spec: Optimizer, rate: Any, steps: int, stages: list[int]) -> Any:
    """Returns a rate as a number or a Keras schedule of the step."""
    import keras

    from cen_keras.training.optimizers import stage_schedule

    rates = list(rate) if isinstance(rate, (tuple, list)) else [rate]
    for field, schedule in (("warmup_steps", "cosine"), ("stage_epochs", "stages")):
        if getattr(spec, field) and spec.schedule != schedule:
            raise InputError(
                f"optimizer.{field} is {getattr(spec, field)}, which only schedule={schedule} has; found "
                f"{spec.schedule!r}: --set optimizer.{field}={'0' if field == 'warmup_steps' else '[]'}, or "
                f"optimizer.schedule={schedule}."
            )
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
                f"optimizer.warmup_steps is {warm}; the run has {steps} steps; take fewer: "
                f"--set optimizer.warmup_steps={steps // 10}"
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
