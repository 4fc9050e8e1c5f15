"""Gradient accumulation, XLA and mixed precision: what each may change, and by how much."""

import keras
import numpy as np
import pytest

from cen_keras.layers import ModalityEnsemble, ModalityNorm
from cen_keras.losses import SegmentationLoss
from cen_keras.training.checkpoint import load_checkpoint, save_checkpoint
from cen_keras.training.optimizers import GroupedSGD

NAMES = ("rgb", "depth")
STREAMS = (*NAMES, "ensemble")


def build(frozen=True):
    """Returns a net of two convolutions and an exchange, with the same weights each time."""
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((8, 8, 3), name=name) for name in NAMES}
    # Without a bias, whose gradient before a norm of the batch is nothing but rounding.
    conv = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")
    x = ModalityNorm(
        NAMES,
        keras.layers.BatchNormalization(epsilon=1e-5),
        exchange_threshold=0.02,
        sparsity=1e-2,
        gamma_initializer=keras.initializers.Constant(0.3),
        freeze_statistics=frozen,
        name="norm",
    )({name: conv(image) for name, image in inputs.items()})
    logits = keras.layers.Conv2D(3, 1, name="logits")
    x = {name: logits(keras.layers.ReLU(name=f"relu_{name}")(x[name])) for name in NAMES}
    return keras.Model(inputs, {**x, "ensemble": ModalityEnsemble(NAMES, name="ensemble")(x)})


def compiled(optimizer, pixels_per_image=None, frozen=True, **options):
    model = build(frozen)
    loss = SegmentationLoss(pixels_per_image=pixels_per_image)
    model.compile(optimizer, loss={name: loss for name in STREAMS}, **options)
    return model


def batch(images, seed=0):
    """Returns pictures and labels; every picture ignores another number of pixels."""
    rng = np.random.default_rng(seed)
    inputs = {name: rng.normal(size=(images, 8, 8, 3)).astype("float32") for name in NAMES}
    labels = (inputs["rgb"][..., 0] > 0) + (inputs["depth"][..., 0] > 0).astype("int32")
    for index in range(images):
        labels[index].flat[: 10 * index] = 255
    return inputs, labels


def step(model, inputs, labels):
    return model.train_on_batch(inputs, {name: labels for name in STREAMS}, return_dict=True)


def weights(model):
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


def assert_close(found, wanted, start, tolerance):
    """Compares weights by how far they moved from `start`."""
    moved = 0
    for name, value in wanted.items():
        change = np.abs(value - start[name]).max()
        moved += change > 0
        # A number is known to half a float32 unit of its size; three steps round three times.
        rounding = 3 * 2**-23 * np.abs(value).max()
        assert np.abs(found[name] - value).max() <= tolerance * change + rounding, name
    assert moved >= 8  # two kernels, two gammas, two betas, a bias, alpha


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_accumulated_batches_make_the_update_of_one_large_batch(name):
    def optimizer(steps=None):
        if name == "adam":
            return keras.optimizers.Adam(
                1e-2, weight_decay=1e-3, epsilon=1e-3, gradient_accumulation_steps=steps
            )
        return GroupedSGD(0.1, coupled_weight_decay=1e-3, gradient_accumulation_steps=steps)

    large, small = compiled(optimizer(), 64.0), compiled(optimizer(3), 64.0)
    start = weights(small)
    for update in range(2):
        inputs, labels = batch(6, update)
        step(large, inputs, labels)
        for first in range(0, 6, 2):
            part = slice(first, first + 2)
            step(small, {name: x[part] for name, x in inputs.items()}, labels[part])
            if update == 0 and first < 4:
                for path, value in weights(small).items():
                    np.testing.assert_array_equal(value, start[path], err_msg=path)
    # A gradient is a sum of 6 * 64 terms, in another order here: 1e-6 of it, and ten times that
    # where terms cancel.
    assert_close(weights(small), weights(large), start, 1e-5)


def test_without_a_fixed_number_of_pixels_the_batches_count_alike():
    """What `pixels_per_image` is for: batches of few valid pixels would weigh as much as others."""
    large = compiled(GroupedSGD(0.1))
    small = compiled(GroupedSGD(0.1, gradient_accumulation_steps=3))
    inputs, labels = batch(6)
    start = weights(small)
    step(large, inputs, labels)
    for first in range(0, 6, 2):
        part = slice(first, first + 2)
        step(small, {name: x[part] for name, x in inputs.items()}, labels[part])
    change = weights(large)["logits/kernel"] - start["logits/kernel"]
    other = weights(small)["logits/kernel"] - start["logits/kernel"]
    assert np.abs(other - change).max() > 0.01 * np.abs(change).max()


@pytest.fixture
def free_of_determinism():
    # Keras leaves XLA out where a test before this one has asked for determinism.
    from tensorflow.python.framework import config

    before = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    yield
    if before:
        config.enable_op_determinism()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX always compiles with XLA")
def test_xla_changes_nothing_but_rounding(free_of_determinism):
    plain = compiled(GroupedSGD(0.1, coupled_weight_decay=1e-3), frozen=False, jit_compile=False)
    fused = compiled(GroupedSGD(0.1, coupled_weight_decay=1e-3), frozen=False, jit_compile=True)
    assert fused.jit_compile
    start = weights(plain)
    for number in range(3):
        inputs, labels = batch(4, number)
        logs = [step(model, inputs, labels) for model in (plain, fused)]
        # One float32 forward pass of some hundred operations.
        assert logs[1]["loss"] == pytest.approx(logs[0]["loss"], rel=1e-5)
    # Sums in another order: 1e-6 of a gradient, ten times that where terms cancel, three steps.
    assert_close(weights(fused), weights(plain), start, 3e-5)


@pytest.fixture
def float16():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(policy)


def test_mixed_float16_trains_and_keeps_its_scales_in_float32(float16, tmp_path):
    model = compiled(GroupedSGD(0.1, coupled_weight_decay=1e-3), frozen=False)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.get_layer("conv").compute_dtype == "float16"
    inputs, labels = batch(4)
    start = weights(model)
    losses = [step(model, inputs, labels)["loss"] for _ in range(20)]
    assert losses[-1] < 0.9 * losses[0]
    # A scaled gradient that overflows float16 is left out and the scale halved, no more.
    assert float(model.optimizer.dynamic_scale) >= 2.0**10
    norm = model.get_layer("norm")
    for scale in norm.scales():
        assert keras.ops.convert_to_tensor(scale).dtype == "float32"
        assert np.abs(keras.ops.convert_to_numpy(scale) - 0.3).max() > 1e-3
    for path, value in weights(model).items():
        assert value.dtype == np.float32 and np.isfinite(value).all(), path
        assert np.abs(value - start[path]).max() > 0, path

    # And goes on from a checkpoint with the scale where it stood.
    for number in (1, 2):
        path = tmp_path / f"{number}.npz"
        save_checkpoint(path, model, {})
        other = compiled(GroupedSGD(0.1, coupled_weight_decay=1e-3), frozen=False)
        load_checkpoint(path, other)
        assert float(other.optimizer.dynamic_scale) == float(model.optimizer.dynamic_scale)
        assert int(other.optimizer.step_counter) == int(model.optimizer.step_counter) > 0
        for wanted, found in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(wanted, found)
        step(model, inputs, labels)


def test_mixed_float16_is_near_float32(float16):
    half = compiled(GroupedSGD(0.1))
    inputs, labels = batch(4)
    found = step(half, inputs, labels)["loss"]
    keras.config.set_dtype_policy("float32")
    wanted = step(compiled(GroupedSGD(0.1)), inputs, labels)["loss"]
    # Three roundings to float16 (5e-4) on the way of each of a thousand logits around 1.
    assert found == pytest.approx(wanted, rel=2e-3)
