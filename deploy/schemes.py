"""How an artifact holds its numbers, scheme by scheme.

    name                     decoded
    fp32                     float32 weights and activations
    fp16                     16-bit floats; .onnx: activations too, inputs and outputs float32
    dynamic_w8               8-bit weights; activations quantised as they come, at run time
    static_w8a8              8-bit weights (per channel) and activations (per tensor), whose ranges
                             come from calibration samples before the artifact is written
    static_w8a8_fp16         static_w8a8 with 16-bit floats between the 8-bit convolutions, as the file's own
                             types: for TensorRT 10 and 11, which take a file's types at their word
    static_w8a8_float_head   static_w8a8 but for the last convolution of each stream and what
                             follows, which are float32; outputs are float32
    int16x8                  8-bit weights, 16-bit activations: to see whether activations are what
                             8 bits lose accuracy by; LiteRT has no fast kernels for it
    qat_w8a8                 static_w8a8 of a model that was trained on with its rounding
                             (`python -m deploy qat`)

Which target has which is in `targets.py`.
"""

from dataclasses import dataclass

from cen_keras.errors import InputError


@dataclass(frozen=True)
class Scheme:
    """One way to hold numbers.

    Attributes:
        name: as on the command line and in the manifest.
        summary: for `--help`.
        calibrated: needs calibration samples.
        integer_io: inputs and outputs may be integer codes.
        allowed_drop: mIoU points that `verify` lets an artifact lose by default.
        warning: what a user should know who chose it; such a scheme is not held to the engine's
            fast kernels.
    """

    name: str
    summary: str
    calibrated: bool
    integer_io: bool
    allowed_drop: float
    warning: str = ""


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("fp32", "float32 throughout", False, False, 0.05),
        Scheme("fp16", "16-bit floats", False, False, 0.05),
        Scheme("dynamic_w8", "8-bit weights, activations as they come", False, False, 0.5),
        Scheme("static_w8a8", "8-bit weights and activations, calibrated", True, True, 1.0),
        Scheme("static_w8a8_fp16", "static_w8a8, 16-bit floats between", True, False, 1.0),
        Scheme("static_w8a8_float_head", "static_w8a8, last layers in float", True, True, 1.0),
        Scheme(
            "int16x8",
            "8-bit weights, 16-bit activations",
            True,
            True,
            0.3,
            "int16x8 runs on LiteRT's reference kernels, many times slower than int8; use it to "
            "find where accuracy goes, not on a board",
        ),
        Scheme("qat_w8a8", "static_w8a8 after training with its rounding", True, True, 0.5),
    )
}

SHORT_NAMES = {"fp32": "fp32", "int8": "static_w8a8"}
"""The two schemes that benchmarks and the walkthrough compare, by short names."""


def scheme(name: str) -> Scheme:
    """Looks up a scheme.

    Raises:
        InputError: there is none of this name.
    """
    if name not in SCHEMES:
        raise InputError(f"scheme {name!r} is unknown; choose one of {', '.join(SCHEMES)}")
    return SCHEMES[name]
