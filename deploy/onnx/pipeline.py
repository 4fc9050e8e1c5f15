"""The way of an .onnx file from float to any scheme: PASSES, in order, over one model in memory, which is
parsed once and serialised once. (What follows tf2onnx is in `writer.WRITING_PASSES`.)
"""

from collections.abc import Callable
from typing import Any

import onnx

from cen_keras.errors import InputError

from ..target import Pass, Target, Wanted, Work, run_passes
from . import writer
from .fp16 import fp16
from .graph import parse, read_tensors, serialized, tidy
from .passes.concat_pairs import quantise_concat_inputs
from .passes.float_branches import restore_float_branches
from .passes.float_readers import restore_float_readers
from .passes.shared_scales import share_scales
from .passes.typed_pairs import type_pairs
from .quantizer import quantise


def _new(step: Callable[[onnx.ModelProto], onnx.ModelProto]) -> Callable[[Work], None]:
    def run(work: Work) -> None:
        work.model = step(work.model)

    return run


def _quantised(work: Work) -> None:
    work.model = quantise(work.model, work.wanted.samples)


def _in_8_bits(wanted: Wanted) -> bool:
    return wanted.scheme.startswith("static_w8a8")


PASSES = (
    Pass("fp16", _new(fp16), lambda wanted: wanted.scheme == "fp16"),
    Pass("quantizer", _quantised, _in_8_bits),
    Pass("tidy", _new(tidy), _in_8_bits),
    Pass("float_readers", lambda work: restore_float_readers(work.model), _in_8_bits),
    Pass("float_branches", lambda work: restore_float_branches(work.model), _in_8_bits),
    Pass("tidy", _new(tidy), _in_8_bits),
    Pass("concat_pairs", lambda work: quantise_concat_inputs(work.model), _in_8_bits),
    Pass("shared_scales", lambda work: share_scales(work.model), _in_8_bits),
    Pass("tidy", _new(tidy), _in_8_bits),
    Pass("typed_pairs", _new(type_pairs), lambda wanted: wanted.scheme == "static_w8a8_fp16"),
)


def make(content: bytes, wanted: Wanted) -> tuple[bytes, dict[str, Any]]:
    """Makes a file of another scheme.

    Args:
        content: a float .onnx file with batch 1, channels first.
        wanted: the scheme and its samples; inputs and outputs stay float32.

    Returns:
        The file's bytes, and nothing to report.

    Raises:
        InputError: as the passes say, or layers are to stay in float.
    """
    if wanted.float_layers:
        raise InputError("--float-layers is for the quantised schemes of tflite, not of onnx")
    work = Work(parse(content), wanted)
    run_passes(PASSES, work)
    return serialized(work.model), work.report


ONNX = Target(
    name="onnx",
    suffix=".onnx",
    schemes=("fp32", "fp16", "static_w8a8", "static_w8a8_fp16"),
    tunings=("none",),
    libraries=("tf2onnx", "onnx", "onnxruntime"),
    write=writer.write,
    make=make,
    read_tensors=read_tensors,
)
