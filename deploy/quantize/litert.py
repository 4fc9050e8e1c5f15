"""LiteRT artifacts of every scheme out of float ones, by litert-quantizer; all that touches this
young library is in here.

Ranges of activations are the smallest and largest values seen over the calibration samples. The
library's own default, a moving average, forgets the extremes when samples are few and clips them;
mean squared error as criterion puts quantise/dequantise pairs around static operators.

Every scheme is a function of (float bytes, samples or None, integer_io, float_layers) to bytes;
`float_layers` names layers of the frozen graph that stay in float32, by `layer_name`.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cen_keras.errors import InputError

from ..export.tflite_graph import Operator, layer_name, read_operators, read_tensors
from ..runtime.litert_runner import SIGNATURE
from .large_constants import large_constants
from .tflite_file import pack, unpack

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
Samples = Mapping[str, np.ndarray]


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
) -> bytes:
    """Quantises weights per channel and activations per tensor to 8 bits.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name, normalised as the network is fed.
        integer_io: inputs and outputs are int8 codes; otherwise float32, converted inside the
            graph.
        float_layers: layers that stay in float32.

    Returns:
        The quantised file's bytes.

    Raises:
        InputError: litert-quantizer is not installed, the samples are not those of the inputs, or a
            layer is unknown.
    """
    static = Static(content, samples)
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
    operators = [*find_layers(content, float_layers), *_head(content)]
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

    A layer of which a channel's shift does not fit its codes stays in float32 (`_clipped_shifts`).
    Args and errors as for `static_w8a8`.
    """
    static = Static(content, samples, activation_bits=16)
    operators = find_layers(content, float_layers)
    result = static.quantise(operators, integer_io)
    clipped = _clipped_shifts(result)
    if clipped:
        operators += [o for o in read_operators(content) if o.name in clipped]
        result = static.quantise(operators, integer_io)
    return result


def _clipped_shifts(content: bytes) -> set[str]:
    """The operators of a 16-bit file whose shifts were clipped, by name.

    A shift's codes have the scale of the input times the channel's own, and the library clips them
    to 32 bits. With 16-bit activations that scale is 256 times finer than with 8, so a channel with a
    small kernel and an ordinary shift, as a small gamma leaves it, would lose most of its value.
    """
    from ai_edge_litert.schema_py_generated import TensorType

    model, names = unpack(content), set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            for index in operator.inputs[2:3]:
                data = model.buffers[graph.tensors[index].buffer].data if index >= 0 else None
                if graph.tensors[index].type != TensorType.INT64 or data is None:
                    continue
                codes = np.abs(np.asarray(data, np.uint8).view(np.int64))
                if codes.max() >= 2**31 - 1:
                    names.add(graph.tensors[operator.outputs[0]].name.decode())
    return names


def find_layers(content: bytes, names: Sequence[str]) -> list[Operator]:
    """The operators of layers.

    Args:
        content: a float .tflite file.
        names: of layers, as `layer_name` gives them.

    Raises:
        InputError: the file has no layer of a name.
    """
    operators = read_operators(content)
    known = {layer_name(operator) for operator in operators}
    unknown = [name for name in names if name not in known]
    if unknown:
        import difflib

        close = difflib.get_close_matches(unknown[0], sorted(known), 3, 0.3)
        raise InputError(
            f"layer {unknown[0]!r} is not in the frozen graph; there are {len(known)}, such as "
            f"{', '.join(close or sorted(known)[:3])} (`python -m deploy sensitivity` lists them)"
        )
    return [operator for operator in operators if layer_name(operator) in set(names)]


def _head(content: bytes) -> list[Operator]:
    """The last operator with weights before each output, and all between it and the output."""
    operators = read_operators(content)
    maker = {tensor: operator for operator in operators for tensor in operator.outputs}
    wanted = [operator for operator in operators if operator.stream]
    found = {}
    while wanted:
        operator = wanted.pop()
        if operator.outputs in found:
            continue
        found[operator.outputs] = operator
        if operator.kind not in _WEIGHTED:
            wanted.extend(maker[tensor] for tensor in operator.inputs if tensor in maker)
    return list(found.values())


class Static:
    """A float file with the ranges of its activations, to be quantised once or many times.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name.
        activation_bits: 8 or 16.

    Raises:
        InputError: litert-quantizer is not installed, or the samples are not those of the inputs.
    """

    def __init__(self, content: bytes, samples: Samples, activation_bits: int = 8):
        self._library = library = _library()
        _check_samples(content, samples)
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
        self._statistics = calibrator.get_model_qsvs()

    def quantise(
        self,
        float_operators: Sequence[Operator] = (),
        integer_io: bool = True,
        float_outputs: bool = False,
    ) -> bytes:
        """Writes the file in 8 bits, or 16 and 8.

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
        _leave(quantizer, self._library, float_operators)
        with _quiet(), large_constants():
            return _outputs_of_signature(quantizer.quantize(self._statistics).quantized_model)


def feeds_of(samples: Samples) -> list[dict[str, np.ndarray]]:
    """One dict of batch 1 per sample."""
    count = len(next(iter(samples.values())))
    return [{name: array[i : i + 1] for name, array in samples.items()} for i in range(count)]


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
