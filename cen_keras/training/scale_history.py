"""The scales of a whole training in one file: what a theorem, a plot or a doubt needs afterwards.

`scales.npz` has a row per epoch, row 0 before the training:

    epochs                  (E,) int32: finished epochs when the row was taken
    streams                 (M,) names of the ensemble's streams
    alpha                   (E, M) float32: softmax(alpha), the ensemble's weights
    gamma/LAYER/MODALITY    (E, C) float32: signed scales of a norm that exchanges or is penalised
"""

import dataclasses
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path
from cen_keras.layers.ensemble import ModalityEnsemble
from cen_keras.layers.modality_norm import ModalityNorm
from cen_keras.metrics.exchange_rate import layers_of, norm_layers

logger = logging.getLogger(__name__)

SCALES = "scales.npz"
_GAMMA = "gamma/"


@dataclasses.dataclass(frozen=True)
class Scales:
    """What `scales.npz` holds.

    Attributes:
        epochs: (E,) int32, ascending: finished epochs of each row. A run that was begun without
            this file has no row 0.
        streams: names of the M streams of the ensemble.
        alpha: (E, M) float32 weights of the ensemble, each row's sum 1.
        gammas: layer -> modality -> (E, C) float32, in the model's order.
    """

    epochs: np.ndarray
    streams: tuple[str, ...]
    alpha: np.ndarray
    gammas: dict[str, dict[str, np.ndarray]]


def read_scales(run: Path) -> Scales:
    """Reads the `scales.npz` of a run folder.

    Raises:
        InputError: it is missing or damaged.
    """
    path = Path(run) / SCALES
    if not path.is_file():
        raise InputError(
            f"{path} is missing; `python -m recipes.train` writes it from the first epoch on, so "
            "train again into another folder with --run."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        gammas: dict[str, dict[str, np.ndarray]] = {}
        for name, values in arrays.items():
            if name.startswith(_GAMMA):
                layer, _, modality = name.removeprefix(_GAMMA).rpartition("/")
                gammas.setdefault(layer, {})[modality] = values
        streams = tuple(str(name) for name in arrays["streams"])
        return Scales(arrays["epochs"], streams, arrays["alpha"], gammas)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is damaged ({error}); train again into another folder."
        ) from error


def spared_norms(model: keras.Model) -> Iterator[ModalityNorm]:
    """Yields the norms of a model that exchange channels or whose scales are penalised."""
    for layer in norm_layers(model):
        if layer.uses_scales:
            yield layer


def _copy(tensor):
    # Some backends hand out the variable's own memory, which the next step overwrites.
    return np.array(keras.ops.convert_to_numpy(tensor), "float32")


class ScaleHistory(keras.callbacks.Callback):
    """Keeps the scales and the ensemble's weights of every epoch in the run folder's `scales.npz`.

    The file is rewritten at every epoch's end; a resumed run drops the rows that its checkpoint
    does not know. Put it before the checkpoint.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Path):
        super().__init__()
        self.run = Path(run)
        self.rows: dict[int, dict[str, np.ndarray]] | None = None

    def on_train_begin(self, logs=None):
        """Forgets what another training has left."""
        self.rows = None

    def on_epoch_begin(self, epoch, logs=None):
        """Reads, before the first epoch, what was kept, up to where the training stands."""
        if self.rows is None:
            kept = self._kept() if epoch else {}
            self.rows = {row: values for row, values in kept.items() if row < epoch}
            self._add(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's row."""
        self._add(epoch + 1)

    def _kept(self):
        path = self.run / SCALES
        try:
            found = read_scales(self.run)
        except InputError as error:
            # The training needs no history; `read_scales` tells who does.
            if path.exists():
                logger.warning("%s Its rows of earlier epochs are lost.", error)
            return {}
        columns = {
            f"{_GAMMA}{layer}/{modality}": values
            for layer, parts in found.gammas.items()
            for modality, values in parts.items()
        }
        columns["alpha"] = found.alpha
        return {
            int(epoch): {name: values[row] for name, values in columns.items()}
            for row, epoch in enumerate(found.epochs)
        }

    def _add(self, epoch):
        """Takes the model's row and writes the file."""
        ensembles = list(layers_of(self.model, ModalityEnsemble))[:1]
        row = {"alpha": np.zeros(0, "float32")}
        streams = ()
        for ensemble in ensembles:
            streams = ensemble.modalities
            # By NumPy: of several JAX processes only this one is here to compute.
            weights = np.exp(_copy(ensemble.alpha))
            row["alpha"] = weights / weights.sum()
        for layer in spared_norms(self.model):
            for modality, gamma in zip(layer.modalities, layer.scales(), strict=True):
                row[f"{_GAMMA}{layer.name}/{modality}"] = _copy(gamma)
        self.rows[epoch] = row
        with atomic_path(self.run / SCALES) as temporary:
            np.savez(
                temporary,
                epochs=np.asarray(list(self.rows), "int32"),
                streams=np.asarray(streams, "str"),
                **{name: np.stack([r[name] for r in self.rows.values()]) for name in row},
            )
