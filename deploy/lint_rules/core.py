"""What the rules share: findings, profiles of the boards, and an indexed graph."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

ERROR, WARNING, NOTE = "E", "W", "I"
# They pass values on and compute none outside the range of their input.
UNCHANGED = frozenset({"MaxPool", "Resize", "Gather", "Split", "Slice", "Transpose", "Reshape"})


@dataclass(frozen=True)
class Finding:
    """One thing that a rule has to say.

    Attributes:
        rule: its id.
        severity: "E" the build fails or computes something else, "W" slower or less accurate, "I" a
            note.
        node: the node, tensor or input that it is about; "" for the whole file.
        what: what was found.
        fix: what to do.
    """

    rule: str
    severity: str
    node: str
    what: str
    fix: str


@dataclass(frozen=True)
class Profile:
    """A board's software, as far as the rules differ.

    Attributes:
        name: as on the command line.
        summary: JetPack and TensorRT.
        tensorrt: major and minor version.
        opset: the highest that its parser reads.
        dla: whether the deep learning accelerator is to run the graph, not the GPU.
    """

    name: str
    summary: str
    tensorrt: tuple[int, int]
    opset: int
    dla: bool = False


# Of JetPack 6, "jp6" is 6.1 and later; the range of opsets of JetPack 7 is NVIDIA's own for 10.13.
PROFILES = {
    profile.name: profile
    for profile in (
        Profile("jp5", "JetPack 5.1, TensorRT 8.5", (8, 5), 17),
        Profile("jp6.0", "JetPack 6.0, TensorRT 8.6", (8, 6), 17),
        Profile("jp6", "JetPack 6.1 and 6.2, TensorRT 10.3", (10, 3), 20),
        Profile("jp7", "JetPack 7, TensorRT 10.13 and later", (10, 13), 24),
        Profile("dla", "DLA of an Orin, JetPack 6.1 and 6.2", (10, 3), 20, dla=True),
    )
}
"""Name -> what a JetPack's TensorRT reads."""

# What a rule yields: severity, node or tensor, what was found, the fix.
Found = Iterator[tuple[str, str, str, str]]
Rule = Callable[["OnnxGraph", Profile], Found]
LINT_RULES: dict[str, Rule] = {}
"""Identifier -> rule."""


def rule(identifier: str) -> Callable[[Rule], Rule]:
    """Enters a function into the table of rules."""

    def enter(function: Rule) -> Rule:
        LINT_RULES[identifier] = function
        return function

    return enter


@dataclass
class OnnxGraph:
    """A model with its nodes indexed by what they read and make.

    Attributes:
        model: the file.
        samples: float32 (n, h, w, c) by input name for the rule that looks at ranges, or None.
    """

    model: onnx.ModelProto
    samples: dict[str, np.ndarray] | None = None
    nodes: list[onnx.NodeProto] = field(init=False)
    producers: dict[str, onnx.NodeProto] = field(init=False)
    readers: dict[str, list[onnx.NodeProto]] = field(init=False)
    initializers: dict[str, onnx.TensorProto] = field(init=False)
    shapes: dict[str, tuple[int | None, ...]] = field(init=False)

    def __post_init__(self):
        graph = self.model.graph
        self.nodes = list(graph.node)
        self.producers = {name: node for node in self.nodes for name in node.output if name}
        self.readers = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.readers[name].append(node)
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.shapes = {name: tuple(t.dims) for name, t in self.initializers.items()}
        try:
            inferred = onnx.shape_inference.infer_shapes(self.model).graph
        except onnx.shape_inference.InferenceError:  # rule G3 tells of it
            inferred = graph
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            if value.type.tensor_type.HasField("shape"):
                self.shapes[value.name] = tuple(
                    dim.dim_value if dim.HasField("dim_value") else None
                    for dim in value.type.tensor_type.shape.dim
                )

    @property
    def opset(self) -> int:
        """Version of the ai.onnx operators."""
        versions = [o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx")]
        return max(versions, default=0)

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """Inputs that have to be fed."""
        return [v for v in self.model.graph.input if v.name not in self.initializers]

    @property
    def outputs(self) -> list[onnx.ValueInfoProto]:
        """Outputs of the graph."""
        return list(self.model.graph.output)

    @property
    def quantised(self) -> bool:
        """Whether there is any quantise or dequantise node."""
        return any(n.op_type in ("QuantizeLinear", "DequantizeLinear") for n in self.nodes)

    def of(self, *kinds: str) -> list[onnx.NodeProto]:
        """The nodes of some operator types."""
        return [node for node in self.nodes if node.op_type in kinds]

    def maker(self, tensor: str) -> str:
        """Operator type of the node that makes a tensor; "" for inputs and initializers."""
        node = self.producers.get(tensor)
        return node.op_type if node is not None else ""

    def constant(self, tensor: str) -> np.ndarray | None:
        """The value of an initializer or a Constant node, else None."""
        if tensor in self.initializers:
            return numpy_helper.to_array(self.initializers[tensor])
        node = self.producers.get(tensor)
        if node is not None and node.op_type == "Constant":
            value = attribute(node, "value")
            return None if value is None else numpy_helper.to_array(value)
        return None

    def folds(self, tensor: str) -> bool:
        """Whether a tensor is computed from constants alone."""
        if self.constant(tensor) is not None or not tensor:
            return True
        node = self.producers.get(tensor)
        return node is not None and bool(node.input) and all(map(self.folds, node.input))

    def scale(self, node: onnx.NodeProto) -> np.ndarray | None:
        """The scale of a quantise or dequantise node where it is constant."""
        return self.constant(node.input[1]) if len(node.input) > 1 else None

    def source(self, tensor: str) -> str | None:
        """For a tensor out of a pair on an activation: the float tensor before the pair."""
        node = self.producers.get(tensor)
        if node is None or node.op_type != "DequantizeLinear":
            return None
        before = self.producers.get(node.input[0])
        if before is None or before.op_type != "QuantizeLinear":
            return None
        return None if self.constant(before.input[0]) is not None else before.input[0]

    def dequantised(self, tensor: str) -> bool:
        """Whether a tensor comes out of a DequantizeLinear."""
        return self.maker(tensor) == "DequantizeLinear"

    def weight(self, node: onnx.NodeProto) -> np.ndarray | None:
        """The weights of a convolution, behind their pair if they have one; None if not constant.

        8-bit weights with a DequantizeLinear alone are given as codes: their shape is what counts.
        """
        if len(node.input) < 2:
            return None
        name = node.input[1]
        for _ in range(3):
            value = self.constant(name)
            if value is not None:
                return value
            before = self.producers.get(name)
            if before is None or before.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                return None
            name = before.input[0]
        return None

    def is_int8(self, node: onnx.NodeProto) -> bool:
        """Whether a convolution reads a quantised activation and quantised weights."""
        return len(node.input) > 1 and all(self.dequantised(name) for name in node.input[:2])

    def pair_scale(self, tensor: str) -> np.ndarray | None:
        """Scale of the DequantizeLinear that a tensor comes out of."""
        node = self.producers.get(tensor)
        return self.scale(node) if node is not None and self.dequantised(tensor) else None

    def quantisers(self, tensor: str) -> list[onnx.NodeProto]:
        """QuantizeLinear nodes that read a tensor."""
        return [n for n in self.readers[tensor] if n.op_type == "QuantizeLinear"]


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute of a node, strings decoded."""
    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default


def label(node: onnx.NodeProto) -> str:
    """How a finding calls a node."""
    return node.name or f"{node.op_type} -> {node.output[0] if node.output else '?'}"


def same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    """Whether two scales are equal; unknown ones are not judged."""
    if first is None or second is None:
        return True
    return first.size == second.size and bool(np.array_equal(first.ravel(), second.ravel()))
