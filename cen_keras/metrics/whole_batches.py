"""Outputs of a model for batches of one size, for the last one of a data set, too."""

from collections.abc import Callable, Mapping

import keras
import numpy as np


def outputs_of(
    call: Callable, inputs: Mapping[str, np.ndarray], batch_size: int
) -> dict[str, np.ndarray]:
    """Returns what a call makes of a batch that may be smaller than `batch_size`.

    Args:
        call: inputs -> a dict of tensors, for instance `model.predict_on_batch`.
        inputs: name -> (b, ...).
        batch_size: at least b.
    """
    images = len(next(iter(inputs.values())))
    if images < batch_size:
        # A batch of another size would be compiled anew, which takes longer than the images that
        # are added here.
        fill = [(0, batch_size - images)]
        inputs = {
            name: np.pad(array, fill + [(0, 0)] * (array.ndim - 1))
            for name, array in inputs.items()
        }
    outputs = call(inputs)
    return {name: keras.ops.convert_to_numpy(output)[:images] for name, output in outputs.items()}
