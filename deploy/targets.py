"""What each target is made of: who writes its files, which schemes it has and who applies them.

A target is a file format: "tflite" for LiteRT, "onnx" for ONNX Runtime and TensorRT. Its engines
are named in `runtime.runner.ENGINES`, since the board needs that half alone. Modules are imported
when used: reading this table costs nothing.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from cen_keras.errors import InputError

from .schemes import Scheme, scheme


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        name: as on the command line and in the manifest.
        suffix: of its files, with the dot.
        writer: "module:function" of (keras model, image shape) -> bytes of a float artifact.
        quantizers: scheme name -> "module:function" of (float bytes, calibration arrays or None,
            integer_io) -> bytes; None where the float artifact is the result.
        reader: "module:function" of (bytes) -> `GraphTensors`, the signature as the file has it.
        preparer: "module:function" of (bytes) -> bytes, run on a frozen float file before a calibrated
            scheme; None where the format needs none.
        merger: "module:function" of (bytes) -> (bytes, report), run on every quantised file; None
            where the format has none.
        tuners: each "module:function" of (bytes) -> bytes, run on every file of a frozen model: the same
            numbers in the shape that the engine's kernels like best.
        checker: "module:function" of (bytes), which refuses a file that the engine would run
            slowly; None where nobody can tell.
    """

    name: str
    suffix: str
    writer: str
    quantizers: dict[str, str | None]
    reader: str
    preparer: str | None = None
    merger: str | None = None
    tuners: tuple[str, ...] = ()
    checker: str | None = None

    def load(self, entry: str) -> Callable:
        """Imports one of the functions named above."""
        module, function = entry.split(":")
        return getattr(importlib.import_module("." + module, __package__), function)

    def tune(self, content: bytes) -> bytes:
        """Runs the tuners, which change no number."""
        for tuner in self.tuners:
            content = self.load(tuner)(content)
        return content


TARGETS = {
    "tflite": Target(
        "tflite",
        ".tflite",
        writer="export.to_tflite:write",
        quantizers={
            "fp32": None,
            **{
                name: f"quantize.litert:{name}"
                for name in (
                    "fp16",
                    "dynamic_w8",
                    "static_w8a8",
                    "static_w8a8_float_head",
                    "int16x8",
                )
            },
        },
        reader="export.tflite_graph:read_tensors",
        preparer="quantize.bare_relu:multiply_bare_relus",
        merger="quantize.merge_weights:merge_weights",
        tuners=(
            "export.split_pools:split_pools",
            "export.packed_stem:pack_stems",
            "export.margins:cheap_margins",
            "export.saturating_relu:drop_saturating_relus",
        ),
        checker="export.xnnpack:check_fast",
    ),
    "onnx": Target(
        "onnx",
        ".onnx",
        writer="export.to_onnx:write",
        quantizers={
            "fp32": None,
            "fp16": "export.onnx_fp16:fp16",
            "static_w8a8": "quantize.onnx_qdq:static_w8a8",
        },
        reader="export.onnx_graph:read_tensors",
    ),
}


def resolve(target_name: str, scheme_name: str) -> tuple[Target, Scheme]:
    """Looks up a target and a scheme that it has.

    Raises:
        InputError: there is no such target or scheme, or the target lacks the scheme.
    """
    if target_name not in TARGETS:
        raise InputError(f"target {target_name!r} is unknown; choose one of {', '.join(TARGETS)}")
    target, chosen = TARGETS[target_name], scheme(scheme_name)
    if scheme_name not in target.quantizers:
        raise InputError(
            f"target {target_name!r} has no scheme {scheme_name!r}, only "
            f"{', '.join(target.quantizers)}"
        )
    return target, chosen
