"""Logs that a resumed run can go on with: CSV rows by epoch, TensorBoard events."""

import csv
import io
import logging
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from cen_keras.files import atomic_path

logger = logging.getLogger(__name__)


class CsvLog:
    """A CSV file whose rows belong to epochs, with a fixed header.

    Args:
        path: the file; it is made by `keep_before`.
        columns: names of the columns, "epoch" among them.
    """

    def __init__(self, path: str | os.PathLike, columns: list[str]):
        self.path = Path(path)
        self.columns = list(columns)

    def keep_before(self, epoch: int) -> None:
        """Drops the rows of `epoch` and later, and what a killed run left unfinished.

        Raises:
            OSError: the file cannot be read or written.
        """
        rows = []
        if epoch and self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    whole = None not in row.values() and None not in row
                    if whole and row.get("epoch", "").isdigit() and int(row["epoch"]) < epoch:
                        rows.append(row)
        with atomic_path(self.path) as temporary:
            temporary.write_text(self._format(rows, header=True), encoding="utf-8")

    def append(self, rows: Iterable[Mapping]) -> None:
        """Adds rows; keys that are no column are left out, missing ones stay empty.

        Raises:
            OSError: the file cannot be written.
        """
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            file.write(self._format(rows))

    def _format(self, rows, header=False):
        text = io.StringIO()
        writer = csv.DictWriter(
            text, self.columns, restval="", extrasaction="ignore", lineterminator="\n"
        )
        if header:
            writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    key: f"{value:.6g}" if isinstance(value, (float, np.floating)) else value
                    for key, value in row.items()
                }
            )
        return text.getvalue()


class EventLog:
    """TensorBoard events, written with the `tensorboard` package alone, so on every backend.

    Without that package nothing is written, and a line in the log says so.

    Args:
        folder: where the event files go; it is made when something is written.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = str(folder)
        self._writer = None
        try:
            from tensorboard.plugins.histogram.summary_v2 import histogram_pb
            from tensorboard.plugins.scalar.summary_v2 import scalar_pb
        except ImportError:
            logger.info("The tensorboard package is not installed: no events in %s.", folder)
            self._scalar = self._histogram = None
        else:
            self._scalar, self._histogram = scalar_pb, histogram_pb

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes named numbers of one step."""
        if self._scalar is not None:
            self._write(step, (self._scalar(name, float(v)) for name, v in values.items()))

    def histograms(self, step: int, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
        """Writes named arrays of one step as histograms."""
        if self._histogram is not None:
            self._write(step, (self._histogram(name, array) for name, array in arrays))

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Writes named uint8 (h, w, 3) pictures of one step."""
        if self._scalar is not None:
            self._write(step, (_picture_pb(name, image) for name, image in pictures.items()))

    def _write(self, step, summaries):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self._writer is None:
            self._writer = EventFileWriter(self.folder)
        for summary in summaries:
            self._writer.add_event(Event(step=step, summary=summary, wall_time=time.time()))
        self._writer.flush()


def _picture_pb(name: str, picture: np.ndarray):
    """A picture as TensorBoard's summary; its own function for that needs TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.image import metadata

    height, width = picture.shape[:2]
    _, content = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    parts = [str(width).encode(), str(height).encode(), content.tobytes()]
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(parts))])
    return Summary(
        value=[
            Summary.Value(
                tag=name,
                metadata=metadata.create_summary_metadata(display_name=name, description=""),
                tensor=TensorProto(dtype=DT_STRING, string_val=parts, tensor_shape=shape),
            )
        ]
    )
