"""Rules G: what a parser needs of any file."""

import numpy as np
import onnx

from .core import ERROR, WARNING, Found, OnnxGraph, Profile, label, rule
from .operators import IMPLICITLY_QUANTISED, supported

_IO_TYPES = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.INT32,
    onnx.TensorProto.BOOL,
    onnx.TensorProto.INT8,
}


@rule("G1")
def opset_is_read(graph: OnnxGraph, profile: Profile) -> Found:
    """The opset is one that the parser reads, and at least 13 where scales are per channel."""
    if graph.opset > profile.opset:
        found = f"opset {graph.opset}; {profile.summary} reads up to {profile.opset}"
        yield ERROR, "", found, "export with opset 17, which every JetPack reads"
    per_channel = [
        node
        for node in graph.of("QuantizeLinear", "DequantizeLinear")
        if (scale := graph.scale(node)) is not None and scale.size > 1
    ]
    if graph.opset < 13 and per_channel:
        found = f"opset {graph.opset} has no scales per channel, which {len(per_channel)} nodes use"
        yield ERROR, label(per_channel[0]), found, "export with opset 17 and quantise again"


@rule("G2")
def only_standard_operators(graph: OnnxGraph, profile: Profile) -> Found:
    """All operators are ONNX's own; those of a runtime are known to that runtime alone."""
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            found = f"operator {node.op_type} of domain {node.domain!r}"
            yield ERROR, label(node), found, "export without the runtime's own optimisations"


@rule("G3")
def passes_the_checker(graph: OnnxGraph, profile: Profile) -> Found:
    """The file passes ONNX's full check and strict shape inference."""
    try:
        onnx.checker.check_model(graph.model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:200]
        yield ERROR, "", f"onnx.checker refuses it: {reason}", "export again"


@rule("G4")
def shapes_are_static(graph: OnnxGraph, profile: Profile) -> Found:
    """Inputs and outputs have fixed sizes and a batch of one."""
    severity = ERROR if profile.dla else WARNING
    for value in (*graph.inputs, *graph.outputs):
        shape = graph.shapes.get(value.name, ())
        if any(not size for size in shape):
            fix = "export with fixed sizes; a dynamic one needs profiles and costs speed"
            yield severity, value.name, f"shape {_text(shape)} is not fixed", fix
        elif len(shape) == 4 and shape[0] != 1:
            fix = "export with batch 1"
            yield severity, value.name, f"batch {shape[0]}, a camera gives one image", fix


@rule("G5")
def io_types_are_plain(graph: OnnxGraph, profile: Profile) -> Found:
    """Inputs and outputs have types that engines take without conversion."""
    for value in (*graph.inputs, *graph.outputs):
        kind = value.type.tensor_type.elem_type
        if kind in _IO_TYPES:
            continue
        if kind == onnx.TensorProto.INT64 and profile.tensorrt >= (9, 0):
            continue
        name = onnx.TensorProto.DataType.Name(kind).lower()
        fix = "leave arg-max and casts out of the graph; logits are float32"
        yield WARNING, value.name, f"type {name}", fix


@rule("G6")
def constants_fit(graph: OnnxGraph, profile: Profile) -> Found:
    """No constant is double, and on TensorRT 8 none is an int64 beyond int32, which it clamps."""
    for name, tensor in graph.initializers.items():
        if tensor.data_type == onnx.TensorProto.DOUBLE:
            yield WARNING, name, "a double constant, cast down to float32", "export in float32"
        if tensor.data_type == onnx.TensorProto.INT64 and profile.tensorrt < (9, 0):
            values = graph.constant(name)
            limits = np.iinfo(np.int32)
            if values.size and (values.min() < limits.min or values.max() > limits.max):
                found = "an int64 constant beyond int32; this parser clamps it"
                yield WARNING, name, found, "give the slice or shape its true end"


@rule("G7")
def operators_are_supported(graph: OnnxGraph, profile: Profile) -> Found:
    """The parser has every operator."""
    known = supported(profile.tensorrt) | IMPLICITLY_QUANTISED
    for node in graph.nodes:
        if node.domain in ("", "ai.onnx") and node.op_type not in known:
            found = f"{node.op_type} is not among the operators of {profile.summary}"
            yield ERROR, label(node), found, "replace the layer, or run it outside of the graph"


@rule("G8")
def nothing_is_computed_about_shapes(graph: OnnxGraph, profile: Profile) -> Found:
    """No control flow, no NonZero, no shapes computed at run time."""
    for node in graph.of("If", "Loop", "Scan", "NonZero", "Shape"):
        fix = "export with fixed sizes and fold constants (polygraphy surgeon sanitize)"
        yield WARNING, label(node), f"{node.op_type} keeps shapes open until run time", fix


def _text(shape) -> str:
    return "(" + ", ".join("?" if not size else str(size) for size in shape) + ")"
