"""The loader: what a batch holds depends on seed, epoch and index, and on nothing else."""

import dataclasses

import keras
import numpy as np
import pytest

from cen_keras.data.loader import EpochCallback, Loader, describe
from cen_keras.data.transforms import Augmentation, Normalization
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.modalities import READY

PLAIN = Normalization.from_json(
    {
        "rgb": {"scale": 1.0, "mean": [0.0] * 3, "std": [1.0] * 3},
        "depth": {"scale": 1.0, "mean": [0.0], "std": [1.0]},
    }
)


class Numbered(Views):
    """View i: every pixel of rgb is i, depth i metres, label i % 13."""

    name = "numbered"
    classes = tuple("abcdefghijklm")

    def __init__(self, count, bad=()):
        self.count, self.bad = count, bad

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index in self.bad:
            raise InputError(f"frame {index} is damaged")
        return {
            "rgb": np.full((6, 8, 3), index, np.uint8),
            "depth": np.full((6, 8), index, np.float32),
            "label": np.full((6, 8), index % 13, np.uint8),
        }


def loader(count=10, batch=3, bad=(), **options):
    return Loader(Numbered(count, bad), batch, **({"normalization": PLAIN, "seed": 5} | options))


def numbers(batch):
    return batch[0]["rgb"][:, 0, 0, 0].astype(int).tolist()


def test_shapes_and_types():
    inputs, label = loader()[0]
    assert {name: x.shape for name, x in inputs.items()} == {
        "rgb": (3, 6, 8, 3),
        "depth": (3, 6, 8, 1),
    }
    assert {x.dtype for x in inputs.values()} == {np.dtype("float32")}
    assert label.shape == (3, 6, 8) and label.dtype == np.int32


@pytest.mark.parametrize("options", [{"drop_last": True}, {"epoch_steps": 4}])
def test_the_shares_of_several_processes_make_the_whole_batch(options):
    whole = loader(batch=6, count=20, shuffle=True, **options)
    shares = [loader(batch=6, count=20, shuffle=True, share=(i, 3), **options) for i in range(3)]
    for epoch in (0, 1):
        for index in range(len(whole)):
            parts = [numbers(part.batch(epoch, index)) for part in shares]
            assert [len(part) for part in parts] == [2, 2, 2]
            assert sum(parts, []) == numbers(whole.batch(epoch, index))
    assert {len(part) for part in shares} == {len(whole)}


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        (4, {"share": (3, 3)}, "i from 0 to n - 1"),
        (4, {"share": (0, 3), "drop_last": True}, "do not make 3 equal parts"),
        (4, {"share": (0, 2)}, "drop_last=True"),
    ],
)
def test_shares_that_are_not_equal_are_refused(batch, options, message):
    with pytest.raises(InputError, match=message):
        loader(batch=batch, **options)


def test_without_shuffling_views_come_in_order_and_all_of_them():
    got = [numbers(batch) for batch in loader()]
    assert got == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert len(loader(drop_last=True)) == 3


def test_each_epoch_is_another_permutation():
    orders = []
    data = loader(shuffle=True)
    for epoch in range(3):
        data.set_epoch(epoch)
        orders.append(tuple(sum((numbers(batch) for batch in data), [])))
    assert len(set(orders)) == 3
    assert all(sorted(order) == list(range(10)) for order in orders)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("steps", [None, 2])
def test_the_number_of_threads_changes_nothing(workers, steps):
    options = {"shuffle": True, "augment": Augmentation(scale=(0.7, 1.5)), "epoch_steps": steps}
    reference = loader(workers=0, **options)
    data = loader(workers=workers, **options)
    for epoch in (2, 0):
        data.set_epoch(epoch)
        # Read out of order, too.
        for index in [*range(len(data)), 1, 0]:
            inputs, label = data[index]
            wanted_inputs, wanted_label = reference.batch(epoch, index)
            for name in inputs:
                np.testing.assert_array_equal(inputs[name], wanted_inputs[name])
            np.testing.assert_array_equal(label, wanted_label)
    data.close()


def test_short_epochs_continue_one_endless_sequence():
    """With three batches of three from ten views, the passes begin in the middle of batches."""
    short, long = loader(shuffle=True, epoch_steps=3), loader(shuffle=True, epoch_steps=12)
    pieces = [short.batch(epoch, index) for epoch in range(4) for index in range(3)]
    whole = [long.batch(0, index) for index in range(12)]
    assert [numbers(batch) for batch in pieces] == [numbers(batch) for batch in whole]
    sequence = sum((numbers(batch) for batch in whole), [])
    for first in range(0, 30, 10):
        assert sorted(sequence[first : first + 10]) == list(range(10))


class Recorder(keras.Model):
    """A model that notes what it is fed and learns nothing."""

    def __init__(self):
        super().__init__()
        self.weight = self.add_weight(shape=(), initializer="zeros")
        self.got = []

    def call(self, inputs):
        return inputs["depth"] * 0 + self.weight

    def train_step(self, data):
        self.got.append(np.asarray(data[0]["rgb"])[:, 0, 0, 0].astype(int).tolist())
        return {"loss": 0.0}


@pytest.mark.parametrize("workers", [0, 2])
def test_fit_sees_the_same_batches_when_it_is_resumed(workers):
    def run(first, last, **more):
        model, data = Recorder(), loader(shuffle=True, workers=workers, **more)
        model.compile(run_eagerly=True)
        callbacks = [EpochCallback(data)]
        model.fit(
            data, epochs=last, initial_epoch=first, shuffle=False, verbose=0, callbacks=callbacks
        )
        return model.got

    for steps in (None, 3):
        whole = run(0, 3, epoch_steps=steps)
        assert whole == run(0, 1, epoch_steps=steps) + run(1, 3, epoch_steps=steps)


def test_fit_without_the_callback_goes_on_to_the_next_epoch():
    model, data = Recorder(), loader(shuffle=True, workers=2)
    model.compile(run_eagerly=True)
    model.fit(data, epochs=3, shuffle=False, verbose=0)
    wanted = [numbers(data.batch(epoch, index)) for epoch in range(3) for index in range(len(data))]
    assert model.got == wanted


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_that_keras_shuffles_are_reported_once(shuffle, caplog):
    model = Recorder()
    model.compile(run_eagerly=True)
    # Every order of four batches but their own moves two of them or more.
    keras.utils.set_random_seed(1)
    model.fit(loader(count=12, shuffle=True), shuffle=shuffle, epochs=3, verbose=0)
    warnings = [record for record in caplog.records if "shuffle=False" in record.getMessage()]
    assert len(warnings) == shuffle


def test_a_bad_frame_stops_by_default():
    with pytest.raises(InputError, match="frame 4 is damaged"):
        loader(bad=(4,))[1]


def test_fit_stops_at_a_bad_frame_and_the_loader_tells_which():
    model, data = Recorder(), loader(bad=(7,))
    model.compile(run_eagerly=True)
    # TensorFlow raises an error of its own, with the message of the true one inside.
    with pytest.raises(Exception, match="frame 7 is damaged"):
        model.fit(data, shuffle=False, verbose=0)
    assert isinstance(data.error, InputError)


def test_a_skipped_frame_is_replaced_and_does_not_count_twice():
    plain = loader(bad=(4,), bad_frames="skip")
    inputs, label = plain[1]
    assert numbers((inputs,)) == [3, 5, 5]
    assert label[:, 0, 0].tolist() == [3, 255, 5]
    shuffled = loader(bad=(4,), bad_frames="skip", shuffle=True)
    assert all((label < 13).all() for _, label in shuffled)
    with pytest.raises(InputError, match="not one frame"):
        loader(count=2, bad=(0, 1), bad_frames="skip")[0]


def test_wrong_labels_are_named():
    data = loader(count=20)
    data.views.classes = tuple("abc")
    with pytest.raises(InputError, match=r"numbered view 3: found label 3"):
        data[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bad_frames": "ignore"}, "'raise' or 'skip'"),
        ({"batch": 0}, "at least 1"),
        ({"count": 0}, "no views"),
        ({"count": 2, "drop_last": True}, "do not fill one batch"),
        ({"epoch_steps": 0}, "at least 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        loader(**options)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "depth", "mean": [1.2], "std": [0.5]},
        dataclasses.replace(READY["depth"], mean=(1.2,)),
    ],
)
def test_files_count_as_the_data_set_says_whatever_the_numbers(given):
    views = Numbered(3)
    views.modalities = {"depth": dataclasses.replace(READY["depth"], unit_per_count=0.0005)}
    (depth,) = describe(views, [given]).values()
    assert depth.unit_per_count == 0.0005 and depth.mean == (1.2,)


def test_a_missing_modality_is_named():
    with pytest.raises(InputError, match="has no 'thermal'"):
        loader(modalities=("rgb", "thermal"))[0]
