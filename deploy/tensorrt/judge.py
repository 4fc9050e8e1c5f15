"""NVIDIA's verdict on a file as findings, after those of our own rules: `python -m deploy lint --compile`.

C0: nodes that are refused; C1: the compiler's warnings; C2: convolutions that are to run in 8 bits and do
not; C3: channels of zeros that are joined to the inputs of convolutions; C4: what came of it.
"""

from __future__ import annotations

from typing import Sequence

import onnx

from ..lint_rules.core import ERROR, NOTE, WARNING, Finding, OnnxGraph, label
from .compiler import CONVOLUTION, Verdict, compile_onnx


def judge(model: onnx.ModelProto, capabilities: Sequence[str] = ("8.6",)) -> list[Finding]:
    """Compiles a file for each GPU.

    Args:
        model: the file's content.
        capabilities: of the GPUs.

    Raises:
        InputError: TensorRT for RTX is not installed, or does not know a GPU.
    """
    content, graph = model.SerializeToString(), OnnxGraph(model)
    return [
        finding
        for capability in capabilities
        for finding in findings(compile_onnx(content, (capability,)), graph)
    ]


def findings(verdict: Verdict, graph: OnnxGraph) -> list[Finding]:
    """A verdict in the words of lint.

    Args:
        verdict: of the compiler.
        graph: of the same file.
    """
    who = f"TensorRT for RTX {verdict.version}, compute capability {' and '.join(verdict.capabilities)}"
    found = [
        Finding(
            "C0", ERROR, node, f"{who} refuses it: {_short(text)}", "see the rule that fits above"
        )
        for node, text in verdict.errors
    ]
    found += [
        Finding("C1", WARNING, "", f"{who}: {_short(text)}", "look at the tensor that it names")
        for text in verdict.warnings
    ]
    if verdict.engine is None:
        return found
    for node in sorted(_not_in_8_bits(verdict, graph)):
        what = f"{who} computes it in floats, though both its inputs have pairs"
        fix = "7.5 has no 8-bit convolutions here; else see Q5 and Q6"
        found.append(Finding("C2", WARNING, node, what, fix))
    for kernel in verdict.kernels:
        if kernel.padding:
            what = f"{kernel.padding} bytes of zeros fill up the channels of a convolution"
            fix = "of an image's one or three channels there is none; for others see P4"
            found.append(Finding("C3", NOTE, ", ".join(kernel.nodes[:2]), what, fix))
    kinds = ", ".join(f"{n} in {kind}" for kind, n in sorted(verdict.convolutions.items()))
    what = (
        f"{who}: {verdict.layers} layers become {len(verdict.kernels)} kernels; convolutions: "
        f"{kinds or 'none'}; {verdict.weights} bytes of constants and {verdict.generated} generated "
        f"kernels in an engine of {len(verdict.engine)} bytes"
    )
    return [*found, Finding("C4", NOTE, "", what, "no action needed")]


def _not_in_8_bits(verdict: Verdict, graph: OnnxGraph) -> set[str]:
    """Labels of the convolutions whose pairs the compiler did not take up."""
    in_8_bits = {
        name
        for kernel in verdict.kernels
        if kernel.kind == CONVOLUTION and kernel.inputs and kernel.inputs[0][1] == "Int8"
        for name in kernel.nodes
    }
    wanted = [node for node in graph.of("Conv", "ConvTranspose") if graph.is_int8(node)]
    return {label(node) for node in wanted if node.name not in in_8_bits}


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else words[:297] + "..."
