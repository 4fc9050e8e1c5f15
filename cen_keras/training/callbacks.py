"""Keras callbacks that keep a run folder: evaluation, logs, best model, checkpoint, stop on NaN.

They write at the end of an epoch in the order of `run_callbacks`; the checkpoint is last, so a run
that is killed at any moment goes on from an epoch whose other files are whole, and what was logged
after it is cut off.
"""

import logging
import time
from pathlib import Path

import keras
import numpy as np

from cen_keras.files import atomic_path
from cen_keras.metrics.evaluation import evaluate_streams
from cen_keras.metrics.exchange_rate import exchange_rate, norm_layers
from cen_keras.pages.evaluated import Evaluated, views_of
from cen_keras.pages.extremes import Extremes
from cen_keras.training.checkpoint import load_checkpoint, save_checkpoint
from cen_keras.training.distribution import undistributed
from cen_keras.training.errors import NonFiniteError
from cen_keras.training.logs import CsvLog, EventLog

logger = logging.getLogger(__name__)

CHECKPOINT = "last.npz"
BEST = "best.keras"


def current_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """Returns the learning rate of the next step."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def save_for_inference(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file of the model alone, without the optimiser's state, atomically.

    Raises:
        OSError: the file cannot be written; `path` is then as it was.
    """
    with undistributed():
        plain = type(model).from_config(model.get_config())
        plain.set_weights(model.get_weights())
        with atomic_path(path) as temporary:
            plain.save(temporary)


class StopOnNonFinite(keras.callbacks.Callback):
    """Raises NonFiniteError where the loss, or at an epoch's end a weight, is not finite.

    Args:
        run: the run folder, named in the message.
        steps: steps per epoch, for the number of the step in the whole run.
    """

    way_out = "a lower optimizer.learning_rate, or with optimizer.global_clipnorm"

    def __init__(self, run: Path, steps: int):
        super().__init__()
        self.run = Path(run)
        self.steps = steps
        self.epoch = 0

    def _stop(self, what, step):
        saved = self.run / CHECKPOINT
        kept = f"The last good checkpoint is {saved}" if saved.exists() else "No epoch was finished"
        raise NonFiniteError(
            f"{what} in epoch {self.epoch + 1} at step {step + 1} of it (step "
            f"{self.epoch * self.steps + step + 1} of the run). {kept}. Start again in another run "
            f"folder with {self.way_out}."
        )

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch for the message."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss, which Keras gives as the epoch's mean so far: one NaN in it stays."""
        loss = float((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss):
            self._stop(f"the loss became {loss}", batch)

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the weights: a loss is computed before the update that may break them."""
        for weight in self.model.weights:
            value = keras.ops.convert_to_numpy(weight)
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                self._stop(f"the weight {weight.path} became NaN or infinite", self.steps - 1)


class EvaluateStreams(keras.callbacks.Callback):
    """Adds every stream's scores and the exchange rate, in 0..1, to the epoch's logs.

    The keys are `{stream}_miou`, `{stream}_mean_accuracy`, `{stream}_pixel_accuracy`, `exchanged`
    and `layers_exchanging`.

    Args:
        loader: the validation batches, a `keras.utils.PyDataset`; the first batch is the largest.
        num_classes: number of classes.
        every: evaluates each so many epochs, and after the last.
        interpolation: "bilinear" or "cubic".
        ignore: the label of pixels that do not count.

    Attributes:
        epoch: of the last evaluation, None before the first.
        matrices: of the last evaluation, stream -> `ConfusionMatrix`.
        extremes: of the last evaluation, its worst and best views.
    """

    def __init__(
        self,
        loader,
        num_classes: int,
        every: int = 1,
        interpolation: str = "bilinear",
        ignore: int = 255,
    ):
        super().__init__()
        self.ignore = ignore
        self.loader = loader
        self.num_classes = num_classes
        self.every = every
        self.interpolation = interpolation
        self.epoch = None
        self.matrices, self.extremes = {}, Extremes()

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates."""
        rate = exchange_rate(self.model)
        logs["exchanged"] = rate["share_of_penalised"]
        logs["layers_exchanging"] = rate["layers_exchanging"]
        last = epoch + 1 == self.params["epochs"]
        if (epoch + 1) % self.every and not last:
            return
        self.extremes = Extremes(ignore=self.ignore)
        self.matrices = evaluate_streams(
            self.model,
            self.loader,
            self.num_classes,
            ignore=self.ignore,
            interpolation=self.interpolation,
            watch=self.extremes,
        )
        self.epoch = epoch
        for stream, matrix in self.matrices.items():
            for name, value in matrix.result().items():
                logs[f"{stream}_{name}"] = value

    def evaluated(self) -> Evaluated | None:
        """Returns what the last evaluation can show; the loader has `views` and `descriptions`."""
        if self.epoch is None:
            return None
        views = self.loader.views
        kept = {"worst": self.extremes.worst, "best": self.extremes.best}
        iou = {name: matrix.per_class()["iou"] for name, matrix in self.matrices.items()}
        return Evaluated(
            self.epoch,
            {
                name: {
                    c: None if np.isnan(v) else float(v)
                    for c, v in zip(views.classes, values, strict=True)
                }
                for name, values in iou.items()
            },
            self.matrices["ensemble"].matrix,
            tuple(views.classes),
            views.palette,
            views_of(kept, views, self.loader.descriptions, self.ignore),
        )


class RunLogs(keras.callbacks.Callback):
    """Writes `log.csv`, `exchange.csv` and TensorBoard events, going on where a resumed run stands.

    `log.csv` has a row per epoch with what the callbacks before this one put into the logs,
    `exchange.csv` a row per epoch, layer and modality. TensorBoard gets the same scalars and a
    histogram of every exchanging layer's |gamma|; it is left out where the `tensorboard` package is
    missing.

    Args:
        run: the run folder.
        columns: of `log.csv`, after `epoch`.
        tensorboard: whether to write TensorBoard events.
    """

    def __init__(self, run: Path, columns: list[str], tensorboard: bool = True):
        super().__init__()
        run = Path(run)
        self.log = CsvLog(run / "log.csv", ["epoch", *columns])
        self.exchange = CsvLog(run / "exchange.csv", ["epoch", "layer", "modality", "share"])
        self.events = EventLog(run / "tensorboard") if tensorboard else None
        self.initial_epoch = 0
        self.started = 0.0

    def on_train_begin(self, logs=None):
        """Cuts off what was logged after the checkpoint."""
        self.log.keep_before(self.initial_epoch)
        self.exchange.keep_before(self.initial_epoch)

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's rows."""
        logs["learning_rate"] = current_rate(self.model.optimizer)
        logs["seconds"] = time.perf_counter() - self.started
        self.log.append([{"epoch": epoch, **logs}])
        shares = exchange_rate(self.model)["layers"]
        self.exchange.append(
            {"epoch": epoch, "layer": layer, "modality": modality, "share": share}
            for layer, parts in shares.items()
            for modality, share in parts.items()
        )
        if self.events is not None:
            self.events.scalars(epoch, {k: v for k, v in logs.items() if np.isscalar(v)})
            self.events.histograms(epoch, self._gammas())

    def _gammas(self):
        for layer in norm_layers(self.model):
            if layer.exchange_threshold is None:
                continue
            for name, gamma in zip(layer.modalities, layer.scales(), strict=True):
                yield f"gamma/{layer.name}/{name}", np.abs(keras.ops.convert_to_numpy(gamma))


class RunCheckpoint(keras.callbacks.Callback):
    """Keeps `best.keras`, the best model so far, and `last.npz`, from which a run goes on.

    Args:
        run: the run folder.
        monitor: the key of the logs to maximise.

    Attributes:
        writes: whether to write; of several processes that train one model only one may.
        best: `score` and `epoch` of the best model, None before the first evaluation.
        epochs: number of finished epochs.
        stopped: of how many epochs another callback has stopped the training, None if none has.
    """

    def __init__(self, run: Path, monitor: str = "ensemble_miou"):
        super().__init__()
        self.writes = True
        self.run = Path(run)
        self.monitor = monitor
        self.best = {"score": None, "epoch": None}
        self.epochs = 0
        self.stopped = None

    def resume(self, model: keras.Model) -> int:
        """Loads `last.npz` into the model, if there is one.

        Returns:
            The number of finished epochs.

        Raises:
            InputError: the file is damaged or does not fit the model.
        """
        path = self.run / CHECKPOINT
        if path.exists():
            note = load_checkpoint(path, model)
            self.best, self.epochs, self.stopped = note["best"], note["epochs"], note.get("stopped")
        return self.epochs

    def on_epoch_end(self, epoch, logs=None):
        """Writes both files; the checkpoint last."""
        score = (logs or {}).get(self.monitor, np.nan)
        if np.isfinite(score) and (self.best["score"] is None or score > self.best["score"]):
            self._save_best()
            self.best = {"score": float(score), "epoch": epoch}
        self.epochs = epoch + 1
        self.stopped = self.params["epochs"] if self.model.stop_training else None
        if self.writes:
            note = {"epochs": self.epochs, "best": self.best, "stopped": self.stopped}
            save_checkpoint(self.run / CHECKPOINT, self.model, note)

    def on_train_end(self, logs=None):
        """Keeps the last model where a training was stopped before its first evaluation."""
        if self.best["epoch"] is None and self.epochs:
            self._save_best()

    def _save_best(self):
        if self.writes:
            save_for_inference(self.model, self.run / BEST)
