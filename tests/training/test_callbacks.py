"""The run folder's callbacks, on a net of one exchange and two classifiers."""

import csv
import math

import keras
import numpy as np
import pytest

from cen_keras.layers import ModalityNorm
from cen_keras.losses.segmentation import SegmentationLoss
from cen_keras.metrics.confusion import ConfusionMatrix
from cen_keras.training.callbacks import (
    EvaluateStreams,
    RunCheckpoint,
    RunLogs,
    StopOnNonFinite,
)
from cen_keras.training.errors import NonFiniteError
from cen_keras.training.logs import CsvLog, EventLog

NAMES = ("rgb", "depth")
STREAMS = (*NAMES, "ensemble")
COLUMNS = ["loss", "learning_rate", "ensemble_miou", "exchanged", "layers_exchanging", "seconds"]


class Batches(keras.utils.PyDataset):
    """Three batches of random pictures, the last one smaller."""

    def __init__(self, sizes=(4, 4, 2)):
        super().__init__()
        rng = np.random.default_rng(0)
        self.batches = [
            (
                {name: rng.normal(size=(n, 4, 4, 3)).astype("float32") for name in NAMES},
                rng.choice([0, 1, 2, 255], (n, 4, 4)).astype("int32"),
            )
            for n in sizes
        ]

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def build(rate=1e-2):
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((4, 4, 3), name=name) for name in NAMES}
    x = ModalityNorm(NAMES, keras.layers.BatchNormalization(epsilon=1e-5), 0.5, name="norm")(inputs)
    logits = {name: keras.layers.Conv2D(3, 1, name=f"{name}_logits")(x[name]) for name in NAMES}
    model = keras.Model(
        inputs, {**logits, "ensemble": keras.layers.Average()(list(logits.values()))}
    )
    model.compile(keras.optimizers.SGD(rate), loss={name: SegmentationLoss() for name in STREAMS})
    return model


class Labels(keras.utils.PyDataset):
    """Gives every output the batch's labels, as a Segmenter does."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        inputs, labels = self.batches[index]
        return inputs, dict.fromkeys(STREAMS, labels)


def fit(model, callbacks, epochs=2, initial_epoch=0):
    model.fit(
        Labels(Batches()),
        shuffle=False,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=callbacks,
        verbose=0,
    )


class Watch(keras.callbacks.Callback):
    """Keeps every epoch's logs and runs a function at its end."""

    def __init__(self, function=lambda epoch, logs: None):
        super().__init__()
        self.epochs = {}
        self.function = function

    def on_epoch_end(self, epoch, logs=None):
        self.epochs[epoch] = dict(logs)
        self.function(epoch, logs)


def test_scores_of_every_stream_reach_the_logs():
    model, watch = build(), Watch()
    fit(model, [EvaluateStreams(Batches(), 3), watch], epochs=1)
    for stream in STREAMS:
        matrix = ConfusionMatrix(3)
        for inputs, labels in Batches().batches:
            # One image at a time: no padding of batches, no shared batch statistics.
            for i, label in enumerate(labels):
                outputs = model({name: array[i : i + 1] for name, array in inputs.items()})
                matrix.update(label[None], keras.ops.convert_to_numpy(outputs[stream]))
        found = {name: watch.epochs[0][f"{stream}_{name}"] for name in matrix.result()}
        assert found == matrix.result()
    assert watch.epochs[0]["exchanged"] == 0.0


def test_evaluation_comes_every_few_epochs_and_at_the_end():
    watch = Watch()
    fit(build(), [EvaluateStreams(Batches(), 3, every=2), watch], epochs=3)
    assert ["rgb_miou" in watch.epochs[epoch] for epoch in range(3)] == [False, True, True]
    assert all("exchanged" in logs for logs in watch.epochs.values())


def test_logs_hold_a_row_per_epoch_and_go_on(tmp_path):
    model = build()
    model.get_layer("norm").norm("depth").gamma.assign([1.0, 0.0, 0.0])  # depth owns 1 and 2
    logs = RunLogs(tmp_path, COLUMNS)
    fit(model, [EvaluateStreams(Batches(), 3), logs], epochs=3)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert list(rows[0]) == ["epoch", *COLUMNS]
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-2)
    with open(tmp_path / "exchange.csv") as file:
        shares = list(csv.DictReader(file))
    assert len(shares) == 3 * 2
    assert shares[1] == {"epoch": "0", "layer": "norm", "modality": "depth", "share": "1"}
    assert list((tmp_path / "tensorboard").glob("events.*"))
    # Resumed after the second epoch: the third is logged anew, once.
    logs = RunLogs(tmp_path, COLUMNS)
    logs.initial_epoch = 2
    fit(model, [logs], epochs=4, initial_epoch=2)
    with open(tmp_path / "log.csv") as file:
        again = list(csv.DictReader(file))
    assert [row["epoch"] for row in again] == ["0", "1", "2", "3"]
    assert again[:2] == rows[:2]


def test_tensorboard_events_can_be_read_back(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = EventLog(tmp_path)
    events.scalars(3, {"loss": 0.5})
    events.histograms(3, [("gamma/norm/rgb", np.array([0.0, 1.0]))])
    reader = accumulator.EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    reader.Reload()
    assert set(reader.Tags()["tensors"]) == {"loss", "gamma/norm/rgb"}
    event = reader.Tensors("loss")[0]
    assert (event.step, event.tensor_proto.float_val[0]) == (3, 0.5)


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    events = EventLog(tmp_path / "events")
    events.scalars(0, {"loss": 1.0})
    events.histograms(0, [("gamma", np.zeros(3))])
    assert not (tmp_path / "events").exists()


def test_a_torn_last_line_is_dropped(tmp_path):
    log = CsvLog(tmp_path / "log.csv", ["epoch", "loss"])
    log.keep_before(0)
    log.append([{"epoch": 0, "loss": 0.5, "other": 1}, {"epoch": 1}])
    with open(log.path, "a") as file:
        file.write("1")
    assert log.path.read_text() == "epoch,loss\n0,0.5\n1,\n1"
    log.keep_before(2)
    assert log.path.read_text() == "epoch,loss\n0,0.5\n1,\n"
    log.keep_before(0)
    assert log.path.read_text() == "epoch,loss\n"


def test_the_best_model_is_kept(tmp_path):
    model, weights = build(), {}
    scores = iter([0.2, 0.5, math.nan, 0.4])

    def score(epoch, logs):
        logs["ensemble_miou"] = next(scores)
        weights[epoch] = model.get_weights()

    checkpoint = RunCheckpoint(tmp_path)
    fit(model, [Watch(score), checkpoint], epochs=4)
    assert checkpoint.best == {"score": 0.5, "epoch": 1}
    best = keras.models.load_model(tmp_path / "best.keras")
    assert getattr(best, "optimizer", None) is None
    for found, wanted in zip(best.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(found, wanted)
    again = RunCheckpoint(tmp_path)
    assert again.resume(build()) == 4
    assert again.best == checkpoint.best
    assert RunCheckpoint(tmp_path / "empty").resume(build()) == 0


def test_nan_in_the_loss_stops_and_keeps_the_checkpoint(tmp_path):
    model = build()

    class Poison(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if (self.params["epochs"], batch) == (2, 1) and (tmp_path / "last.npz").exists():
                self.model.get_layer("rgb_logits").bias.assign([np.nan, 0, 0])

    callbacks = [StopOnNonFinite(tmp_path, 3), Poison(), RunCheckpoint(tmp_path)]
    with pytest.raises(NonFiniteError) as caught:
        fit(model, callbacks)
    assert "the loss became nan in epoch 2 at step 2 of it (step 5 of the run)" in str(caught.value)
    assert f"The last good checkpoint is {tmp_path / 'last.npz'}" in str(caught.value)
    assert RunCheckpoint(tmp_path).resume(build()) == 1


def test_a_last_step_that_breaks_the_weights_is_not_saved(tmp_path):
    model = build()

    def poison(epoch, logs):
        model.get_layer("rgb_logits").bias.assign([np.inf, 0, 0])

    with pytest.raises(NonFiniteError, match="weight rgb_logits/bias.*No epoch was finished"):
        fit(model, [Watch(poison), StopOnNonFinite(tmp_path, 3), RunCheckpoint(tmp_path)])
    assert not (tmp_path / "last.npz").exists()
