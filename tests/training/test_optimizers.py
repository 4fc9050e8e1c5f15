"""GroupedSGD against torch.optim.SGD's rule in NumPy, and torch itself where installed."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.training.optimizers import (
    ENCODER,
    GroupedAdam,
    GroupedSGD,
    stage_ends,
    stage_schedule,
)

# Twenty float32 updates of numbers of size 1, each rounded to 6e-8.
TOLERANCE = 5e-6


def torch_rule(
    value, gradients, rates, momentum=0.9, decay=0.0, nesterov=False, resets=(), dtype="float64"
):
    """Returns the values after every step of torch.optim.SGD, as its documentation has it."""
    value, buffer, history = value.astype(dtype), None, []
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        if step in resets:
            buffer = None  # a new optimiser
        gradient = gradient + decay * value
        buffer = gradient if buffer is None else momentum * buffer + gradient
        value = value - rate * ((gradient + momentum * buffer) if nesterov else buffer)
        history.append(value)
    return history


def run(optimizer, values, gradients):
    """Returns the variables' values after every step; `values` is path -> array."""
    variables = []
    for path, value in values.items():
        variable = keras.Variable(value, name=path.rsplit("/", 1)[-1])
        variable._path = path
        variables.append(variable)
    optimizer.build(variables)
    history = []
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
        history.append([keras.ops.convert_to_numpy(v) for v in variables])
    return history


@pytest.fixture
def gradients():
    return np.random.default_rng(0).normal(size=(20, 2, 5)).astype("float32")


VALUES = {
    "stack1_block1_conv1/kernel": np.linspace(-1, 1, 5, dtype="float32"),
    "classifier/kernel": np.linspace(1, 2, 5, dtype="float32"),
}


@pytest.mark.parametrize("nesterov", [False, True])
def test_groups_stages_decay_and_resets_follow_torch(gradients, nesterov):
    stages, encoder, decoder = [8, 7, 5], [5e-2, 2e-2, 1e-2], [3e-1, 1e-1, 7e-2]
    optimizer = GroupedSGD(
        stage_schedule(decoder, stages),
        groups={ENCODER: stage_schedule(encoder, stages)},
        coupled_weight_decay=1e-2,
        nesterov=nesterov,
        reset_steps=stage_ends(stages),
    )
    found = run(optimizer, VALUES, gradients)
    for index, (value, rates) in enumerate(zip(VALUES.values(), [encoder, decoder], strict=True)):
        wanted = torch_rule(
            value,
            gradients[:, index].astype("float64"),
            np.repeat(rates, stages),
            decay=1e-2,
            nesterov=nesterov,
            resets=stage_ends(stages),
        )
        np.testing.assert_allclose([step[index] for step in found], wanted, atol=TOLERANCE)


TORCH = """
import sys
import numpy as np
import torch

weight = torch.nn.Parameter(torch.tensor(np.load(sys.argv[1])))
optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, weight_decay=1e-2)
steps = []
for gradient in np.load(sys.argv[2]):
    weight.grad = torch.tensor(gradient)
    optimizer.step()
    steps.append(weight.detach().numpy().copy())
np.save(sys.argv[3], steps)
"""


def test_equals_torch(gradients, tmp_path):
    pytest.importorskip("torch")
    # In a process of its own: torch's builds for GPUs load a compiler here that crashes beside TensorFlow.
    files = [str(tmp_path / name) for name in ("value.npy", "gradients.npy", "steps.npy")]
    np.save(files[0], VALUES["classifier/kernel"])
    np.save(files[1], np.stack(gradients[:, 0]))
    subprocess.run([sys.executable, "-c", TORCH, *files], check=True)
    ours = run(
        GroupedSGD(0.1, coupled_weight_decay=1e-2),
        {"classifier/kernel": VALUES["classifier/kernel"]},
        gradients[:, :1],
    )
    for found, wanted in zip(ours, np.load(files[2]), strict=True):
        np.testing.assert_allclose(found[0], wanted, atol=TOLERANCE)


def test_is_not_keras_sgd_when_the_rate_changes(gradients):
    schedule = stage_schedule([1e-1, 1e-2], [10, 10])
    ours = run(GroupedSGD(schedule), VALUES, gradients)
    keras_sgd = run(keras.optimizers.SGD(schedule, momentum=0.9), VALUES, gradients)
    # The same while the rate is constant, different after.
    np.testing.assert_allclose(ours[9][1], keras_sgd[9][1], atol=TOLERANCE)
    assert np.abs(ours[10][1] - keras_sgd[10][1]).max() > 1e-2


def test_reset_also_forgets_an_infinite_buffer():
    optimizer = GroupedSGD(0.0, reset_steps=[1])
    run(optimizer, {"a/b": np.ones(1, "float32")}, np.array([[[np.inf]], [[2.0]]], "float32"))
    assert keras.ops.convert_to_numpy(optimizer.momentums[0]) == 2.0


def test_accumulated_gradients_are_averaged_and_resets_still_happen(gradients):
    # Batches 4 to 6 straddle the stage's end at 5, so the update after batch 6 (from 1) starts
    # anew.
    optimizer = GroupedSGD(
        0.1, coupled_weight_decay=1e-2, reset_steps=[5], gradient_accumulation_steps=3
    )
    found = run(optimizer, VALUES, gradients[:9])
    means = gradients[:9, 1].reshape(3, 3, 5).mean(1).astype("float64")
    wanted = torch_rule(VALUES["classifier/kernel"], means, [0.1] * 3, decay=1e-2, resets=[1])
    np.testing.assert_allclose(found[-1][1], wanted[-1], atol=TOLERANCE)


def test_clipping_comes_before_the_decay():
    optimizer = GroupedSGD(1.0, momentum=0.0, coupled_weight_decay=0.5, global_clipnorm=1.0)
    (found,) = run(optimizer, {"a/b": np.array([4.0], "float32")}, np.array([[[30.0]]], "float32"))
    assert found[0] == pytest.approx(4.0 - (1.0 + 0.5 * 4.0))


def test_serialises():
    optimizer = GroupedSGD(
        stage_schedule([1.0, 2.0], [3, 4]),
        groups={ENCODER: stage_schedule([0.1, 0.2], [3, 4]), "alpha": 0.5},
        coupled_weight_decay=1e-5,
        reset_steps=[3],
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert list(again.groups) == [ENCODER, "alpha"]
    assert float(again.groups[ENCODER](3)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("path", "encoder"),
    [
        ("stem_conv/kernel", True),
        ("stack2_block3_norm2/rgb/gamma", True),
        ("decoder_p2_crp_conv2/kernel", False),
        ("ensemble/alpha", False),
    ],
)
def test_the_encoder_is_the_backbone(path, encoder):
    assert (GroupedSGD(1.0, groups={ENCODER: 0.1}).group_of(path) == ENCODER) is encoder


def test_every_group_is_found_in_a_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="stem_dense")])
    model.compile(GroupedSGD(0.0, groups={ENCODER: 1.0}, momentum=0.0), loss="mse")
    before = model.get_weights()
    model.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)
    assert np.abs(model.get_weights()[0] - before[0]).max() > 0  # the default rate is 0


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="coupled_weight_decay"):
        GroupedSGD(weight_decay=1e-4)
    with pytest.raises(InputError, match=r"group '\('"):
        GroupedSGD(groups={"(": 1.0})
    with pytest.raises(InputError, match=r"rates \[1.0\] and steps \[2, 3\]"):
        stage_schedule([1.0], [2, 3])


def test_adam_with_groups_is_an_adam_for_each(gradients):
    optimizer = GroupedAdam(0.1, groups={ENCODER: 0.02}, weight_decay=0.01)
    together = run(GroupedAdam.from_config(optimizer.get_config()), VALUES, gradients)
    for index, (path, value) in enumerate(VALUES.items()):
        rate = 0.02 if path.startswith("stack") else 0.1
        # Keras decays by the default rate: so much more in the group of a lower one.
        alone = keras.optimizers.Adam(rate, weight_decay=0.01 * 0.1 / rate)
        history = run(alone, {path: value}, gradients[:, index : index + 1])
        for step, (values,) in zip(together, history, strict=True):
            np.testing.assert_allclose(step[index], values, atol=TOLERANCE)
