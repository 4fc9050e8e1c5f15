"""Batches for `fit`, the same in every run.

What a batch holds is a pure function of (seed, epoch, index): neither the number of worker threads
nor an interruption changes it. Two things in Keras would break that, so both are done here instead:

- Keras shuffles a PyDataset with Python's global generator: pass `shuffle=False` to `fit` and let
  the loader shuffle.
- Keras' own worker threads start on the next epoch before the data set knows of it, and after an
  early stop hand out batches left over from the run before. So Keras sees one worker, and the
  loader reads ahead by itself.
"""

import collections
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from cen_keras.data.label_counts import LabelCounts
from cen_keras.data.labels import IGNORE, check_labels
from cen_keras.data.normalization import Normalization, adapted
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.modalities import Modality, modality_of, several

_LOG = logging.getLogger(__name__)

Augment = Callable[[dict, np.random.Generator], dict]


class Loader(keras.utils.PyDataset):
    """Batches of a data set.

    ```python
    loader = Loader(views, 8, modalities=("rgb", "depth"), shuffle=True)
    model.fit(loader, shuffle=False, epochs=20)
    ```

    By default the loader goes on to the next epoch after each complete one. A resumed run
    calls `loader.set_epoch(k)` or passes `callbacks=[EpochCallback(loader)]`.

    Args:
        views: the data set.
        batch_size: views in a batch.
        modalities: the net's inputs: names of the views' pictures, or `Modality` objects (or their
            configs) where they are not as the data set's or the ready ones.
        normalization: applied last; None, or a modality that it has no numbers for: the modality's
            own.
        augment: applied first, `(view, rng) -> view`; all views of a batch must come out with one
            size. Of one with a method `for_data(modalities, ignore)` its result is taken.
        shuffle: whether every pass takes the views in another order.
        seed: decides order and augmentation.
        workers: threads that read ahead; 0 reads when asked.
        drop_last: whether an incomplete last batch is left out. With `epoch_steps` batches are
            always complete.
        epoch_steps: batches in an epoch, if not one pass over the data: the sequence of shuffled
            passes is endless, and epoch k begins where epoch k - 1 stopped.
        bad_frames: "raise" stops at a frame that cannot be read; "skip" warns and puts the next
            readable one in its place - with its labels ignored when not shuffling, lest it count
            twice in a score.
        target: key of the labels.
        ignore: label of pixels that neither train nor count.
        share: (i, n) takes of every batch only the part i of n equal ones, for a process that
            trains with n - 1 others; `batch_size` stays that of the whole.

    Attributes:
        modalities: names of the net's inputs.
        descriptions: name -> `Modality` of each, with its normalisation.
        epoch: number of the current epoch, 0 for the first.
        error: the last error met while reading, or None. TensorFlow puts an error of its own in its
            place; whoever calls `fit` finds the true one here.
        skipped: frames that could not be read -> why; filled with `bad_frames="skip"`.
        progress: None, or called with how many of how many batches of an epoch were read.

    Raises:
        InputError: an argument does not fit, or the data set has too few views.
    """

    def __init__(
        self,
        views: Views,
        batch_size: int,
        *,
        modalities: Iterable[str | Modality | dict] = ("rgb", "depth"),
        normalization: Normalization | None = None,
        augment: Augment | None = None,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 2,
        drop_last: bool = False,
        epoch_steps: int | None = None,
        bad_frames: str = "raise",
        target: str = "label",
        ignore: int = IGNORE,
        share: tuple[int, int] = (0, 1),
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        part, parts = share
        if not 0 <= part < parts:
            raise InputError(f"loader: share is {share}; wanted (i, n), i from 0 to n - 1.")
        if parts > 1 and (batch_size % parts or not (drop_last or epoch_steps)):
            raise InputError(
                f"loader: batches of {batch_size} do not make {parts} equal parts; take another "
                "batch (`batch_size` here, `batch` in a recipe), and drop_last=True."
            )
        if bad_frames not in ("raise", "skip"):
            raise InputError(f"loader: bad_frames is {bad_frames!r}; choose 'raise' or 'skip'.")
        if batch_size < 1 or (epoch_steps is not None and epoch_steps < 1):
            raise InputError(
                f"loader: the batch is {batch_size}, epoch_steps {epoch_steps}; both at least 1."
            )
        if len(views) == 0:
            raise InputError(f"loader: the data set {views.name!r} has no views.")
        if drop_last and epoch_steps is None and len(views) < batch_size:
            raise InputError(
                f"loader: {len(views)} views do not fill one batch of {batch_size}; "
                "take a smaller batch (`batch_size` here, `batch` in a recipe), or drop_last=False."
            )
        self.views = views
        self.batch_size = batch_size
        self.descriptions = describe(views, modalities, normalization)
        self.modalities = tuple(self.descriptions)
        self.normalization = Normalization(self.descriptions.values())
        if hasattr(augment, "for_data"):
            augment = augment.for_data(self.descriptions.values(), ignore)
        self.augment = augment
        self.shuffle = shuffle
        self.seed = seed
        self.threads = workers
        self.drop_last = drop_last
        self.epoch_steps = epoch_steps
        self.bad_frames = bad_frames
        self.target = target
        self.ignore = ignore
        self.counts = LabelCounts(views, ignore)
        self.share = (part, parts)
        self.epoch = 0
        self.error: Exception | None = None
        self.skipped: dict[str, str] = {}
        self.progress: Callable[[int, int], None] | None = None
        self._finished = False
        # Batches that `fit` has asked for in this epoch, and how many of them out of order.
        self._asked: int | None = None
        self._astray = 0
        self._orders: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self._ahead: dict[tuple[int, int], Future] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Batches in an epoch."""
        if self.epoch_steps is not None:
            return self.epoch_steps
        whole, rest = divmod(len(self.views), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes next (0 is the first)."""
        with self._lock:
            self.epoch = int(epoch)
            self._finished = False
            self._forget()

    def on_epoch_begin(self) -> None:
        """Called by Keras before it takes the first batch of an epoch."""
        self._finished = False
        self._asked = 0

    def on_epoch_end(self) -> None:
        """Called by Keras after an epoch, but also before the first and after a broken one."""
        if self._finished:
            self.set_epoch(self.epoch + 1)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Batch `index` of the current epoch.

        Returns:
            inputs, {modality: float32 (b, h, w, channels)}, and labels, int32 (b, h, w).

        Raises:
            IndexError: there is no such batch.
            InputError: a frame cannot be read, or holds labels that are no classes.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"an epoch has {len(self)} batches; there is no batch {index}.")
        self._watch_order(index)
        try:
            inputs, target = self._get(index)
            if self.target == "label":
                self.counts.add(target, last=index == len(self) - 1, training=self.shuffle)
            if self.progress is not None:
                self.progress(index + 1, len(self))
            return inputs, target
        except Exception as error:
            self.error = error
            raise

    def _watch_order(self, index: int) -> None:
        """Says once that `fit` shuffles the batches by itself."""
        if self._asked is None:
            return
        astray = index != self._asked
        self._astray += astray
        self._asked += 1
        # Two, since a callback may ask for a batch of its own in between.
        if astray and self._astray == 2:
            _LOG.warning(
                "fit shuffles the batches by a generator of its own, so the order differs from run to "
                "run and a resumed run does not repeat it. Pass fit(..., shuffle=False): the loader "
                "shuffles the views by itself."
            )
        if self._asked >= len(self):
            self._asked = None

    def _get(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The batch, from the threads if there are any."""
        if self.threads < 1:
            self._finished |= index == len(self) - 1
            return self.batch(self.epoch, index)
        with self._lock:
            epoch = self.epoch
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="loader")
            # Futures of the past are of no use to anyone who reads in order.
            for key in [key for key in self._ahead if key[1] < index]:
                self._ahead.pop(key).cancel()
            for step in range(index, min(index + 2 * self.threads + 1, len(self))):
                if (epoch, step) not in self._ahead:
                    self._ahead[epoch, step] = self._pool.submit(self.batch, epoch, step)
            future = self._ahead.pop((epoch, index))
            self._finished |= index == len(self) - 1
        return future.result()

    def positions(self, epoch: int, index: int) -> list[tuple[int, int]]:
        """What (this share of) a batch holds: (pass over the data, number of the view) of each."""
        first = index * self.batch_size
        if self.epoch_steps is not None:
            first += epoch * self.epoch_steps * self.batch_size
            places = [
                divmod(place, len(self.views)) for place in range(first, first + self.batch_size)
            ]
        else:
            last = min(first + self.batch_size, len(self.views))
            places = [(epoch, place) for place in range(first, last)]
        part, parts = self.share
        if parts > 1:
            size = len(places) // parts
            places = places[part * size : (part + 1) * size]
        return [(turn, int(self._order(turn)[place])) for turn, place in places]

    def batch(self, epoch: int, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Batch `index` of any epoch; what `__getitem__` gives for the current one."""
        views = [self._view(turn, number) for turn, number in self.positions(epoch, index)]
        shapes = {view[self.target].shape for view in views}
        if len(shapes) > 1:
            raise InputError(
                f"loader: views of different sizes {sorted(shapes)} in one batch; {self._one_size()}"
            )
        inputs = {
            name: modality.normalize(np.stack([view[name] for view in views]), axes=4)
            for name, modality in self.descriptions.items()
        }
        target = np.stack([view[self.target] for view in views])
        return inputs, target.astype(np.int32) if self.target == "label" else target

    def _one_size(self) -> str:
        """The way out of views of several sizes; augmentation is for training alone."""
        way = "resize them with the data set's size (`data.size` in a recipe)"
        if self.shuffle:
            way = "give the augmentation a size (`augmentation.size` in a recipe), or " + way
        return f"{way}, or take batches of one (`batch`, `evaluation.batch` in a recipe)."

    def _order(self, turn: int) -> np.ndarray:
        """Order of the views in one pass over the data."""
        if not self.shuffle:
            return np.arange(len(self.views))
        order = self._orders.get(turn)
        if order is None:
            order = np.random.default_rng([self.seed, turn, 0]).permutation(len(self.views))
            # Several threads may do this at once; they all store the same.
            self._orders[turn] = order
            if len(self._orders) > 8:
                self._orders.popitem(last=False)
        return order

    def _view(self, turn: int, number: int) -> dict:
        view = self._read(number)
        if self.augment is not None:
            view = self.augment(view, np.random.default_rng([self.seed, turn, 1, number]))
        return view

    def _read(self, number: int) -> dict:
        """View `number`, or in its place the next one that can be read."""
        for step in range(len(self.views)):
            place = (number + step) % len(self.views)
            try:
                view = dict(self.views[place])
                missing = {*self.modalities, self.target} - set(view)
                if missing:
                    raise InputError(
                        f"{self.views.source(place)}: has no {sorted(missing)[0]!r}; "
                        f"it holds {', '.join(view)}."
                    )
                source = self.views.source(place)
                if self.target == "label" and self.views.classes:
                    check_labels(view["label"], len(self.views.classes), source, self.ignore)
                for name, modality in self.descriptions.items():
                    view[name] = modality.finite(np.asarray(view[name]), source)
            except (InputError, OSError) as error:
                if self.bad_frames == "raise":
                    raise
                source = self.views.source(place)
                # Once for each frame, not once for each pass over the data.
                if source not in self.skipped:
                    _LOG.warning("Skipped a frame: %s", error)
                self.skipped[source] = str(error)
                continue
            view = {name: view[name] for name in (*self.modalities, self.target)}
            if step and not self.shuffle and self.target == "label":
                view["label"] = np.full(view["label"].shape, self.ignore, np.int32)
            return view
        raise InputError(f"loader: not one frame of the data set {self.views.name!r} can be read.")

    def readable(self) -> dict[str, np.ndarray]:
        """The first view, or with `bad_frames="skip"` the first that can be read.

        Raises:
            InputError: as for `__getitem__`.
        """
        return self._read(0)

    def _forget(self) -> None:
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()

    def close(self) -> None:
        """Ends the threads; the next batch starts them again."""
        with self._lock:
            self._forget()
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._pool = None


def describe(
    views: Views,
    modalities: Iterable[str | Modality | dict],
    normalization: Normalization | None = None,
) -> dict[str, Modality]:
    """What is known of a net's inputs.

    Args:
        views: the data set, which may know more of its pictures than the ready modalities.
        modalities: names, or what takes the place of the data set's own but for how its files count.
        normalization: goes before the modalities' own numbers.

    Returns:
        name -> `Modality`, in the given order.

    Raises:
        InputError: one that is no modality, or one that comes twice.
    """
    found: dict[str, Modality] = {}
    for entry in several(modalities):
        modality = modality_of(entry)
        name = modality.name
        known = views.modalities.get(name)
        if known is not None:  # files are read as the data set says, whatever the numbers
            modality = known if isinstance(entry, str) else modality.counted_as(known)
        if name in found:
            raise InputError(f"loader: the modality {name!r} comes twice in modalities.")
        if normalization is not None and name in normalization:
            modality = adapted(modality, normalization.to_json()[name])
        found[name] = modality
    return found


class EpochCallback(keras.callbacks.Callback):
    """Tells a loader the number of each epoch, so that `initial_epoch` continues a run exactly.

    Args:
        loader: the loader that `fit` is given.
    """

    def __init__(self, loader: Loader):
        super().__init__()
        self.loader = loader

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Called by Keras before it takes the first batch."""
        self.loader.set_epoch(epoch)
