"""Several devices train as one device with the same global batch, and say what they cannot do."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.losses import SegmentationLoss
from cen_keras.training import host_settings
from cen_keras.training.distribution import (
    Mirrored,
    OneDevice,
    distribution_of,
    undistributed,
)
from cen_keras.training.replica_batches import ReplicaBatches

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "run_distributed.py"

only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="MirroredStrategy is TensorFlow's"
)


def start(backend, *arguments):
    """Starts run_distributed.py in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes):
    """Waits for processes; shows what they wrote if one failed."""
    try:
        printed = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(process.returncode == 0 for process in processes), "\n".join(printed)[-4000:]


def assert_same(path, tolerances):
    """Compares what several devices and one have learnt, weight by weight, by the change."""
    with np.load(path) as file:
        arrays = dict(file)
    cases = {name.split("/")[0] for name in arrays}
    assert cases == set(tolerances)
    for case, tolerance in tolerances.items():
        names = [name.split("/", 2)[2] for name in arrays if name.startswith(f"{case}/start/")]
        moved = 0
        for name in names:
            before, one, many = (
                arrays[f"{case}/{part}/{name}"] for part in ("start", "one", "many")
            )
            change = np.abs(one - before).max()
            moved += change > 0
            # A number is known to half a float32 unit of its size, and every step rounds again.
            rounding = 6 * 2**-23 * np.abs(one).max()
            worst = np.abs(many - one).max()
            assert worst <= tolerance * change + rounding, (case, name, worst, change)
        # Kernels, gammas, betas, alpha, and unless frozen the statistics.
        assert moved >= (12 if case == "frozen" else 20), (case, moved, len(names))
    return arrays


@only_tensorflow
def test_two_replicas_train_as_one_device(tmp_path):
    out = tmp_path / "weights.npz"
    finish(start("tensorflow", out, "mirrored"))
    # A gradient is a sum over 200 to 800 positions whose terms partly cancel: float32 sums in
    # another order differ by 1e-6 of it. Synchronised statistics take the variance as E[x^2] -
    # E[x]^2, one device as E[(x - E[x])^2]; with a mean of up to five deviations that costs 25 * 1e-7
    # of the variance in each of two norms, and six steps carry it on: a factor of ten each.
    # Measured: 8e-7 and 6e-6.
    arrays = assert_same(out, {"frozen": 1e-5, "synchronised": 1e-4})
    for case in ("frozen", "synchronised"):
        one, many = arrays[f"{case}/one/loss"], arrays[f"{case}/many/loss"]
        # The log weighs a replica's loss by its pictures once more: in the last batch by 4/3 and
        # 2/3, which is at most (4/3 - 1) * 3/11 = 9 % of an epoch's mean.
        np.testing.assert_allclose(many, one, rtol=0.1)


@pytest.mark.gate
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_two_processes_train_as_one(tmp_path):
    out = tmp_path / "weights.npz"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    finish(*(start("jax", out, "hosts", address, index) for index in range(2)))
    # As above, but the arrays are global: XLA computes the same formulas, summed in another order.
    # Measured: 4e-6.
    arrays = assert_same(out, {"synchronised": 2e-5})
    one, many = arrays["synchronised/one/loss"], arrays["synchronised/many/loss"]
    np.testing.assert_allclose(many, one, rtol=1e-5)


class Batch(keras.utils.PyDataset):
    """One batch of given labels."""

    def __init__(self, labels):
        super().__init__()
        self.labels = labels

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return {"rgb": self.labels}, self.labels


@pytest.mark.parametrize("images, replicas", [(4, 2), (3, 2), (5, 3), (6, 1)])
@pytest.mark.parametrize("pixels", [None, 50.0])
def test_the_mean_of_the_replicas_losses_is_the_loss_of_the_batch(images, replicas, pixels):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (images, 8, 8)).astype("int32")
    labels[0, 1:] = 255
    labels[0, 0] = 0
    labels[-1] = 255
    logits = rng.normal(size=(images, 8, 8, 3)).astype("float32")
    logits[0] *= 5  # few pixels with a high loss
    weights = ReplicaBatches(Batch(labels), replicas, pixels_per_image=pixels)[0][2]
    part = -(-images // replicas)
    parts = [slice(first, first + part) for first in range(0, images, part)]
    loss = SegmentationLoss(pixels_per_image=1.0)
    found = [float(loss(labels[p], logits[p], sample_weight=weights[p])) for p in parts]
    # float32 sums of up to 384 terms.
    wanted = float(SegmentationLoss(pixels_per_image=pixels)(labels, logits))
    assert np.mean(found) == pytest.approx(wanted, rel=1e-5)
    if replicas > 1 and pixels is None:
        plain = np.mean([float(SegmentationLoss()(labels[p], logits[p])) for p in parts])
        assert abs(plain - wanted) > 0.005  # what Keras does by itself


def test_a_batch_without_a_valid_pixel_has_no_loss():
    weights = ReplicaBatches(Batch(np.full((2, 4, 4), 255)), 2)[0][2]
    assert np.isfinite(weights).all()


def test_a_replica_without_pictures_is_named():
    with pytest.raises(InputError, match="5 images leaves one of 4 devices without any"):
        ReplicaBatches(Batch(np.zeros((5, 4, 4), int)), 4)[0]


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        (5, {}, "batch 5 does not divide by the 2 devices; take 4 or 6"),
        (1, {}, "take 2 "),
        (4, {"policy": "mixed_float16"}, "take policy=mixed_bfloat16"),
        (4, {"clips": True}, "optimizer.global_clipnorm"),
        (4, {"accumulate": 2}, "take accumulate=1"),
        (4, {"jit": True}, "jit=true"),
    ],
)
@only_tensorflow
def test_what_mirrored_cannot_do(batch, options, message):
    mirrored = Mirrored()
    assert mirrored.replicas == 1  # the CPU of this process
    mirrored.replicas = 2
    mirrored.check(4, policy="mixed_bfloat16")
    with pytest.raises(InputError) as error:
        mirrored.check(batch, **options)
    assert message in str(error.value)


def test_one_device_takes_everything():
    alone = distribution_of(None)
    assert type(alone) is OneDevice
    alone.check(7, "mixed_float16", clips=True, accumulate=3, jit=True)
    assert alone.agree(3) == [3]


HOSTS = {"coordinator": "node0:1234", "processes": "2", "process": "1"}


@pytest.mark.parametrize(
    ("kind", "backend", "settings", "message"),
    [
        ("mirrord", "tensorflow", {}, "'mirrord' is unknown; take mirrored or hosts"),
        ("mirrored", "jax", {}, "KERAS_BACKEND=tensorflow, or take --distribute hosts"),
        ("mirrored", "torch", {}, "needs the tensorflow backend, found torch"),
        ("mirrored", "tensorflow", {"processes": "2"}, "--processes is for --distribute hosts"),
        (None, "tensorflow", {"coordinator": "a:1"}, "--coordinator is for --distribute hosts"),
        ("hosts", "tensorflow", HOSTS, "KERAS_BACKEND=jax, or take --distribute mirrored"),
        ("hosts", "jax", {}, "wants --coordinator, or KERAS_DISTRIBUTION_JOB_ADDRESSES"),
        ("hosts", "jax", HOSTS | {"process": None}, "wants --process, or KERAS_"),
        ("hosts", "jax", HOSTS | {"coordinator": "node0"}, "'node0'; wanted HOST:PORT"),
        ("hosts", "jax", HOSTS | {"processes": "two"}, "--processes is 'two'"),
        ("hosts", "jax", HOSTS | {"process": "2"}, "numbered from 0 to 1"),
        ("hosts", "jax", HOSTS | {"process": "-1"}, "wanted a whole number"),
    ],
)
def test_settings_that_do_not_fit_are_named(monkeypatch, kind, backend, settings, message):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(InputError) as error:
        distribution_of(kind, **settings, environment={})
    assert message in str(error.value)


def test_a_wrong_environment_variable_is_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    environment = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": "node0:1234,node1:1234",
        "JAX_NUM_PROCESSES": "2",
        "KERAS_DISTRIBUTION_PROCESS_ID": "3",
    }
    with pytest.raises(InputError, match="KERAS_DISTRIBUTION_PROCESS_ID is 3 and JAX_NUM_PROC"):
        distribution_of("hosts", environment=environment)


def test_a_process_that_finds_nobody_says_so(monkeypatch):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(host_settings, "PATIENCE", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=f"nobody has listened at {address}"):
            distribution_of("hosts", address, 2, 1, environment={})


def test_undistributed_puts_the_distribution_back():
    keras.distribution.set_distribution("some distribution")
    try:
        with undistributed():
            assert keras.distribution.distribution() is None
        assert keras.distribution.distribution() == "some distribution"
    finally:
        keras.distribution.set_distribution(None)
