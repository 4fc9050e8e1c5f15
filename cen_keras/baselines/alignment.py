"""Alignment: the streams stay apart, a penalty pulls their features together (CEN Eq. 3, "Alig").

At which stages, with which kernel and weight the paper does not say; these are our choices.
"""

from typing import Any

import keras
from keras import ops

from cen_keras.baselines.stages import AtStages, stages_of
from cen_keras.errors import InputError
from cen_keras.field_types import check_value
from cen_keras.layers.pyramid_pool import bin_matrix
from cen_keras.layers.streams import one_shape
from cen_keras.lookup import look_up
from cen_keras.losses.alignment import KERNELS, mean_discrepancy


class Align(AtStages):
    """Streams apart, with the maximum mean discrepancy of their features as a penalty.

    Args:
        kernel: "linear", "cubic" or "rbf"; see `cen_keras.losses.alignment`.
        weight: of the penalty, averaged over pairs of streams.
        **options: of `AtStages`.

    Raises:
        InputError: an unknown kernel, or a weight that makes no sense.
    """

    name = "align"

    def __init__(self, kernel: str = "rbf", weight: float = 0.1, **options: Any):
        super().__init__(**options)
        look_up(KERNELS, kernel, "kernel")
        check_value("weight", weight, float)
        if not weight >= 0:
            raise InputError(f"weight is at least 0; found {weight}.")
        self.kernel = kernel
        self.weight = float(weight)

    def meet(self, streams, number, count, name, norm):
        """Adds the penalty behind the stages that were asked for."""
        if len(streams) > 1 and number in stages_of(self.stage, count):
            streams = Alignment(self.kernel, self.weight, name=f"{name}_fusion")(streams)
        return streams, streams


@keras.saving.register_keras_serializable("cen_keras")
class Alignment(keras.layers.Layer):
    """Penalises the discrepancy of the streams' features and gives the streams unchanged (Eq. 3).

    The features compared are the means over a grid of at most 4x4 cells: C numbers for each cell of
    each image, so that the norm's own statistics do not make the comparison empty (the mean of an
    instance-normalised map over the whole image is its beta).

    Takes and gives a dict modality -> (b, h, w, c) floats.

    Args:
        kernel: "linear", "cubic" or "rbf"; see `cen_keras.losses.alignment`.
        weight: of the penalty, averaged over pairs of streams; counted in training only.
    """

    CELLS = 4

    def __init__(self, kernel: str = "rbf", weight: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.kernel = kernel
        self.weight = float(weight)

    def build(self, input_shape):
        """Checks the shapes; there are no weights."""
        one_shape(input_shape)

    def call(self, streams, training=None):
        """Adds the penalty to the model's losses."""
        if training:
            cells = [self._cells(stream) for stream in streams.values()]
            pairs = [(a, b) for i, a in enumerate(cells) for b in cells[i + 1 :]]
            total = sum(mean_discrepancy(a, b, self.kernel) for a, b in pairs)
            self.add_loss(self.weight * total / len(pairs))
        return dict(streams)

    def _cells(self, stream):
        """Returns (cells * b, c) float32 means."""
        stream = ops.cast(stream, "float32")
        for axis, equation in ((1, "bhwc,ih->biwc"), (2, "bhwc,iw->bhic")):
            size = stream.shape[axis]
            bins = self.CELLS if size is None else min(self.CELLS, size)
            size = ops.shape(stream)[axis] if size is None else size
            stream = ops.einsum(equation, stream, bin_matrix(size, bins))
        return ops.reshape(stream, (-1, stream.shape[-1]))

    def compute_output_shape(self, input_shape):
        """Returns the shapes of the streams, unchanged."""
        return dict(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kernel": self.kernel, "weight": self.weight}
