"""Progress of a training: a bar within an epoch on a terminal, one line per epoch everywhere."""

from collections.abc import Callable
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cen_keras.training.console import percent


class TrainingProgress(keras.callbacks.Callback):
    """Shows loss and speed while an epoch runs; scores and exchange rate when it ends.

    Args:
        console: where to print.
        streams: whose scores to show, in order, "ensemble" among them.
        epochs: of the whole run.
        steps: per epoch.
        line: a task's `epoch_line`.
    """

    def __init__(
        self,
        console: Console,
        streams: list[str],
        epochs: int,
        steps: int,
        line: Callable[[list[str], dict[str, Any]], list[str]],
    ):
        super().__init__()
        self.line = line
        self.console = console
        self.streams = streams
        self.epochs = epochs
        self.steps = steps
        self.exchanged = None
        self.bar = None

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the bar."""
        if not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn(f"epoch {epoch + 1}/{self.epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            transient=True,
        )
        self.bar.start()
        self.task = self.bar.add_task("", total=self.steps)

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        if self.bar is not None:
            shown = f"loss {float(logs['loss']):.3f}"
            if self.exchanged is not None:
                shown += f"  exchanged {percent(self.exchanged)} %"
            self.bar.update(self.task, completed=batch + 1, description=shown)

    def on_epoch_end(self, epoch, logs=None):
        """Prints the epoch's line."""
        self.close()
        self.exchanged = logs.get("exchanged")
        parts = [
            f"epoch {epoch + 1}/{self.epochs}",
            f"loss {logs['loss']:.3f}",
            *self.line(self.streams, logs),
            f"exchanged {percent(self.exchanged)} % in {logs.get('layers_exchanging', 0)} layers",
            f"{logs.get('seconds', 0):.0f} s",
        ]
        self.console.print("  ".join(parts), soft_wrap=True)

    def close(self):
        """Takes the bar off the terminal."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
