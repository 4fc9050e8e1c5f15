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
from collections.abc import Mapping

import keras
import numpy as np

from cen_keras.baselines.sharing import SharedNorm
from cen_keras.errors import InputError
from cen_keras.losses.segmentation import SegmentationLoss
from cen_keras.metrics.exchange_rate import layers_of, norm_layers
from cen_keras.training.host_settings import host_settings, wait_for
from cen_keras.training.replica_batches import ReplicaBatches

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
        for layer in (*norm_layers(model), *layers_of(model, SharedNorm)):
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

        if process > 0:
            wait_for(coordinator)
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
    return Hosts(*host_settings(coordinator, processes, process, environment))


def _want_backend(kind: str, backend: str, other: str, other_backend: str) -> None:
    found = keras.backend.backend()
    if found == backend:
        return
    instead = f", or take --distribute {other}" if found == other_backend else ""
    raise InputError(
        f"--distribute {kind} needs the {backend} backend, found {found}: set "
        f"KERAS_BACKEND={backend}{instead}."
    )
