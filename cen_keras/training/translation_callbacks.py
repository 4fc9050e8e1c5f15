"""Callbacks of a Translator's training: errors of every stream, pictures, stop on NaN in either part."""

from pathlib import Path

import keras
import numpy as np
from PIL import Image

from cen_keras.files import atomic_path
from cen_keras.metrics.exchange_rate import exchange_rate
from cen_keras.metrics.features import Extractor
from cen_keras.metrics.translation import evaluate_translation
from cen_keras.pages.evaluated import Evaluated, ViewPictures
from cen_keras.training.callbacks import StopOnNonFinite
from cen_keras.visualization import translation_grid

SCORE = "score"
"""Key of the logs by which the best epoch is chosen: minus the ensemble's error."""


class StopOnNonFiniteLosses(StopOnNonFinite):
    """Raises NonFiniteError where a loss of either part is not finite, and tells whose it was.

    NaN travels from one part to the other within a step, so the order decides: the images come
    before the discriminator, which comes before what the generator learns of it.
    """

    way_out = (
        "a lower optimizer.discriminator_learning_rate or optimizer.learning_rate, or a smaller "
        "adversarial_weight"
    )

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the losses, which Keras gives as the epoch's means so far."""
        for name, what in (
            ("l1_loss", "the generator's L1 loss"),
            ("discriminator_loss", "the discriminator's loss"),
            ("adversarial_loss", "the generator's adversarial loss"),
            ("loss", "the generator's loss"),
        ):
            value = float((logs or {}).get(name, 0.0))
            if not np.isfinite(value):
                self._stop(f"{what} became {value}", batch)


class EvaluateTranslation(keras.callbacks.Callback):
    """Adds every output's errors on the validation views, and the exchange rate, to the epoch's logs.

    The keys are `val_{output}_mae` and `_rmse`, with an extractor `_fid` and `_kid`; `exchanged`,
    `layers_exchanging`; and `score`, minus the ensemble's `mae`.

    Args:
        loader: the validation batches.
        every: evaluates each so many epochs, and after the last.
        extractor: of the features for FID and KID, or None.
        official_protocol: see `evaluate_translation`.
    """

    def __init__(
        self,
        loader,
        every: int = 1,
        extractor: Extractor | None = None,
        official_protocol: bool = False,
    ):
        super().__init__()
        self.loader = loader
        self.every = every
        self.extractor = extractor
        self.official_protocol = official_protocol

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates."""
        rate = exchange_rate(self.model)
        logs["exchanged"] = rate["share_of_penalised"]
        logs["layers_exchanging"] = rate["layers_exchanging"]
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            return
        scores = evaluate_translation(
            self.model, self.loader, self.extractor, official_protocol=self.official_protocol
        )
        for output, values in scores.items():
            for name, value in values.items():
                logs[f"val_{output}_{name}"] = value
        logs[SCORE] = -scores["ensemble"]["mae"]


class SamplePictures(keras.callbacks.Callback):
    """Writes `pictures/epoch_0001.png`: the same validation views whenever they are due.

    A row is a view: its inputs, every stream's image, the ensemble's, the target.

    Args:
        run: the run folder.
        loader: the validation batches; the first views are shown.
        count: number of views; 0 for no pictures.
        every: epochs between two pictures; the last epoch always has one.
    """

    def __init__(self, run: Path, loader, count: int = 4, every: int = 1):
        super().__init__()
        self.folder = Path(run) / "pictures"
        self.loader = loader
        self.count = count
        self.every = every
        self.shown = None
        self.last = None

    def on_epoch_end(self, epoch, logs=None):
        """Writes the picture."""
        if not self.count or ((epoch + 1) % self.every and epoch + 1 != self.params["epochs"]):
            return
        if self.shown is None:
            self.shown = self._first_views()
        inputs, target = self.shown
        made = self.model.predict_on_batch(inputs)
        sheet = translation_grid(inputs, target, made, self.model.modalities)
        with atomic_path(self.folder / f"epoch_{epoch + 1:04d}.png") as temporary:
            Image.fromarray(sheet).save(temporary)  # OpenCV says nothing of a full disk.
        self.last = epoch, sheet

    def _first_views(self):
        """Returns inputs and target of the first views, up to one of another size."""
        inputs, target = self.loader[0]
        inputs = dict(inputs)
        for index in range(1, len(self.loader)):
            if len(target) >= self.count:
                break
            more, wanted = self.loader[index]
            if wanted.shape[1:] != target.shape[1:]:
                break
            target = np.concatenate([target, wanted])
            inputs = {name: np.concatenate([inputs[name], more[name]]) for name in inputs}
        return {name: image[: self.count] for name, image in inputs.items()}, target[: self.count]

    def evaluated(self) -> Evaluated | None:
        """Returns the last picture for pages and logs."""
        if self.last is None:
            return None
        epoch, sheet = self.last
        title = "inputs, each output, the ensemble's, target"
        return Evaluated(epoch, views=[ViewPictures(title, [("", sheet)], "samples")])
