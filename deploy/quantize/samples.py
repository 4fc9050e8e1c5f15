"""Calibration samples as the quantisers take them, and whether they are those of the inputs."""

from collections.abc import Mapping

import numpy as np

from cen_keras.errors import InputError

from ..export.tflite_graph import read_tensors
from .silent_ranges import MET

Samples = Mapping[str, np.ndarray]


def feeds_of(samples: Samples) -> list[dict[str, np.ndarray]]:
    """One dict of batch 1 per sample."""
    count = len(next(iter(samples.values())))
    return [{name: array[i : i + 1] for name, array in samples.items()} for i in range(count)]


def check_samples(inputs: Mapping, samples: Samples) -> None:
    """Holds samples against the names and shapes of a float file's inputs.

    Args:
        inputs: what the file's `read_tensors` lists, whatever its layout.
        samples: float32 (n, h, w, c) by input name.

    Raises:
        InputError: they are for other inputs, or of other sizes.
    """
    if set(samples) != set(inputs):
        raise InputError(
            f"calibration samples are for {', '.join(sorted(samples))}, the model's inputs are "
            f"{', '.join(sorted(inputs))}; make them again for this model"
        )
    for name, tensor in inputs.items():
        size = dict(zip(tensor.layout, tensor.shape, strict=True))
        wanted = tuple(size[axis] for axis in "HWC")
        if samples[name].shape[1:] != wanted:
            raise InputError(
                f"calibration samples of {name!r} are {samples[name].shape[1:]}, the input is "
                f"{wanted}; make them again for this model"
            )


def check_input_ranges(content: bytes, samples: Samples) -> None:
    """Holds each input's codes against the samples of the same name.

    The 256 codes must reach over all values of the samples and, unless the samples are next to nothing
    beside another input's (`silent_ranges`), not much further; codes laid out for another input
    (samples taken by position, another file's samples) are found here instead of as a strange loss
    of accuracy.

    Args:
        content: an artifact with integer inputs.
        samples: float32 (n, h, w, c) by input name.

    Raises:
        InputError: an input's codes end before its samples do, or reach over twice their range.
    """
    # Zero is always among the codes, so a range that does not hold it is stretched to it.
    ends = {n: (min(float(a.min()), 0.0), max(float(a.max()), 0.0)) for n, a in samples.items()}
    widest = max(most - least for least, most in ends.values())
    for name, tensor in read_tensors(content).inputs.items():
        scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
        low, high = scale * (-128 - zero_point), scale * (127 - zero_point)
        least, most = ends[name]
        # A code's width of slack at either end: the zero point is rounded to a whole code.
        short = least < low - scale or most > high + scale
        wide = (high - low) > 2 * max(most - least, MET * widest) + 2 * scale
        if short or wide:
            raise InputError(
                f"input {name!r}: its codes reach from {low:.3g} to {high:.3g}, its calibration "
                f"samples from {least:.3g} to {most:.3g}; the samples of the inputs were swapped"
            )
