"""16-bit floats as a step of its own: a float ONNX file into one whose weights and activations are
typed float16, its inputs and outputs still float32.

TensorRT 8 and 10 can also be set to use 16 bits for a float32 file; TensorRT 11 takes a file's
types at their word, so there this step is the only way.
"""

import numpy as np
import onnx

from cen_keras.errors import InputError

from .graph import constants, tidy

LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts a float32 model.

    Each Resize says its size in whole numbers, which stay: 7 * (6 / 7) in 16 bits is not 6, and the
    resized map would lose a row.

    Raises:
        InputError: onnxruntime is not installed, or a weight is too large for float16.
    """
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise InputError(
            f"16-bit ONNX artifacts need onnxruntime ({error}); pip install cen-keras[export]"
        ) from error
    for name, value in constants(model).items():
        # The converter would cut such a value off; NaN compares false both ways and is refused.
        if value.dtype == np.float32 and not (np.abs(value) <= LARGEST_FLOAT16).all():
            raise InputError(
                f"{name} holds {np.abs(value).max():.3g}, float16 ends at {LARGEST_FLOAT16:.0f}; use fp32"
            )
    # An empty list of operators to leave alone: all that this project exports has a float16 form.
    converted = convert_float_to_float16(model, keep_io_types=True, op_block_list=[])
    del converted.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(tidy(converted), strict_mode=True)
