"""What is float between 8-bit convolutions becomes float16, the pairs' scales too.

A strongly typed TensorRT (10 on request, 11 always) takes each type from the file, so that a float32
file runs in float32 between its pairs. Float16 in QuantizeLinear is of opset 19, which JetPack 6.1's
TensorRT 10.3 reads and 8.5 and 8.6 do not.

Needs all pairs in their place. Changes numbers: by 16-bit rounding, of the scales as of what is float.
"""

import numpy as np
import onnx
from onnx import version_converter

from cen_keras.errors import InputError

from ..fp16 import fp16
from ..graph import constants

OPSET = 19
# Float16 has numbers down to 6e-8, but whole 11 bits from here on only.
_SMALLEST = float(np.finfo(np.float16).smallest_normal)


def type_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Gives the model in float16.

    Raises:
        InputError: a tensor's range is too small for a scale in float16.
    """
    values = constants(model)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in values:
            scale = float(values[node.input[1]])
            if scale < _SMALLEST:
                raise InputError(
                    f"{node.name}: a scale of {scale:.2g}, float16 has 11 bits from {_SMALLEST:.2g} on; "
                    "use static_w8a8"
                )
    return fp16(version_converter.convert_version(model, OPSET))
