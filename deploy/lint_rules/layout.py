"""Rules L and P3: how layers are written."""

import numpy as np

from ..onnx.pairs import CONVOLUTIONS
from .core import ERROR, WARNING, Found, OnnxGraph, Profile, attribute, label, rule

_COORDINATES = {
    "half_pixel",
    "pytorch_half_pixel",
    "asymmetric",
    "align_corners",
    "tf_half_pixel_for_nn",
}
# Inputs that must be constant, by operator.
_CONSTANT_INPUTS = {"Gather": (1,), "Split": (1,), "Slice": (1, 2, 3, 4), "Pad": (1, 2, 3)}


@rule("L1")
def no_transpose_between_convolutions(graph: OnnxGraph, profile: Profile) -> Found:
    """No Transpose lies between a first and a last convolution."""
    after, before = _around_convolutions(graph)
    for node in graph.of("Transpose"):
        if node.output[0] in after and node.output[0] in before:
            fix = "export with channels first on both sides (deploy export --target onnx)"
            yield WARNING, label(node), "a Transpose between convolutions", fix


@rule("L2")
def norms_are_folded(graph: OnnxGraph, profile: Profile) -> Found:
    """No BatchNormalization follows a convolution directly."""
    for node in graph.of("BatchNormalization"):
        if graph.maker(node.input[0]) in ("Conv", "ConvTranspose"):
            fix = "freeze the model before the export, which folds norms"
            yield WARNING, label(node), "a norm that is not folded into its convolution", fix


@rule("L3")
def resize_modes_are_supported(graph: OnnxGraph, profile: Profile) -> Found:
    """Each Resize uses a mode that TensorRT has."""
    for node in graph.of("Resize"):
        mode = attribute(node, "mode", "nearest")
        coordinates = attribute(node, "coordinate_transformation_mode", "half_pixel")
        odd = []
        if mode not in ("nearest", "linear", "cubic"):
            odd.append(f"mode {mode}")
        if coordinates not in _COORDINATES:
            odd.append(f"coordinate_transformation_mode {coordinates}")
        if attribute(node, "antialias", 0):
            odd.append("antialias")
        if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
            odd.append("an aspect ratio policy")
        if odd:
            fix = "resize linearly with half_pixel or align_corners"
            yield ERROR, label(node), f"Resize with {', '.join(odd)}", fix


@rule("L4")
def resize_sizes_are_constant(graph: OnnxGraph, profile: Profile) -> Found:
    """The size of each Resize is constant, and scales are float32 even in a 16-bit file."""
    for node in graph.of("Resize"):
        given = [name for name in node.input[2:4] if name]
        if not given:
            yield ERROR, label(node), "Resize without scales or sizes", "export again"
        for name in given:
            value = graph.constant(name)
            if value is None:
                fix = "export with fixed sizes and fold constants"
                # Up to 8.6 the parser wants an initializer; later ones fold what does not depend on
                # the images.
                folds = profile.tensorrt >= (10, 0) and graph.folds(name)
                severity = WARNING if folds else ERROR
                yield severity, label(node), "Resize to a size that is computed", fix
            elif name == node.input[2] and value.dtype != np.float32:
                fix = "keep scales float32 (deploy export --scheme fp16 does)"
                yield ERROR, label(node), f"scales are {value.dtype}; rounded, they miss", fix


@rule("L5")
def pooling_is_plain(graph: OnnxGraph, profile: Profile) -> Found:
    """MaxPool has one output and no dilation."""
    for node in graph.of("MaxPool"):
        if len([name for name in node.output if name]) > 1:
            fix = "use a pooling without indices"
            yield ERROR, label(node), "MaxPool with the Indices output", fix
        if any(n != 1 for n in attribute(node, "dilations", [])):
            severity = ERROR if profile.tensorrt >= (10, 0) else WARNING
            yield severity, label(node), "MaxPool with dilation", "use a pooling without dilation"


@rule("L6")
def biases_are_constant(graph: OnnxGraph, profile: Profile) -> Found:
    """The bias of each convolution is a float initializer, not something computed."""
    for node in graph.of("Conv", "ConvTranspose"):
        # A bias through DequantizeLinear has a rule of its own.
        if len(node.input) < 3 or not node.input[2] or graph.dequantised(node.input[2]):
            continue
        if graph.constant(node.input[2]) is None:
            severity = ERROR if profile.tensorrt < (8, 6) else WARNING
            fix = "fold constants (polygraphy surgeon sanitize --fold-constants)"
            yield severity, label(node), "the bias is computed at run time", fix


@rule("L7")
def indices_are_constant(graph: OnnxGraph, profile: Profile) -> Found:
    """Indices, axes and sizes of Gather, Split, Slice and Pad are constant.

    A Gather by computed indices builds, and is fused with nothing.
    """
    for node in graph.of(*_CONSTANT_INPUTS):
        for index in _CONSTANT_INPUTS[node.op_type]:
            if index < len(node.input) and node.input[index]:
                if graph.constant(node.input[index]) is None:
                    found = f"input {index} of {node.op_type} is computed at run time"
                    folds = profile.tensorrt >= (10, 0) and graph.folds(node.input[index])
                    severity = WARNING if folds or node.op_type == "Gather" else ERROR
                    yield severity, label(node), found, "export with fixed sizes and fold constants"


@rule("L8")
def the_exchange_is_frozen(graph: OnnxGraph, profile: Profile) -> Found:
    """No Where with a constant mask, no multiplication with a mask of zeros and ones."""
    fix = "freeze the model before the export: the exchange becomes a Concat"
    for node in graph.of("Where"):
        if graph.constant(node.input[0]) is not None:
            yield WARNING, label(node), "Where with a constant mask", fix
    for node in graph.of("Mul"):
        for name in node.input:
            value = graph.constant(name)
            if value is not None and value.size > 1 and set(np.unique(value)) == {0, 1}:
                yield WARNING, label(node), "multiplication with a constant mask", fix


@rule("P3")
def additions_are_binary(graph: OnnxGraph, profile: Profile) -> Found:
    """No Sum of three or more tensors, which is fused with no convolution."""
    for node in graph.of("Sum"):
        if len(node.input) > 2:
            fix = "add two at a time"
            yield WARNING, label(node), f"a Sum of {len(node.input)} tensors", fix


def _around_convolutions(graph: OnnxGraph) -> tuple[set[str], set[str]]:
    """The tensors that come after a convolution, and those that one comes after."""
    after: set[str] = set()
    for node in graph.nodes:
        if node.op_type in CONVOLUTIONS or after.intersection(node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(graph.nodes):
        if node.op_type in CONVOLUTIONS or before.intersection(node.output):
            before.update(node.input)
    return after, before
