"""LiteRT artifacts of every scheme out of float ones, by litert-quantizer.

Every scheme is a function of (float bytes, samples or None, integer_io, float_layers) to bytes;
`float_layers` names layers of the frozen graph that stay in float32, by `layer_name`.
"""

from collections.abc import Sequence

from .float_layers import find_layers, heads
from .large_constants import large_constants
from .litert_library import Library, quiet
from .samples import Samples, check_input_ranges
from .static import Static


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
    library.leave(quantizer, find_layers(content, float_layers))
    with quiet(), large_constants():
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
    library = Library()
    quantizer = library.Quantizer(content, library.recipe.dynamic_wi8_afp32())
    quantizer.update_quantization_recipe(
        ".*", library.qtyping.TFLOperationName.DEPTHWISE_CONV_2D, algorithm_key="no_quantize"
    )
    library.leave(quantizer, find_layers(content, float_layers))
    with quiet(), large_constants():
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
        integer_io: inputs and outputs are int8 codes; otherwise float32, converted inside the graph.
        float_layers: layers that stay in float32.

    Returns:
        The quantised file's bytes.

    Raises:
        InputError: litert-quantizer is not installed, the samples are not those of the inputs, or a
            layer is unknown.
    """
    result = Static(content, samples).quantise(find_layers(content, float_layers), integer_io)
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
