"""One training on several devices: the GPUs of one machine, or several machines.

Whatever the kind, a step is the step that one device would take with the same global batch: one
mean over the valid pixels of all devices, one gradient, statistics of the whole batch.

- `Mirrored`: `tf.distribute.MirroredStrategy`, a replica per GPU. Keras takes the mean of the
  replicas' losses, which is not the mean over all valid pixels where their numbers differ; so every
  image is weighted by what the loader knows of the global batch. BatchNorm is synchronised.
- `Hosts`: Keras' own distribution on the JAX backend, a process per machine (or per GPU). Arrays
  are global there, so loss and BatchNorm are those of the global batch by themselves; every process
  only loads its share of it.

`Mirrored` was tested on two logical devices of a CPU and `Hosts` with two processes on one machine.
Neither has run on GPUs.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.losses.segmentation import SegmentationLoss
from cen_keras.metrics.exchange_rate import norm_layers

KINDS = ("mirrored", "hosts")


class OneDevice:
    """Training on one device, and what the other kinds share.

    Attributes:
        kind: its name on the command line, None for one device.
        replicas: the parts into which a global batch is divided.
        share: (i, n): this process loads part i of n of every global batch.
        writes: whether this process writes the run folder.
    """

    kind: str | None = None
    replicas = 1
    share = (0, 1)
    writes = True

    def check(
        self,
        batch: int,
        policy: str = "float32",
        clips: bool = False,
        accumulate: int = 1,
        jit: bool = False,
    ) -> None:
        """Checks that a training can be divided.

        Args:
            batch: images in the global batch.
            policy: Keras' dtype policy.
            clips: whether the optimiser clips gradients.
            accumulate: batches whose gradients make one update.
            jit: whether XLA is asked for.

        Raises:
            InputError: the result would not be that of one device.
        """
        if batch % self.replicas:
            whole = batch - batch % self.replicas
            raise InputError(
                f"batch {batch} does not divide by the {self.replicas} devices; take "
                f"{f'{whole} or ' if whole else ''}{whole + self.replicas} (--set batch=N)."
            )

    def scope(self) -> contextlib.AbstractContextManager:
        """Returns the context in which the model is built, compiled and restored."""
        return contextlib.nullcontext()

    def running(self) -> contextlib.AbstractContextManager:
        """Returns the context of `fit`."""
        return contextlib.nullcontext()

    def loss(self, ignore: int = 255, pixels_per_image: float | None = None) -> SegmentationLoss:
        """Returns the loss to compile with."""
        return SegmentationLoss(ignore, pixels_per_image)

    def prepare(self, model: keras.Model) -> None:
        """Makes a model's norms take the statistics of the global batch."""

    def batches(self, loader, ignore: int = 255, pixels_per_image: float | None = None):
        """Returns what `fit` is given in the loader's place."""
        return loader

    def agree(self, value: int) -> list[int]:
        """Waits for every process; returns what each has called it with."""
        return [value]


class Mirrored(OneDevice):
    """A replica per GPU of this machine, or per logical CPU device where there is no GPU.

    Predictions for scores are not divided: every replica makes all of them.

    Raises:
        InputError: the backend is not TensorFlow.
    """

    kind = "mirrored"

    def __init__(self):
        _want_backend("mirrored", "tensorflow", "hosts", "jax")
        import tensorflow as tf

        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        self.strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        self.replicas = self.strategy.num_replicas_in_sync

    def check(self, batch, policy="float32", clips=False, accumulate=1, jit=False):
        """Checks that a training can be divided; see `OneDevice.check`."""
        super().check(batch, policy, clips, accumulate, jit)
        if jit:
            raise InputError(
                "jit=true: Keras leaves XLA out under tf.distribute; with --distribute mirrored "
                "set it to false."
            )
        # In each case Keras looks at a replica's own gradient before the sum over the replicas.
        if policy == "mixed_float16":
            raise InputError(
                "policy=mixed_float16 scales the loss by what the first replica alone finds; with "
                "--distribute mirrored take policy=mixed_bfloat16 or float32."
            )
        if clips:
            raise InputError(
                "optimizer.global_clipnorm would clip every replica's gradient by itself; with "
                "--distribute mirrored set it to null."
            )
        if accumulate > 1:
            raise InputError(
                f"optimizer.accumulate={accumulate} does not work with --distribute mirrored; take "
                "accumulate=1 and a larger batch, which the replicas divide among them."
            )

    def scope(self):
        """Returns the strategy's scope."""
        return self.strategy.scope()

    def loss(self, ignore=255, pixels_per_image=None):
        """Returns the sums over the images' pixels; `batches` gives the weights that divide."""
        return SegmentationLoss(ignore, pixels_per_image=1.0)

    def prepare(self, model):
        """Synchronises every BatchNorm that takes statistics of the batch."""
        for layer in norm_layers(model):
            for norm in layer.norms:
                if isinstance(norm, keras.layers.BatchNormalization):
                    # An attribute, not an option of the model: a saved model knows nothing of the
                    # devices it was trained on. Frozen statistics stay as they are.
                    norm.synchronized = not layer.freeze_statistics

    def batches(self, loader, ignore=255, pixels_per_image=None):
        """Returns the loader's batches with the weights that make the replicas' losses one."""
        return ReplicaBatches(loader, self.replicas, ignore, pixels_per_image)


class Hosts(OneDevice):
    """Several processes, usually one per machine, that train one model on the JAX backend.

    To be made before anything else touches JAX's devices. Process 0 waits at the address for the
    others; if one process ends, JAX ends the others too, and the same commands go on from the last
    finished epoch.

    Args:
        coordinator: "host:port" of process 0.
        processes: their number.
        process: the number of this one, 0 for the first.

    Raises:
        InputError: the backend is not JAX, or the processes do not find each other.
    """

    kind = "hosts"

    def __init__(self, coordinator: str, processes: int, process: int):
        _want_backend("hosts", "jax", "mirrored", "tensorflow")
        import jax

        # Keras draws a seed among the processes unless it has one.
        keras.utils.set_random_seed(0)
        try:
            keras.distribution.initialize(coordinator, processes, process)
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(
                f"process {process} of {processes} cannot join at {coordinator}: {reason.rstrip('.')}. "
                "Start every process with the same address and number of processes, process 0 on "
                "the machine of that address."
            ) from error
        # The shares are cut by the loader.
        self.distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
        self.replicas = jax.device_count()
        self.share = (process, processes)
        self.writes = process == 0

    def scope(self):
        """Returns the scope of Keras' distribution."""
        return self.distribution.scope()

    def running(self):
        """Returns the scope of Keras' distribution, which `fit` asks for."""
        return self.distribution.scope()

    def agree(self, value):
        """Waits for every process; returns what each has called it with."""
        from jax.experimental import multihost_utils

        return [int(found) for found in multihost_utils.process_allgather(np.array([value])).flat]


class ReplicaBatches(keras.utils.PyDataset):
    """A loader's batches with weights, so that the mean over replicas is the mean over all pixels.

    Keras divides a batch of n images among R replicas, ceil(n / R) each until there are none left,
    and averages the replicas' losses, each the mean over its n_r images of weight * sum of
    cross-entropies. With the weight R n_r / V, V the valid pixels of the whole batch, that is

        1/R sum_r 1/n_r sum_i (R n_r / V) sum_i = (sum over all valid pixels) / V.

    That is the loss whose gradient is taken. The loss that Keras logs weighs every replica by n_r
    once more, so where the n_r differ the log is a little off; the training is not.

    Args:
        loader: gives `(inputs by modality, labels (b, H, W))`.
        replicas: R.
        ignore: the label of pixels that do not count.
        pixels_per_image: V is that many pixels per image instead, see `SegmentationLoss`.
    """

    def __init__(self, loader, replicas: int, ignore=255, pixels_per_image=None):
        super().__init__(workers=1, use_multiprocessing=False)
        self.loader = loader
        self.replicas = replicas
        self.ignore = ignore
        self.pixels_per_image = pixels_per_image

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.loader)

    def __getitem__(self, index: int):
        """Returns the loader's batch `index` and its weights, float32 (b,)."""
        inputs, labels = self.loader[index]
        return inputs, labels, self.weights(labels)

    def weights(self, labels: np.ndarray) -> np.ndarray:
        """Returns the weight of each image, float32 (b,).

        Raises:
            InputError: there are fewer images than replicas need.
        """
        images = len(labels)
        part = -(-images // self.replicas)
        parts = [max(0, min(part, images - part * r)) for r in range(self.replicas)]
        if 0 in parts:
            raise InputError(
                f"a batch of {images} images leaves one of {self.replicas} devices without any; "
                "take a batch that divides by the devices, or drop_last=True."
            )
        if self.pixels_per_image is None:
            pixels = max(1, int(np.count_nonzero(labels != self.ignore)))
        else:
            pixels = self.pixels_per_image * images
        return np.repeat([self.replicas * n / pixels for n in parts], parts).astype("float32")

    def on_epoch_begin(self) -> None:
        """Called by Keras before it takes the first batch of an epoch."""
        self.loader.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Called by Keras after an epoch."""
        self.loader.on_epoch_end()


@contextlib.contextmanager
def undistributed():
    """A context in which models are built in this process alone, whatever Keras' distribution."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def distribution_of(
    kind: str | None,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> OneDevice:
    """Makes the distribution that a command line names.

    Args:
        kind: "mirrored", "hosts", or None for one device.
        coordinator: "host:port" of process 0, for hosts; else KERAS_DISTRIBUTION_JOB_ADDRESSES or
            JAX_COORDINATOR_ADDRESS.
        processes: their number; else KERAS_DISTRIBUTION_NUM_PROCESSES or JAX_NUM_PROCESSES.
        process: number of this one; else KERAS_DISTRIBUTION_PROCESS_ID or JAX_PROCESS_ID.
        environment: the environment variables.

    Raises:
        InputError: an unknown kind, another backend, or settings that are missing or wrong.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"--distribute {kind!r} is unknown; take {' or '.join(KINDS)}.")
    if kind != "hosts":
        given = {"--coordinator": coordinator, "--processes": processes, "--process": process}
        extra = [name for name, value in given.items() if value is not None]
        if extra:
            raise InputError(f"{', '.join(extra)} is for --distribute hosts.")
        return Mirrored() if kind == "mirrored" else OneDevice()
    _want_backend("hosts", "jax", "mirrored", "tensorflow")
    return Hosts(*_host_settings(coordinator, processes, process, environment))


_HOST_SETTINGS: dict[str, tuple[str, ...]] = {
    "--coordinator": ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "JAX_COORDINATOR_ADDRESS"),
    "--processes": ("KERAS_DISTRIBUTION_NUM_PROCESSES", "JAX_NUM_PROCESSES"),
    "--process": ("KERAS_DISTRIBUTION_PROCESS_ID", "JAX_PROCESS_ID"),
}


def _host_settings(coordinator, processes, process, environment) -> tuple[str, int, int]:
    """Returns the checked address, number of processes and number of this process."""
    values: dict[str, Any] = {}
    given = (coordinator, processes, process)
    for (option, names), value in zip(_HOST_SETTINGS.items(), given, strict=True):
        found = [(option, value)] + [(name, environment.get(name)) for name in names]
        found = [(name, value) for name, value in found if value not in (None, "")]
        if not found:
            raise InputError(
                f"--distribute hosts wants {option}, or {' or '.join(names)} in the environment: "
                "the same --coordinator HOST:PORT and --processes N for all, and --process 0 to "
                "N-1, one each."
            )
        values[option] = found[0]
    name, address = values["--coordinator"]
    # Keras takes the addresses of all; JAX needs the first.
    address = address.split(",")[0].strip()
    if not re.fullmatch(r"\S+:\d{1,5}", address):
        raise InputError(f"{name} is {address!r}; wanted HOST:PORT of process 0.")
    numbers = []
    for option in ("--processes", "--process"):
        name, value = values[option]
        if not re.fullmatch(r"\d{1,6}", str(value)):
            raise InputError(f"{name} is {value!r}; wanted a whole number.")
        numbers.append(int(value))
    count, index = numbers
    if not index < count:
        raise InputError(
            f"{values['--process'][0]} is {index} and {values['--processes'][0]} {count}; "
            f"processes are numbered from 0 to {max(count - 1, 0)}."
        )
    return address, count, index


def _want_backend(kind: str, backend: str, other: str, other_backend: str) -> None:
    found = keras.backend.backend()
    if found == backend:
        return
    instead = f", or take --distribute {other}" if found == other_backend else ""
    raise InputError(
        f"--distribute {kind} needs the {backend} backend, found {found}: set "
        f"KERAS_BACKEND={backend}{instead}."
    )
