"""The way of a .tflite file from float to any scheme: PASSES, in order, over one model in memory.

The file is unpacked once and packed once; on its way it becomes bytes where an engine or the library
has to read it, for quantising and for choosing between ranges.
"""

from typing import Any

from ..schemes import scheme
from ..target import Pass, Target, Wanted, Work, run_passes
from . import writer, xnnpack
from .graph import read_tensors
from .model import pack, unpack
from .passes.bare_relus import multiply_bare_relus
from .passes.fitting_biases import fit_biases
from .passes.merged_weights import merge_weights
from .passes.packed_stems import pack_stems
from .passes.padding import cheapen_padding
from .passes.saturating_relus import drop_saturating_relus
from .passes.signature_outputs import match_signature
from .passes.tight_ranges import tighten
from .passes.unread import drop_unread
from .quantizer import quantise
from .samples import check_input_ranges


def _tightened(work: Work) -> None:
    work.model, work.report["range_factor"] = tighten(work.model, work.floats, work.wanted.samples)


def _merged(work: Work) -> None:
    work.report["merged"] = merge_weights(work.model)


def _for_xnnpack(wanted: Wanted) -> bool:
    return wanted.tune == "xnnpack"


def _calibrated(wanted: Wanted) -> bool:
    return scheme(wanted.scheme).calibrated


def _in_int8(wanted: Wanted) -> bool:
    return wanted.scheme.startswith("static_w8a8")


PASSES = (
    Pass(
        "bare_relus",
        lambda work: multiply_bare_relus(work.model),
        lambda wanted: _for_xnnpack(wanted) and _calibrated(wanted),
    ),
    Pass("quantizer", quantise, lambda wanted: wanted.scheme != "fp32"),
    Pass("signature_outputs", lambda work: match_signature(work.model)),
    Pass("fitting_biases", lambda work: fit_biases(work.model, work.floats), _calibrated),
    Pass("tight_ranges", _tightened, _in_int8),
    Pass("packed_stems", lambda work: pack_stems(work.model), _for_xnnpack),
    Pass("padding", lambda work: cheapen_padding(work.model), _for_xnnpack),
    Pass("saturating_relus", lambda work: drop_saturating_relus(work.model), _for_xnnpack),
    Pass("merged_weights", _merged, lambda wanted: wanted.scheme != "fp32"),
    Pass("unread", lambda work: drop_unread(work.model)),
)
AFTER_QUANTIZING = tuple(
    step for step in PASSES[2:] if step.name not in ("fitting_biases", "tight_ranges")
)
"""For a file that came in 8 bits, as quantisation-aware training makes it."""


def make(content: bytes, wanted: Wanted) -> tuple[bytes, dict[str, Any]]:
    """Makes a file of another scheme.

    Args:
        content: a float .tflite file with batch 1.
        wanted: the scheme and its options.

    Returns:
        The file's bytes, and `range_factor` and `merged` (see these passes) where they ran.

    Raises:
        InputError: as the passes say.
    """
    work = Work(unpack(content), wanted)
    run_passes(PASSES, work)
    made = pack(work.model)
    if wanted.integer_io and _in_int8(wanted):
        check_input_ranges(made, wanted.samples)
    return made, work.report


def finish(content: bytes, scheme_name: str, tune: str = "xnnpack") -> tuple[bytes, dict[str, Any]]:
    """Runs what comes after quantising on a file that is quantised already; returns as `make`."""
    work = Work(unpack(content), Wanted(scheme_name, tune=tune))
    run_passes(AFTER_QUANTIZING, work)
    return pack(work.model), work.report


TFLITE = Target(
    name="tflite",
    suffix=".tflite",
    schemes=("fp32", "fp16", "dynamic_w8", "static_w8a8", "static_w8a8_float_head", "int16x8"),
    tunings=("xnnpack", "none"),
    libraries=("ai-edge-litert", "litert-quantizer"),
    write=writer.write,
    make=make,
    read_tensors=read_tensors,
    check=xnnpack.check_fast,
)
