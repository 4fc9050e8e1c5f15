"""What a .tflite file makes of calibration samples, and whether its inputs' codes are theirs."""

import os

import numpy as np

from cen_keras.errors import InputError

from ..calibration import feeds_of
from ..runtime.litert_runner import SIGNATURE
from ..runtime.postprocess import real_values
from ..runtime.preprocess import quantize
from ..target import Samples
from .graph import open_interpreter, quantization_of, read_tensors
from .ranges import MET


def coded(array: np.ndarray, details: dict) -> np.ndarray:
    """Real values as an input takes them, by what the interpreter says of it."""
    quantization = quantization_of(details)
    if quantization is None:
        return array
    return quantize(array, quantization, np.dtype(details["dtype"]).name)


def outputs_of(content: bytes, samples: Samples) -> dict[str, np.ndarray]:
    """Runs a file on every sample.

    Args:
        content: a .tflite file of any number format.
        samples: of its inputs.

    Returns:
        (n, ...) by output name: real values, or classes.

    Raises:
        RuntimeError: the engine does not take the file.
    """
    interpreter = open_interpreter(content, os.cpu_count())
    signature = interpreter.get_signature_runner(SIGNATURE)
    inputs, outputs = signature.get_input_details(), signature.get_output_details()
    found: dict[str, list[np.ndarray]] = {}
    for feed in feeds_of(samples):
        given = signature(**{name: coded(array, inputs[name]) for name, array in feed.items()})
        for name, value in given.items():
            quantization = quantization_of(outputs[name])
            real = np.array(value) if quantization is None else real_values(value, quantization)
            found.setdefault(name, []).append(real)
    return {name: np.concatenate(values) for name, values in found.items()}


def check_input_ranges(content: bytes, samples: Samples) -> None:
    """Holds each input's codes against the samples of the same name.

    The 256 codes must reach over all values of the samples and, unless the samples are next to nothing
    beside another input's (`ranges`), not much further; codes laid out for another input
    (samples taken by position, another file's samples) are found here instead of as a strange loss
    of accuracy.

    Args:
        content: a file with integer inputs.
        samples: of its inputs.

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
