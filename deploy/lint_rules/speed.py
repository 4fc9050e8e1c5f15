"""Rules P1, P2 and P4: speed; D1: what an Orin's deep learning accelerator takes."""

import math

import onnx

from .core import NOTE, WARNING, Found, OnnxGraph, Profile, attribute, label, rule

# 8-bit tensor cores work on this many channels at once.
_FULL_SPEED = 32
# What they load at once of a group.
_GROUP = 4


@rule("P1")
def channels_fill_the_kernels(graph: OnnxGraph, profile: Profile) -> Found:
    """8-bit convolutions have enough channels to gain from it (NVIDIA's quantisers leave others
    alone), and multiples of 4.
    """
    if profile.dla:
        return
    fed = {value.name for value in graph.inputs}
    fix = f"multiples of {_FULL_SPEED} are fastest; a tiny one may stay float"
    for node in graph.of("Conv"):
        shape = _weight_shape(graph, node)
        if shape is None or not graph.is_int8(node):
            continue
        if graph.source(node.input[0]) in fed:
            continue  # images have few channels, and TensorRT has kernels for that
        outgoing, incoming = shape[0], shape[1] * attribute(node, "group", 1)
        if max(incoming, outgoing) < 16:
            found = f"{incoming} to {outgoing} channels, too few to gain from 8 bits"
            yield NOTE, label(node), found, fix
        elif incoming % 4 or outgoing % 4:
            found = f"{incoming} to {outgoing} channels, not multiples of 4"
            yield NOTE, label(node), found, fix


@rule("P2")
def most_of_the_work_is_int8(graph: OnnxGraph, profile: Profile) -> Found:
    """How much of the work runs in 8 bits, and how often the graph leaves them in between."""
    if profile.dla or not graph.quantised:
        return
    macs = {True: 0, False: 0}
    for node in graph.of("Conv"):
        shape = _weight_shape(graph, node)
        size = graph.shapes.get(node.output[0])
        if shape is not None and size is not None and all(size):
            macs[graph.is_int8(node)] += math.prod(shape) * math.prod(size[2:]) * size[0]
    if sum(macs.values()):
        share = macs[True] / sum(macs.values())
        floats = len([node for node in graph.of("Conv") if not graph.is_int8(node)])
        found = f"{share:.1%} of the multiply-adds in 8 bits; {floats} convolutions are float"
        yield NOTE, "", found, "each float one between 8-bit ones costs two conversions"


@rule("P4")
def grouped_convolutions_fill_the_kernels(graph: OnnxGraph, profile: Profile) -> Found:
    """An 8-bit convolution has at least 4 channels in a group; depthwise ones stay float.

    TensorRT for RTX joins channels of zeros to the input of any other, as large as the images.
    """
    if profile.dla:
        return
    for node in graph.of("Conv"):
        shape = _weight_shape(graph, node)
        groups = attribute(node, "group", 1)
        if shape is not None and groups > 1 and shape[1] < _GROUP and graph.is_int8(node):
            found = (
                f"8 bits with {shape[1]} channels in each of {groups} groups; filled up with zeros"
            )
            yield WARNING, label(node), found, "leave it out of quantisation: float is faster there"


@rule("D1")
def the_dla_takes_it(graph: OnnxGraph, profile: Profile) -> Found:
    """What the DLA does not take runs on the GPU, and each such layer splits the graph."""
    if not profile.dla:
        return
    for node in graph.nodes:
        reason = _refused_by_dla(graph, node)
        if reason:
            fix = "it falls back to the GPU (--allowGPUFallback); better, replace it"
            yield WARNING, label(node), reason, fix


@rule("D2")
def the_dla_has_all_ranges(graph: OnnxGraph, profile: Profile) -> Found:
    """For the DLA every tensor of an 8-bit graph has a pair; it does not mix in floats.

    A file with pairs where the GPU wants them is therefore not one for the DLA.
    """
    if not profile.dla or not graph.quantised:
        return
    for node in graph.nodes:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        readers = graph.readers[node.output[0]]
        if readers and not graph.quantisers(node.output[0]) and readers[0].op_type != "Relu":
            fix = "build with fp16 from the float file, or place pairs on all tensors"
            yield WARNING, label(node), "its result has no pair; it runs in 16 bits", fix


def _refused_by_dla(graph: OnnxGraph, node: onnx.NodeProto) -> str:
    """Why the DLA refuses a node; "" where it does not."""
    kind = node.op_type
    if kind in ("Gather", "Where", "NonZero", "ArgMax"):
        return f"no {kind} on the DLA"
    if any((size or 0) > 8192 for name in node.output for size in graph.shapes.get(name, ())[1:]):
        return "a dimension over 8192"
    if kind in ("Conv", "ConvTranspose"):
        shape = _weight_shape(graph, node) or ()
        if any(not 1 <= size <= 32 for size in shape[2:]):
            return f"kernel {tuple(shape[2:])}, wanted 1 to 32"
        if any(not 1 <= step <= 8 for step in attribute(node, "strides", [])):
            return "stride over 8"
    if kind == "ConvTranspose":
        if any(attribute(node, "pads", [])) or attribute(node, "group", 1) != 1:
            return "a transposed convolution with padding or groups"
        if any(n != 1 for n in attribute(node, "dilations", [])):
            return "a transposed convolution with dilation"
    if kind == "Concat" and attribute(node, "axis", 1) not in (1, -3):
        return "a Concat along another axis than channels"
    if kind == "Resize" and (
        attribute(node, "mode", "nearest") == "linear"
        and attribute(node, "coordinate_transformation_mode", "half_pixel") != "half_pixel"
    ):
        return "linear Resize with other coordinates than half_pixel"
    return ""


def _weight_shape(graph: OnnxGraph, node: onnx.NodeProto) -> tuple[int, ...] | None:
    weight = graph.weight(node)
    return None if weight is None else weight.shape
