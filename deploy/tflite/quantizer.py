"""Quantises a float .tflite model by litert-quantizer, scheme by scheme.

Ranges of activations are the smallest and largest values seen over the calibration samples, of 8 bits
those next to nothing widened (`widen`). The library's own default, a moving average, forgets the
extremes when samples are few and clips them, better or not; mean squared error as criterion puts
quantise/dequantise pairs around static operators.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np

from cen_keras.errors import InputError

from ..calibration import check_samples, feeds_of
from ..runtime.litert_runner import SIGNATURE
from ..target import Samples, Wanted, Work
from .graph import Operator, find_layers, heads, read_tensors
from .library import Library, large_constants, quiet
from .model import float16_constants, pack, unpack
from .ranges import Ranges, widen


def quantise(work: Work) -> None:
    """Quantises a float model as wanted; the float one becomes `work.floats`.

    Raises:
        InputError: litert-quantizer is not installed, the samples are not those of the inputs, or a
            layer is unknown.
    """
    content, wanted = pack(work.model), work.wanted
    work.model, work.floats = _SCHEMES[wanted.scheme](content, wanted), unpack(content)


class Static:
    """A float file with the ranges of its activations, to be quantised once or many times.

    Args:
        content: a float .tflite file with batch 1.
        samples: for the ranges.
        activation_bits: 8 or 16.

    Raises:
        InputError: litert-quantizer is not installed, or the samples are not those of the inputs.
    """

    def __init__(self, content: bytes, samples: Samples | None, activation_bits: int = 8):
        self._library = Library()
        if samples is None:
            raise InputError("a calibrated scheme needs calibration samples")
        check_samples(read_tensors(content).inputs, samples)
        self._content = content
        recipes = self._library.recipe
        self._recipe = {8: recipes.static_wi8_ai8, 16: recipes.static_wi8_ai16}[activation_bits]
        self.ranges = self._seen(samples)
        if activation_bits == 8:
            self.ranges = widen(content, self.ranges)

    def quantise(
        self,
        float_operators: Sequence[Operator] = (),
        integer_io: bool = True,
        float_outputs: bool = False,
    ):
        """Makes a `ModelT` in 8 bits, or 16 and 8.

        Args:
            float_operators: what stays in float32.
            integer_io: inputs and outputs are integer codes.
            float_outputs: outputs are float32 whatever the inputs are.
        """
        quantizer = self._library.Quantizer(self._content, self._recipe())
        operation = self._library.qtyping.TFLOperationName
        if not integer_io:
            quantizer.update_quantization_recipe(".*", operation.INPUT, algorithm_key="no_quantize")
        if not integer_io or float_outputs:
            quantizer.update_quantization_recipe(
                ".*", operation.OUTPUT, algorithm_key="no_quantize"
            )
        self._library.leave(quantizer, float_operators)
        return _result(quantizer, self.ranges)

    def _seen(self, samples: Samples) -> Ranges:
        """The smallest and largest values of all tensors over the samples."""
        # Quantizer.calibrate() offers no choice of update; the calibrator beneath it does.
        manager = self._library.recipe_manager.RecipeManager()
        manager.load_quantization_recipe(self._recipe())
        with quiet(), large_constants():
            calibrator = self._library.calibrator.Calibrator(
                self._content,
                os.cpu_count(),  # who shares the work has no part in the sums
                self._library.calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
                self._library.qsv_utils.min_max_update,
            )
            calibrator.calibrate({SIGNATURE: feeds_of(samples)}, manager)
        return calibrator.get_model_qsvs()


def _result(quantizer, ranges: Ranges | None = None):
    with quiet(), large_constants():
        return unpack(bytes(quantizer.quantize(ranges).quantized_model))


def _fp16(content: bytes, wanted: Wanted):
    """Weights in 16-bit floats, which a CPU expands to float32 when it loads them.

    Raises:
        InputError: a weight is too large for float16.
    """
    library = Library()
    half = library.qtyping.OpQuantizationConfig(
        weight_tensor_config=library.qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=library.qtyping.TensorDataType.FLOAT
        ),
        compute_precision=library.qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    quantizer = library.Quantizer(content)
    for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED"):
        name = getattr(library.qtyping.TFLOperationName, kind)
        quantizer.update_quantization_recipe(".*", name, half, algorithm_key="float_casting")
    library.leave(quantizer, find_layers(content, wanted.float_layers))
    # The library casts what is too large to infinity, and says nothing.
    with np.errstate(over="ignore"):
        made = _result(quantizer)
    for name, values in float16_constants(made):
        if not np.isfinite(values).all():
            raise InputError(f"{name} holds weights beyond 65504, where float16 ends; use fp32")
    return made


def _dynamic_w8(content: bytes, wanted: Wanted):
    """Weights in 8 bits per channel; activations are quantised as they come, at run time.

    Depthwise convolutions stay in float: XNNPACK has no such kernel for them, and they hold few
    weights.
    """
    library = Library()
    quantizer = library.Quantizer(content, library.recipe.dynamic_wi8_afp32())
    quantizer.update_quantization_recipe(
        ".*", library.qtyping.TFLOperationName.DEPTHWISE_CONV_2D, algorithm_key="no_quantize"
    )
    library.leave(quantizer, find_layers(content, wanted.float_layers))
    return _result(quantizer)


def _static_w8a8(content: bytes, wanted: Wanted):
    """Weights per channel and activations per tensor in 8 bits."""
    static = Static(content, wanted.samples)
    return static.quantise(find_layers(content, wanted.float_layers), wanted.integer_io)


def _static_w8a8_float_head(content: bytes, wanted: Wanted):
    """The last convolution of each stream and what follows stay in float32, and so do outputs."""
    operators = [*find_layers(content, wanted.float_layers), *heads(content)]
    static = Static(content, wanted.samples)
    return static.quantise(operators, wanted.integer_io, float_outputs=True)


def _int16x8(content: bytes, wanted: Wanted):
    """Weights in 8 and activations in 16 bits; LiteRT has only slow kernels for these."""
    static = Static(content, wanted.samples, activation_bits=16)
    return static.quantise(find_layers(content, wanted.float_layers), wanted.integer_io)


_SCHEMES: dict[str, Callable] = {
    "fp16": _fp16,
    "dynamic_w8": _dynamic_w8,
    "static_w8a8": _static_w8a8,
    "static_w8a8_float_head": _static_w8a8_float_head,
    "int16x8": _int16x8,
}
