"""Weights & Biases and MLflow as callbacks: the same numbers as log.csv, pictures, and the recipe.

Neither package is needed for anything else; each is imported when its callback is made.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.training.run_folder import read_json

IDS = "trackers.json"
"""File of the run folder with the tracker's own name of this run, under which a resumed one goes on."""


class Tracker(keras.callbacks.Callback):
    """What both have in common: numbers at an epoch's end, the run's id in its folder.

    Args:
        run: the run folder.
        project: the tracker's word for a group of runs.
        config: the recipe as JSON.

    Raises:
        InputError: the package is not installed.
    """

    package = ""

    def __init__(self, run: Path, project: str, config: Mapping[str, Any]):
        super().__init__()
        try:
            self.module = importlib.import_module(self.package)
        except ImportError as error:
            raise InputError(
                f"--{self.package} needs {self.package}, which is not installed here ({error}): "
                f"pip install {self.package}, or leave the option out."
            ) from error
        self.run = Path(run)
        self.project = project
        self.config = dict(config)

    @property
    def known_id(self) -> str | None:
        """The id of an earlier call's run, None for a new one."""
        path = self.run / IDS
        return read_json(path).get(self.package) if path.is_file() else None

    def keep_id(self, value: str) -> None:
        """Writes the run's id."""
        path = self.run / IDS
        write_json(path, {**(read_json(path) if path.is_file() else {}), self.package: value})

    def on_epoch_end(self, epoch, logs=None):
        """Hands the epoch's numbers on."""
        numbers = {k: float(v) for k, v in (logs or {}).items() if np.isscalar(v)}
        self.log(epoch, {k: v for k, v in numbers.items() if np.isfinite(v)})

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Takes an epoch's numbers."""
        raise NotImplementedError

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Takes an epoch's pictures, uint8 (h, w, 3) by name."""
        raise NotImplementedError


class WandbTracker(Tracker):
    """Weights & Biases; `WANDB_MODE=offline` keeps everything in the run folder."""

    package = "wandb"

    def on_train_begin(self, logs=None):
        """Begins the run, or goes on with it."""
        self.session = self.module.init(
            project=self.project,
            name=self.run.name,
            dir=str(self.run),
            config=self.config,
            id=self.known_id,
            resume="allow",
        )
        self.keep_id(self.session.id)

    def log(self, step, numbers):
        """Takes an epoch's numbers."""
        self.session.log({"epoch": step, **numbers})

    def pictures(self, step, pictures):
        """Takes an epoch's pictures."""
        images = {name: self.module.Image(image) for name, image in pictures.items()}
        self.session.log({"epoch": step, **images})

    def on_train_end(self, logs=None):
        """Ends the run."""
        self.session.finish()


class MlflowTracker(Tracker):
    """MLflow; `MLFLOW_TRACKING_URI` says where it keeps its runs."""

    package = "mlflow"

    def on_train_begin(self, logs=None):
        """Begins the run, or goes on with it."""
        known = self.known_id
        self.module.set_experiment(self.project)
        session = self.module.start_run(run_id=known, run_name=None if known else self.run.name)
        self.keep_id(session.info.run_id)
        if known is None:
            self.module.log_dict(self.config, "recipe.json")

    def log(self, step, numbers):
        """Takes an epoch's numbers."""
        self.module.log_metrics(dict(numbers), step=step)

    def pictures(self, step, pictures):
        """Takes an epoch's pictures."""
        for name, image in pictures.items():
            self.module.log_image(image, f"{name}_{step + 1:04d}.png")

    def on_train_end(self, logs=None):
        """Ends the run."""
        self.module.end_run()


TRACKERS: dict[str, type[Tracker]] = {"wandb": WandbTracker, "mlflow": MlflowTracker}
"""Option of `recipes.train` -> callback."""
