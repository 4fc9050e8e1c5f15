"""LiteRT artifacts of every scheme out of float ones, by litert-quantizer; all that touches this
young library is in here.

Ranges of activations are the smallest and largest values seen over the calibration samples, all of
them scaled where that is nearer to the float model (`tighten`). The library's own default, a moving
average, forgets the extremes when samples are few and clips them, better or not; mean squared error as
criterion puts quantise/dequantise pairs around static operators.

Every scheme is a function of (float bytes, samples or None, integer_io, float_layers) to bytes;
`float_layers` names layers of the frozen graph that stay in float32, by `layer_name`.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from cen_keras.errors import InputError

from ..export.tflite_graph import Operator, read_operators, read_tensors
from ..runtime.litert_runner import SIGNATURE
from .float_layers import clipped_shifts, find_layers, heads
from .large_constants import large_constants
from .samples import Samples, check_input_ranges, check_samples, feeds_of
from .silent_ranges import Ranges, widen
from .tflite_file import pack, unpack
from .tight_ranges import tighten


def fp16(
    content: bytes,
    samples: Samples | None = None,
    integer_io: bool = True,
    float_layers: Sequence[str] = (),
) -> bytes:
    """Halves the file: weights in 16-bit floats, which a CPU expands to float32 when it loads them.

    Args:
        content: a float .tflite file with batch 1.
        samples: not used.
        integer_io: not used; inputs and outputs stay float32.
        float_layers: layers whose weights stay float32.

    Returns:
        The file's bytes.
    """
    library = _library()
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
    _leave(quantizer, library, find_layers(content, float_layers))
    with _quiet(), large_constants():
        return bytes(quantizer.quantize().quantized_model)


def dynamic_w8(
    content: bytes,
    samples: Samples | None = None,
    integer_io: bool = True,
    float_layers: Sequence[str] = (),
) -> bytes:
    """Quantises weights to 8 bits per channel; activations are quantised as they come, at run time.

    Depthwise convolutions stay in float: XNNPACK has no such kernel for them, and they hold few
    weights.

    Args and returns as for `fp16`.
    """
    library = _library()
    quantizer = library.Quantizer(content, library.recipe.dynamic_wi8_afp32())
    quantizer.update_quantization_recipe(
        ".*", library.qtyping.TFLOperationName.DEPTHWISE_CONV_2D, algorithm_key="no_quantize"
    )
    _leave(quantizer, library, find_layers(content, float_layers))
    with _quiet(), large_constants():
        return bytes(quantizer.quantize().quantized_model)


def static_w8a8(
    content: bytes,
    samples: Samples,
    integer_io: bool = True,
    float_layers: Sequence[str] = (),
    clip_shifts: bool = False,
) -> bytes:
    """Quantises weights per channel and activations per tensor to 8 bits.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name, normalised as the network is fed.
        integer_io: inputs and outputs are int8 codes, but for an output whose layer has to stay in
            float32 (`Static.quantise`); otherwise float32, converted inside the graph.
        float_layers: layers that stay in float32.
        clip_shifts: no layer stays in float32 for its shifts. A graph as trained replaces the
            channels that are clipped, and would be timed with convolutions in float.

    Returns:
        The quantised file's bytes.

    Raises:
        InputError: litert-quantizer is not installed, the samples are not those of the inputs, or a
            layer is unknown.
    """
    static = Static(content, samples, clip_shifts=clip_shifts)
    result = static.quantise(find_layers(content, float_layers), integer_io)
    if integer_io:
        check_input_ranges(result, samples)
    return result


def static_w8a8_float_head(
    content: bytes,
    samples: Samples,
    integer_io: bool = True,
    float_layers: Sequence[str] = (),
) -> bytes:
    """As `static_w8a8`, but the last convolution of each stream and what follows stay in float32.

    The outputs are float32 logits; the inputs are int8 codes if `integer_io`. Args and errors as
    for `static_w8a8`.
    """
    operators = [*find_layers(content, float_layers), *heads(content)]
    result = Static(content, samples).quantise(operators, integer_io, float_outputs=True)
    if integer_io:
        check_input_ranges(result, samples)
    return result


def int16x8(
    content: bytes,
    samples: Samples,
    integer_io: bool = True,
    float_layers: Sequence[str] = (),
) -> bytes:
    """Quantises weights to 8 and activations to 16 bits; LiteRT has only slow kernels for these.

    Args and errors as for `static_w8a8`.
    """
    static = Static(content, samples, activation_bits=16)
    return static.quantise(find_layers(content, float_layers), integer_io)


class Static:
    """A float file with the ranges of its activations, to be quantised once or many times.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name.
        activation_bits: 8 or 16.
        clip_shifts: as for `static_w8a8`.

    Raises:
        InputError: litert-quantizer is not installed, or the samples are not those of the inputs.
    """

    def __init__(
        self,
        content: bytes,
        samples: Samples,
        activation_bits: int = 8,
        clip_shifts: bool = False,
    ):
        self._library = library = _library()
        check_samples(read_tensors(content).inputs, samples)
        self._content = content
        recipes = {8: library.recipe.static_wi8_ai8, 16: library.recipe.static_wi8_ai16}
        self._recipe = recipes[activation_bits]
        # Quantizer.calibrate() offers no choice of update; the calibrator beneath it does.
        manager = library.recipe_manager.RecipeManager()
        manager.load_quantization_recipe(self._recipe())
        with _quiet(), large_constants():
            calibrator = library.calibrator.Calibrator(
                content,
                1,
                library.calibrator.CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS,
                library.qsv_utils.min_max_update,
            )
            calibrator.calibrate({SIGNATURE: feeds_of(samples)}, manager)
        self._ranges = calibrator.get_model_qsvs()
        self._unfit: list[Operator] = []
        self._clip_shifts = clip_shifts
        if activation_bits == 8:
            self._ranges = widen(content, self._ranges)
            self._ranges = tighten(content, self._ranges, samples, self._with_ranges)

    def quantise(
        self,
        float_operators: Sequence[Operator] = (),
        integer_io: bool = True,
        float_outputs: bool = False,
    ) -> bytes:
        """Writes the file in 8 bits, or 16 and 8.

        A layer of which a channel's shift does not fit its codes (`clipped_shifts`) stays in float32
        too, and with it an output that it gives.

        Args:
            float_operators: what stays in float32.
            integer_io: inputs and outputs are integer codes.
            float_outputs: outputs are float32 whatever the inputs are.

        Raises:
            InputError: shifts do not fit an operator that cannot stay in float32.
        """
        while True:
            operators = [*float_operators, *self._unfit]
            result = self._quantised(operators, integer_io, float_outputs)
            clipped = set() if self._clip_shifts else clipped_shifts(result)
            if not clipped:
                return result
            found = [o for o in read_operators(self._content) if o.name in clipped]
            if not found or set(found) & set(operators):
                raise InputError(
                    f"the shifts of {', '.join(sorted(clipped))} do not fit 32 bits; export with a "
                    "float scheme"
                )
            self._unfit += found

    def _with_ranges(self, ranges: Ranges) -> bytes:
        """The file of other ranges."""
        self._ranges = ranges
        return self.quantise()

    def _quantised(self, float_operators, integer_io: bool, float_outputs: bool) -> bytes:
        quantizer = self._library.Quantizer(self._content, self._recipe())
        operation = self._library.qtyping.TFLOperationName
        if not integer_io:
            quantizer.update_quantization_recipe(".*", operation.INPUT, algorithm_key="no_quantize")
        if not integer_io or float_outputs:
            quantizer.update_quantization_recipe(
                ".*", operation.OUTPUT, algorithm_key="no_quantize"
            )
        _leave(quantizer, self._library, float_operators)
        with _quiet(), large_constants():
            return _outputs_of_signature(quantizer.quantize(self._ranges).quantized_model)


def _leave(quantizer, library, operators: Sequence[Operator]) -> None:
    """Leaves operators as they are; the library addresses them by their output tensors' names."""
    for operator in operators:
        quantizer.update_quantization_recipe(
            f"^{re.escape(operator.name)};?$",
            library.qtyping.TFLOperationName.ALL_SUPPORTED,
            algorithm_key="no_quantize",
        )


def _outputs_of_signature(content: bytes) -> bytes:
    """Makes the graph's outputs those of its signature.

    Where a float output is read by an operator in 8 bits as well (logits that are averaged), the
    library lists its codes as the graph's output, and the engine never computes what the signature
    names.
    """
    model = unpack(content)
    changed = False
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        named = {entry.tensorIndex for entry in signature.outputs}
        if named != set(graph.outputs):
            graph.outputs, changed = np.array(sorted(named), np.int32), True
    return pack(model) if changed else bytes(content)


class _Library:
    """The modules of litert-quantizer that are used here."""

    def __init__(self):
        from litert_quantizer import Quantizer, calibrator, qtyping, recipe, recipe_manager
        from litert_quantizer.utils import qsv_utils

        self.Quantizer = Quantizer
        self.calibrator = calibrator
        self.qtyping = qtyping
        self.recipe = recipe
        self.recipe_manager = recipe_manager
        self.qsv_utils = qsv_utils


def _library() -> _Library:
    try:
        return _Library()
    except ImportError as error:
        raise InputError(
            f"quantised LiteRT artifacts need litert-quantizer ({error}); "
            "pip install cen-keras[export]"
        ) from error


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
