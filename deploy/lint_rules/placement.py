"""Rules Q10 to Q18: where pairs stand, after NVIDIA's placement rules.

What TensorRT fuses: convolution, norm and activation; convolution, addition of a quantised shortcut
and activation. A pair in the middle of either splits the kernel; a missing one around it leaves the
kernel's output in floats and adds a conversion.
"""

import numpy as np
import onnx

from ..onnx.pairs import CONVOLUTIONS
from .core import (
    NOTE,
    UNCHANGED,
    WARNING,
    Found,
    OnnxGraph,
    Profile,
    label,
    rule,
    same,
)

_PASSES = "run the passes of deploy/onnx (deploy export does)"


@rule("Q10")
def nothing_parts_a_convolution_from_its_activation(graph: OnnxGraph, profile: Profile) -> Found:
    """No pair between a convolution and its norm or activation."""
    if profile.dla:
        return
    for node in graph.of("Relu", "Clip", "BatchNormalization", "LeakyRelu", "HardSwish"):
        source = graph.source(node.input[0])
        if source is not None and graph.maker(source) in CONVOLUTIONS:
            found = f"a pair between {label(graph.producers[source])} and its {node.op_type}"
            yield WARNING, label(node), found, _PASSES


@rule("Q11")
def additions_have_one_float_branch(graph: OnnxGraph, profile: Profile) -> Found:
    """Of an Add behind a quantised convolution one such branch is float, everything else is
    quantised.
    """
    if profile.dla:
        return
    for node in _additions(graph):
        branches = _convolution_branches(graph, node)
        if not branches:
            continue
        floats = [name for name in branches if not graph.dequantised(name)]
        if len(floats) != 1:
            found = (
                "the convolution's branch is quantised"
                if not floats
                else f"{len(floats)} branches come from convolutions in float"
            )
            yield WARNING, label(node), found, _PASSES
        elif not all(graph.dequantised(name) for name in node.input if name not in floats):
            found = "the shortcut is float, so the sum is not computed in the convolution's kernel"
            yield WARNING, label(node), found, _PASSES


@rule("Q12")
def other_elementwise_nodes_are_whole(graph: OnnxGraph, profile: Profile) -> Found:
    """Any other Add or Mul has all inputs quantised, or none."""
    if profile.dla:
        return
    additions = {id(n) for n in _additions(graph) if _convolution_branches(graph, n)}
    for node in graph.of("Add", "Mul"):
        inputs = _variable_inputs(graph, node)
        if id(node) not in additions and _half(graph, inputs):
            yield WARNING, label(node), "some inputs are quantised, some are float", _PASSES


@rule("Q13")
def concatenations_are_whole(graph: OnnxGraph, profile: Profile) -> Found:
    """A Concat has all inputs quantised, or none."""
    for node in graph.of("Concat"):
        if _half(graph, node.input):
            yield WARNING, label(node), "some inputs are quantised, some are float", _PASSES


@rule("Q14")
def concatenations_have_one_scale(graph: OnnxGraph, profile: Profile) -> Found:
    """Inputs and output of a quantised Concat have one scale, so that it only copies."""
    for node in graph.of("Concat"):
        scales = [graph.pair_scale(name) for name in node.input]
        scales = [scale for scale in scales if scale is not None]
        if scales:
            scales += [graph.scale(after) for after in graph.quantisers(node.output[0])]
            if not all(same(scales[0], scale) for scale in scales[1:]):
                found = "inputs and output have different scales: a conversion per branch"
                yield WARNING, label(node), found, _PASSES


@rule("Q15")
def passing_nodes_keep_the_scale(graph: OnnxGraph, profile: Profile) -> Found:
    """What only moves values (pooling, resizing, slicing) has one scale before and after."""
    for node in graph.of(*sorted(UNCHANGED)):
        before = graph.pair_scale(node.input[0])
        if before is None:
            continue
        for after in (q for name in node.output for q in graph.quantisers(name)):
            if not same(before, graph.scale(after)):
                found = f"{node.op_type} between pairs of different scales"
                yield WARNING, label(node), found, _PASSES


@rule("Q16")
def heads_read_floats(graph: OnnxGraph, profile: Profile) -> Found:
    """Softmax, ArgMax and Sigmoid do not read quantised values."""
    for node in graph.of("Softmax", "ArgMax", "Sigmoid", "LogSoftmax"):
        if graph.dequantised(node.input[0]):
            found = f"{node.op_type} of quantised logits; ties decide the class"
            yield WARNING, label(node), found, _PASSES


@rule("Q17")
def outputs_are_float(graph: OnnxGraph, profile: Profile) -> Found:
    """No output of the graph comes through a DequantizeLinear."""
    for value in graph.outputs:
        if graph.dequantised(value.name):
            fix = "leave outputs out of quantisation (OpTypesToExcludeOutputQuantization)"
            yield WARNING, value.name, "the output is quantised, for no gain", fix


@rule("Q18")
def ranges_fit_the_samples(graph: OnnxGraph, profile: Profile) -> Found:
    """With samples at hand: the codes of each activation reach neither far over nor short of what
    the samples show. A note, since samples are few.
    """
    if graph.samples is None:
        return
    try:
        seen = _largest_values(graph)
    except Exception as error:  # onnxruntime's errors share no public base class
        reason = " ".join(str(error).split())[:200]
        yield NOTE, "", f"ranges not looked at, onnxruntime cannot run the file: {reason}", "see E"
        return
    for node in graph.of("QuantizeLinear"):
        scale, most = graph.scale(node), seen.get(node.input[0])
        if most is None or scale is None or scale.size != 1 or most == 0:
            continue
        share = float(scale.ravel()[0]) * 127 / most
        # A scale shared by several tensors may be wide for the smallest of them.
        if not 0.3 <= share <= 1.05:
            found = f"codes reach to {share:.2f} times the largest value of the samples"
            yield NOTE, label(node), found, "calibrate on more, or on typical, samples"


def _additions(graph: OnnxGraph) -> list[onnx.NodeProto]:
    """Adds of two computed tensors, in a file that is quantised at all."""
    if not graph.quantised:
        return []
    return [node for node in graph.of("Add") if len(_variable_inputs(graph, node)) > 1]


def _variable_inputs(graph: OnnxGraph, node: onnx.NodeProto) -> list[str]:
    return [name for name in node.input if graph.constant(name) is None]


def _convolution_branches(graph: OnnxGraph, node: onnx.NodeProto) -> list[str]:
    """Inputs that come straight from an 8-bit convolution, with or without a pair between."""
    found = []
    for name in node.input:
        maker = graph.producers.get(graph.source(name) or name)
        if maker is not None and maker.op_type in CONVOLUTIONS and graph.is_int8(maker):
            found.append(name)
    return found


def _half(graph: OnnxGraph, names) -> bool:
    return len({graph.dequantised(name) for name in names}) > 1


def _largest_values(graph: OnnxGraph) -> dict[str, float]:
    """The largest absolute value of each quantised activation over the samples."""
    import onnxruntime

    tensors = sorted({n.input[0] for n in graph.of("QuantizeLinear")} - set(graph.initializers))
    if not tensors:
        return {}
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    most = dict.fromkeys(tensors, 0.0)
    for index in range(len(next(iter(graph.samples.values())))):
        feeds = {
            name: np.ascontiguousarray(array[index : index + 1].transpose(0, 3, 1, 2))
            for name, array in graph.samples.items()
        }
        for name, value in zip(tensors, session.run(tensors, feeds), strict=True):
            most[name] = max(most[name], float(np.abs(value).max()))
    return most
