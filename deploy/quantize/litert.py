"""8-bit LiteRT artifacts out of float ones, by litert-quantizer; all that touches this young
library is in here.

Ranges of activations are the smallest and largest values seen over the calibration samples. The
library's own default, a moving average, forgets the extremes when samples are few and clips them;
mean squared error as criterion puts quantise/dequantise pairs around static operators.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping

import numpy as np

from cen_keras.errors import InputError

from ..export.tflite_graph import read_tensors
from ..runtime.litert_runner import SIGNATURE


def static_w8a8(
    content: bytes, samples: Mapping[str, np.ndarray], integer_io: bool = True
) -> bytes:
    """Quantises weights per channel and activations per tensor to 8 bits.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name, normalised as the network is fed.
        integer_io: inputs and outputs are int8 codes; otherwise float32, converted inside the
            graph.

    Returns:
        The quantised file's bytes.

    Raises:
        InputError: litert-quantizer is not installed, or the samples are not those of the inputs.
    """
    try:
        from litert_quantizer import Quantizer, qtyping, recipe, recipe_manager
        from litert_quantizer.calibrator import CalibrationMode, Calibrator
        from litert_quantizer.utils import qsv_utils
    except ImportError as error:
        raise InputError(
            f"8-bit LiteRT artifacts need litert-quantizer ({error}); pip install cen-keras[export]"
        ) from error
    _check_samples(content, samples)
    quantizer = Quantizer(content, recipe.static_wi8_ai8())
    if not integer_io:
        for operation in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
            quantizer.update_quantization_recipe(".*", operation, algorithm_key="no_quantize")
    # Quantizer.calibrate() offers no choice of update; the calibrator beneath it does.
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(quantizer.get_quantization_recipe())
    count = len(next(iter(samples.values())))
    feeds = [{name: array[i : i + 1] for name, array in samples.items()} for i in range(count)]
    with _quiet():
        calibrator = Calibrator(
            content, 1, CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS, qsv_utils.min_max_update
        )
        calibrator.calibrate({SIGNATURE: feeds}, manager)
        result = bytes(quantizer.quantize(calibrator.get_model_qsvs()).quantized_model)
    if integer_io:
        check_input_ranges(result, samples)
    return result


def check_input_ranges(content: bytes, samples: Mapping[str, np.ndarray]) -> None:
    """Holds each input's codes against the samples of the same name.

    The 256 codes must reach over all values of the samples; codes laid out for another input
    (samples taken by position, another file's samples) are found here instead of as a strange loss
    of accuracy.

    Args:
        content: an artifact with integer inputs.
        samples: float32 (n, h, w, c) by input name.

    Raises:
        InputError: an input's codes end before its samples do, or reach over twice their range.
    """
    for name, tensor in read_tensors(content).inputs.items():
        scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
        low, high = scale * (-128 - zero_point), scale * (127 - zero_point)
        # Zero is always among the codes, so a range that does not hold it is stretched to it.
        least, most = min(float(samples[name].min()), 0.0), max(float(samples[name].max()), 0.0)
        # A code's width of slack at either end: the zero point is rounded to a whole code.
        short = least < low - scale or most > high + scale
        wide = (high - low) > 2 * (most - least) + 2 * scale
        if short or wide:
            raise InputError(
                f"input {name!r}: its codes reach from {low:.3g} to {high:.3g}, its calibration "
                f"samples from {least:.3g} to {most:.3g}; the samples of the inputs were swapped"
            )


def _check_samples(content: bytes, samples: Mapping[str, np.ndarray]) -> None:
    inputs = read_tensors(content).inputs
    if set(samples) != set(inputs):
        raise InputError(
            f"calibration samples are for {', '.join(sorted(samples))}, the model's inputs are "
            f"{', '.join(sorted(inputs))}; make them again for this model"
        )
    for name, tensor in inputs.items():
        if samples[name].shape[1:] != tensor.shape[1:]:
            raise InputError(
                f"calibration samples of {name!r} are {samples[name].shape[1:]}, the input is "
                f"{tensor.shape[1:]}; make them again for this model"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the library's progress bars and size report off the user's terminal."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
