"""Optimisers with a learning rate per group of variables: Adam, and SGD as PyTorch does it.

CEN's segmentation was trained with two `torch.optim.SGD`, one for the encoder and one for the rest
(the ensemble's alpha included), both made anew at every stage. Keras' own SGD differs in two ways
that change the result: its `weight_decay` is decoupled from the gradient, and its momentum buffer
holds the learning rate, so that a lower rate acts late. Here, for a gradient g, a variable w and
its group's rate lr:

    g <- g + weight_decay * w          buffer <- momentum * buffer + g          w <- w - lr * buffer
"""

import re
from collections.abc import Mapping, Sequence

import keras
from keras import ops

from cen_keras.errors import InputError

ENCODER = r"(^|/)(stem|stack\d)"
"""Matches the paths of a backbone's variables; all others belong to the decoder."""


def stage_schedule(
    values: Sequence[float], steps: Sequence[int]
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Returns a rate that is `values[i]` for the `steps[i]` steps of stage i; the last one stays.

    Raises:
        InputError: not one number of steps per value, or a stage without steps.
    """
    if len(values) != len(steps) or not values or min(steps) < 1:
        raise InputError(
            "a stage schedule wants one rate and one number of steps, at least 1, per stage; found "
            f"rates {list(values)} and steps {list(steps)}."
        )
    if len(values) == 1:
        return float(values[0])
    # Keras holds a value up to and including its boundary, so a boundary is the stage's last step.
    last_steps = [ends - 1 for ends in stage_ends(steps)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(last_steps, [float(v) for v in values])


def stage_ends(steps: Sequence[int]) -> list[int]:
    """Returns the steps, counted from 0, at which stages 1, 2, ... begin."""
    return [sum(steps[: index + 1]) for index in range(len(steps) - 1)]


class _Groups:
    """A learning rate per group of variables; comes before an optimiser's class."""

    def _set_groups(self, groups):
        self.groups = dict(groups or {})
        self._group_of = []
        for pattern in self.groups:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(
                    f"group {pattern!r} is not a regular expression: {error}."
                ) from error

    def build(self, variables):
        """Creates the optimiser's variables and sorts the model's into groups by their paths."""
        if self.built:
            return
        super().build(variables)
        self._group_of = [self.group_of(variable.path) for variable in variables]

    def group_of(self, path: str) -> str | None:
        """Returns the expression of a path's group, None for the default."""
        return next((pattern for pattern in self.groups if re.search(pattern, path)), None)

    def _rate_of(self, variable, default):
        group = self._group_of[self._get_variable_index(variable)]
        if group is None:
            return default
        rate = self.groups[group]
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return rate(self._iterations)
        return rate

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "groups": keras.saving.serialize_keras_object(self.groups)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes the optimiser from `get_config`."""
        groups = keras.saving.deserialize_keras_object(
            config["groups"], custom_objects=custom_objects
        )
        return super().from_config({**config, "groups": groups}, custom_objects=custom_objects)


@keras.saving.register_keras_serializable("cen_keras")
class GroupedAdam(_Groups, keras.optimizers.Adam):
    """Keras' Adam with a learning rate per group of variables; decoupled weight decay goes by the default rate.

    Args:
        learning_rate: of every variable that no group matches: a number or a schedule of the step.
        groups: regular expression -> number or schedule, as for `GroupedSGD`.
        **kwargs: of `keras.optimizers.Adam`.

    Raises:
        InputError: a group's expression is not a regular expression.
    """

    def __init__(self, learning_rate=1e-3, groups: Mapping | None = None, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self._set_groups(groups)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its moments."""
        super().update_step(gradient, variable, self._rate_of(variable, learning_rate))


@keras.saving.register_keras_serializable("cen_keras")
class GroupedSGD(_Groups, keras.optimizers.SGD):
    """SGD with PyTorch's momentum and weight decay and a learning rate per group of variables.

    Args:
        learning_rate: of every variable that no group matches: a number or a schedule of the step.
        groups: regular expression -> number or schedule. A variable belongs to the first expression
            that is found in its path, for instance `{ENCODER: 5e-4}`.
        momentum: of the buffer, 0 for none.
        nesterov: steps along g + momentum * buffer instead.
        coupled_weight_decay: is multiplied with every variable, whatever its kind, and added to its
            gradient.
        reset_steps: steps, counted from 0 in batches, at which every buffer starts from zero again,
            as an optimiser made anew at the start of a stage does.
        **kwargs: of `keras.optimizers.SGD`: `global_clipnorm`, `clipnorm`, `clipvalue` (of the
            loss' gradient, before the weight decay), `gradient_accumulation_steps`, `use_ema`,
            `name`, ...

    Raises:
        InputError: a group's expression is not a regular expression, or `weight_decay` is given,
            which Keras would apply decoupled.
    """

    def __init__(
        self,
        learning_rate=1e-2,
        groups: Mapping | None = None,
        momentum: float = 0.9,
        nesterov: bool = False,
        coupled_weight_decay: float = 0.0,
        reset_steps: Sequence[int] = (),
        **kwargs,
    ):
        if kwargs.get("weight_decay") is not None:
            raise InputError(
                "GroupedSGD adds weight decay to the gradient: give coupled_weight_decay, not "
                "weight_decay."
            )
        super().__init__(
            learning_rate=learning_rate, momentum=float(momentum), nesterov=nesterov, **kwargs
        )
        self._set_groups(groups)
        self.coupled_weight_decay = float(coupled_weight_decay)
        self.reset_steps = tuple(int(step) for step in reset_steps)

    def _starts_anew(self):
        """Returns whether a stage began since the update before this one."""
        # With accumulation an update comes every few steps, so a boundary may lie between two of
        # them.
        before = self._iterations - (self.gradient_accumulation_steps or 1)
        return sum(
            ops.cast((before < step) & (step <= self._iterations), "float32")
            for step in self.reset_steps
        )

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its buffer."""
        rate = ops.cast(self._rate_of(variable, learning_rate), variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self.coupled_weight_decay:
            decay = ops.cast(self.coupled_weight_decay, variable.dtype)
            gradient = ops.add(gradient, ops.multiply(variable, decay))
        step = gradient
        if self.momentum:
            buffer = self.momentums[self._get_variable_index(variable)]
            momentum = ops.cast(self.momentum, variable.dtype)
            kept = ops.multiply(buffer, momentum)
            if self.reset_steps:
                # A buffer may hold inf, which a factor of zero would not remove.
                kept = ops.where(self._starts_anew() > 0, ops.zeros_like(kept), kept)
            updated = ops.add(kept, gradient)
            self.assign(buffer, updated)
            step = ops.add(gradient, ops.multiply(updated, momentum)) if self.nesterov else updated
        self.assign_sub(variable, ops.multiply(step, rate))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "coupled_weight_decay": self.coupled_weight_decay,
            "reset_steps": list(self.reset_steps),
        }
