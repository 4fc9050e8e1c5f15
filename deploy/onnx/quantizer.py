"""8-bit ONNX artifacts with explicit, symmetric quantise/dequantise pairs as TensorRT reads them.

onnxruntime's `quantize_static` finds the ranges and places pairs; its defaults do not build in
TensorRT (zero points, 32-bit biases), and even with the right options it knows nothing of how
TensorRT fuses: the passes behind it mend that. Weights and scales stay in the file as
float32: TensorRT 8.5 takes no other kind, and every later one folds them.

Made for TensorRT. ONNX Runtime on a CPU computes the right numbers slowly: its integer convolution
wants a 32-bit bias and 8-bit weights in the file, which TensorRT does not take, so it rounds and
computes in float32 (of the demo's net 85 convolutions stay float between 405 conversions).
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from cen_keras.errors import InputError

from ..calibration import check_samples, feeds_of
from ..target import Samples
from .graph import constants, tensors_of

# Add is among them only so that shortcuts get a range; the passes decide which inputs keep it.
_OPERATORS = ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add"]


def quantise(model: onnx.ModelProto, samples: Samples | None) -> onnx.ModelProto:
    """Quantises weights per channel and activations per tensor to 8 bits, zero points all 0.

    Args:
        model: a float model with batch 1, channels first.
        samples: float32 (n, h, w, c) by input name, normalised as the network is fed.

    Returns:
        The quantised model; its inputs and outputs stay float32, since TensorRT wants its pairs inside
        the graph.

    Raises:
        InputError: onnxruntime is not installed, or the samples are not those of the inputs.
    """
    try:
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
    except ImportError as error:
        raise InputError(
            f"8-bit ONNX artifacts need onnxruntime ({error}); pip install cen-keras[export]"
        ) from error
    if samples is None:
        raise InputError("a calibrated scheme needs calibration samples")
    check_samples(tensors_of(model).inputs, samples)
    options = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        # A bias through DequantizeLinear is 32-bit, and TensorRT takes 8 bits there only.
        "QuantizeBias": False,
        "QDQDisableWeightAdjustForInt32Bias": True,
        "AddQDQPairToWeight": True,
        "DedicatedQDQPair": False,
        # Pairs stand before what computes in 8 bits and never behind it: between a convolution and
        # its ReLU one would keep TensorRT from making them one kernel.
        "OpTypesToExcludeOutputQuantization": sorted({node.op_type for node in model.graph.node}),
        "QDQOpTypePerChannelSupportToAxis": {"Conv": 0, "ConvTranspose": 1},
    }
    with tempfile.TemporaryDirectory(prefix="cen-keras-quantize-") as folder, quiet():
        path = Path(folder) / "quantised.onnx"
        quantize_static(
            model,
            str(path),
            Reader(samples),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=_grouped(model),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=options,
        )
        quantised = onnx.load(path)
    quantised.producer_name = "cen_keras"
    return quantised


def _grouped(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions with few channels in a group, depthwise ones above all.

    They stay float, as NVIDIA's own quantiser leaves them: 8-bit kernels read 4 channels at once, so
    TensorRT fills up each group with zeros (TensorRT for RTX with a constant as large as three images).
    """
    values = constants(model)
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and any(a.name == "group" and a.i > 1 for a in node.attribute)
        and values[node.input[1]].shape[1] < 4
    ]


class Reader:
    """Gives onnxruntime one sample after another, channels first, by input name."""

    def __init__(self, samples: Samples):
        self._left = iter(feeds_of(samples))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next sample, or None after the last."""
        feed = next(self._left, None)
        return feed and {
            name: np.ascontiguousarray(array.transpose(0, 3, 1, 2)) for name, array in feed.items()
        }

    def __iter__(self):
        return iter(self.get_next, None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps onnxruntime's advice to preprocess the model off the terminal; ours has been."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
