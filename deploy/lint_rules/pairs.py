"""Rules Q0 to Q9: what quantise and dequantise nodes are allowed to be."""

import numpy as np
import onnx

from .core import ERROR, WARNING, Found, OnnxGraph, Profile, attribute, label, rule, same
from .operators import IMPLICITLY_QUANTISED

_PAIR = ("QuantizeLinear", "DequantizeLinear")
_AGAIN = "quantise again (deploy export --target onnx --scheme static_w8a8)"


@rule("Q0")
def quantisation_is_explicit(graph: OnnxGraph, profile: Profile) -> Found:
    """No operator that has integers built in."""
    for node in graph.of(*IMPLICITLY_QUANTISED):
        found = f"{node.op_type} is not explicit quantisation"
        yield ERROR, label(node), found, "use quantise/dequantise pairs; " + _AGAIN


@rule("Q1")
def pairs_are_complete(graph: OnnxGraph, profile: Profile) -> Found:
    """Scale and zero point are there and constant; TensorRT 8 wants both named."""
    for node in graph.of(*_PAIR):
        names = [name for name in node.input[1:3] if name]
        if any(graph.constant(name) is None for name in names):
            yield ERROR, label(node), "a scale or zero point computed at run time", _AGAIN
        elif len(names) < 2 and profile.tensorrt < (10, 0):
            found = f"{len(node.input)} inputs; {profile.summary} wants a zero point tensor too"
            yield ERROR, label(node), found, _AGAIN


@rule("Q2")
def zero_points_are_int8(graph: OnnxGraph, profile: Profile) -> Found:
    """Zero points have type int8."""
    severity = ERROR if profile.tensorrt < (10, 0) else WARNING
    for node in graph.of(*_PAIR):
        zero = _zero_point(graph, node)
        # 32-bit ones belong to biases, which Q7 tells of.
        if zero is not None and zero.dtype not in (np.int8, np.int32):
            found = f"zero point of type {zero.dtype}"
            yield severity, label(node), found, "quantise activations to QInt8; " + _AGAIN


@rule("Q3")
def zero_points_are_zero(graph: OnnxGraph, profile: Profile) -> Found:
    """All zero points are 0: TensorRT quantises symmetrically only."""
    for node in graph.of(*_PAIR):
        zero = _zero_point(graph, node)
        if zero is not None and np.any(zero != 0):
            value = int(zero.ravel()[np.argmax(np.abs(zero.astype(int)))])
            found = f"zero point {value}"
            yield ERROR, label(node), found, "quantise with ActivationSymmetric; " + _AGAIN


@rule("Q4")
def scales_are_numbers(graph: OnnxGraph, profile: Profile) -> Found:
    """Scales are finite, positive and, for TensorRT 8, float32; as many as zero points."""
    for node in graph.of(*_PAIR):
        scale, zero = graph.scale(node), _zero_point(graph, node)
        if scale is None:
            continue
        if not np.all(np.isfinite(scale.astype(np.float64)) & (scale > 0)):
            yield ERROR, label(node), "a scale that is not a positive number", _AGAIN
        if scale.dtype != np.float32 and profile.tensorrt < (10, 0):
            found = f"scale of type {scale.dtype}; {profile.summary} takes float32"
            yield ERROR, label(node), found, "keep the quantised file in float32"
        if zero is not None and zero.size != scale.size:
            yield ERROR, label(node), f"{scale.size} scales, {zero.size} zero points", _AGAIN


@rule("Q5")
def only_weights_have_scales_per_channel(graph: OnnxGraph, profile: Profile) -> Found:
    """Scales per channel stand on weights only, one for each channel of the axis."""
    for node in graph.of(*_PAIR):
        scale = graph.scale(node)
        if scale is None or scale.size <= 1:
            continue
        shape = _constant_shape(graph, node)
        if shape is None:
            yield ERROR, label(node), f"{scale.size} scales on an activation", _AGAIN
            continue
        axis = attribute(node, "axis", 1)
        if not -len(shape) <= axis < len(shape) or shape[axis] != scale.size:
            found = f"{scale.size} scales for axis {axis} of {tuple(shape)}"
            yield ERROR, label(node), found, _AGAIN


@rule("Q6")
def weights_are_quantised_per_output_channel(graph: OnnxGraph, profile: Profile) -> Found:
    """The axis of a weight's scales is its output channel: 0 for Conv, 1 for ConvTranspose."""
    for node in graph.of("Conv", "ConvTranspose"):
        pair = graph.producers.get(node.input[1])
        if pair is None or pair.op_type != "DequantizeLinear":
            continue
        scale, shape = graph.scale(pair), _constant_shape(graph, pair)
        if scale is None or shape is None:
            continue
        wanted = 0 if node.op_type == "Conv" else 1
        if scale.size == 1:
            if shape[wanted] > 1:
                found = "one scale for all channels of the weights"
                yield WARNING, label(node), found, "quantise with per_channel; " + _AGAIN
        elif attribute(pair, "axis", 1) % len(shape) != wanted:
            found = f"scales along axis {attribute(pair, 'axis', 1)}, wanted {wanted}"
            yield ERROR, label(node), found, _AGAIN


@rule("Q7")
def biases_stay_float(graph: OnnxGraph, profile: Profile) -> Found:
    """No DequantizeLinear reads 32-bit integers, as onnxruntime writes biases."""
    for node in graph.of("DequantizeLinear"):
        tensor = graph.initializers.get(node.input[0])
        if tensor is not None and tensor.data_type == onnx.TensorProto.INT32:
            found = "DequantizeLinear of an int32 bias; the parser takes int8 only"
            yield ERROR, label(node), found, "quantise with QuantizeBias=False; " + _AGAIN


@rule("Q8")
def pairs_stay_together(graph: OnnxGraph, profile: Profile) -> Found:
    """A QuantizeLinear feeds DequantizeLinear nodes of its own scale, and those read nothing else
    but int8 constants; no pair directly requantises another's result to a different scale.
    """
    for node in graph.of("QuantizeLinear"):
        readers = graph.readers[node.output[0]]
        if any(reader.op_type != "DequantizeLinear" for reader in readers):
            found = "the codes are read by something else than a DequantizeLinear"
            yield WARNING, label(node), found, _AGAIN
        elif not all(same(graph.scale(node), graph.scale(reader)) for reader in readers):
            found = "codes are read back with another scale than they were made with"
            yield WARNING, label(node), found, _AGAIN
        before = graph.pair_scale(node.input[0])
        if before is not None and not same(before, graph.scale(node)):
            found = "requantises the result of another pair to a different scale"
            yield WARNING, label(node), found, "give both tensors one scale"
    for node in graph.of("DequantizeLinear"):
        from_constant = graph.constant(node.input[0]) is not None
        if not from_constant and graph.maker(node.input[0]) != "QuantizeLinear":
            found = "DequantizeLinear of something that no QuantizeLinear made"
            yield WARNING, label(node), found, _AGAIN


@rule("Q9")
def convolutions_are_quantised_whole(graph: OnnxGraph, profile: Profile) -> Found:
    """A convolution reads both activation and weights through pairs, or neither."""
    for node in graph.of("Conv", "ConvTranspose", "Gemm", "MatMul"):
        activation, weight = (graph.dequantised(name) for name in node.input[:2])
        if activation != weight:
            missing = "weights" if activation else "activation"
            found = f"only half of it is quantised: the {missing} is float"
            fix = "quantise both, or exclude the node from quantisation"
            yield WARNING, label(node), found, fix


def _zero_point(graph: OnnxGraph, node: onnx.NodeProto) -> np.ndarray | None:
    if len(node.input) < 3 or not node.input[2]:
        return None
    return graph.constant(node.input[2])


def _constant_shape(graph: OnnxGraph, node: onnx.NodeProto) -> tuple[int, ...] | None:
    """Shape of the weights that a node of a pair stands on; None for an activation."""
    name = node.input[0]
    if graph.maker(name) == "QuantizeLinear":
        name = graph.producers[name].input[0]
    value = graph.constant(name)
    return None if value is None else value.shape
