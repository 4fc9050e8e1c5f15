"""NVIDIA's parser and compiler on a machine without a GPU: TensorRT for RTX builds ahead of time.

It proves the graph, not the board: its compiler is not the one of JetPack's TensorRT, and it knows
neither Xavier (7.2) nor Orin (8.7). What it says of a file is read from its log, which lists every
kernel with the ONNX nodes that it stands for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Iterator, Sequence

from ..runtime.errors import InputError
from ..runtime.trt_engine import capability_tag, load_tensorrt_rtx

# 7.5 is Turing, 8.x Ampere and Ada, 12.x Blackwell.
CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
CONVOLUTION = "correlation"  # the log's word
_BYTES = {
    "Int8": 1,
    "UInt8": 1,
    "Bool": 1,
    "Half": 2,
    "BFloat16": 2,
    "Float": 4,
    "Int32": 4,
    "Int64": 8,
}
_TENSOR = re.compile(r"Dimensions: \[([\d,]*)\][^}]*?Datatype: (\w+)")
_NODE = re.compile(r"\[ONNX Layer: ([^\]\x1e]*)")
# Of more than this many bytes: bias and scale vectors are constants, too.
_LARGE = 1 << 15


@dataclass(frozen=True)
class Kernel:
    """One kernel of an engine.

    Attributes:
        kind: the compiler's word: "correlation" is a convolution, "kgen" a generated kernel.
        nodes: names of the ONNX nodes that it stands for.
        inputs, constants: (shape, type) of what it reads; types as "Int8", "Half", "Float".
    """

    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[tuple[tuple[int, ...], str], ...]
    constants: tuple[tuple[tuple[int, ...], str], ...]

    @property
    def padding(self) -> int:
        """Bytes of constants with the size of an image that it joins to its input: channels of zeros that
        a convolution in 8 bits wants there.
        """
        return sum(
            math.prod(shape) * _BYTES.get(kind, 0)
            for shape, kind in self.constants
            if self.kind != CONVOLUTION and math.prod(shape) > _LARGE and len(shape) > 3
        )


@dataclass(frozen=True)
class Verdict:
    """What the compiler made of a file.

    Attributes:
        version: of TensorRT for RTX.
        capabilities: of the GPUs that it was compiled for, ("8.6", "8.9").
        errors: (node, text) of what the parser or the builder refused; nothing else is known then.
        warnings: the compiler's, without repetitions.
        layers: of the parsed network, shape arithmetic and constants included.
        kernels: of the engine.
        weights: bytes of constants in the engine.
        engine: the engine; None where it was refused.
    """

    version: str
    capabilities: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    layers: int
    kernels: tuple[Kernel, ...]
    weights: int
    engine: bytes | None

    @property
    def convolutions(self) -> dict[str, int]:
        """How many convolutions compute in each type."""
        return dict(
            Counter(k.inputs[0][1] for k in self.kernels if k.kind == CONVOLUTION and k.inputs)
        )

    @property
    def generated(self) -> int:
        """How many kernels the compiler wrote itself; the engine holds the text of each."""
        return sum(kernel.kind == "kgen" for kernel in self.kernels)


def compile_onnx(content: bytes, capabilities: Sequence[str] = ("8.6",)) -> Verdict:
    """Parses and compiles a file.

    Args:
        content: of the .onnx file.
        capabilities: of CAPABILITIES; the engine holds code for each.

    Raises:
        InputError: TensorRT for RTX is not installed, or does not know the GPU.
    """
    trt = load_tensorrt_rtx()
    members = [capability_member(trt, capability) for capability in capabilities]
    known = tuple(capabilities)
    logger = _logger(trt)
    logger.lines.clear()
    builder = trt.Builder(logger)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        errors = tuple(_parser_error(parser.get_error(i)) for i in range(parser.num_errors))
        return Verdict(trt.__version__, known, errors, logger.warnings(), 0, (), 0, None)
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(members)
    for index, member in enumerate(members):
        config.set_compute_capability(member, index)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    engine = builder.build_serialized_network(network, config)
    log = "\n".join(text for _, text in logger.lines)
    errors = ()
    if engine is None:
        found = [text for severity, text in logger.lines if severity == "ERROR"]
        errors = tuple(("", text) for text in found) or (("", "could not be built"),)
    weights = re.search(r"Total Weights Memory: (\d+) bytes", log)
    return Verdict(
        trt.__version__,
        known,
        errors,
        logger.warnings(),
        network.num_layers,
        tuple(_kernels(log)),
        int(weights.group(1)) if weights else 0,
        None if engine is None else bytes(engine),
    )


def capability_member(trt: Any, capability: str) -> Any:
    """The module's name for a GPU.

    Raises:
        InputError: it builds for no such GPU.
    """
    found = getattr(trt.ComputeCapability, capability_tag(capability).upper(), None)
    if found is None or capability not in CAPABILITIES:
        raise InputError(
            f"compute capability {capability!r} is none that TensorRT for RTX {trt.__version__} builds "
            f"for; choose of {', '.join(CAPABILITIES)} (a Jetson's engine is built on the Jetson)"
        )
    return found


def _parser_error(error: Any) -> tuple[str, str]:
    name = f"{error.node_name()} ({error.node_operator()})" if error.node_operator() else ""
    return name, " ".join(str(error.desc()).split())


def _kernels(log: str) -> Iterator[Kernel]:
    """The kernels that the log lists behind its last "Layers:"."""
    _, found, listing = log.rpartition("Layers:\nName: ")
    if not found:
        return
    for line in ("Name: " + listing).split("\n"):
        if not line.startswith("Name: "):
            break
        kind = re.search(r", LayerType: (\w+)", line)
        parts = re.split(r", (?:Inputs|Constants|Outputs|TacticName): ", line)
        if kind is None or len(parts) < 5 or kind.group(1) in ("signal", "wait"):
            continue
        yield Kernel(
            kind.group(1), tuple(_NODE.findall(line)), _tensors(parts[1]), _tensors(parts[2])
        )


def _tensors(text: str) -> tuple[tuple[tuple[int, ...], str], ...]:
    return tuple(
        (tuple(int(size) for size in shape.split(",") if size), kind)
        for shape, kind in _TENSOR.findall(text)
    )


@lru_cache(maxsize=2)
def _logger(trt: Any) -> Any:
    """The one logger of a process: TensorRT keeps the first that it is given."""

    class Recorder(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.lines: list[tuple[str, str]] = []

        def log(self, severity, message):
            self.lines.append((str(severity).rpartition(".")[2], message))

        def warnings(self):
            found = [text for severity, text in self.lines if severity == "WARNING"]
            return tuple(dict.fromkeys(found))

    return Recorder()
