"""How an artifact holds its numbers, scheme by scheme.

    name                     decoded
    fp32                     float32 weights and activations
    fp16                     16-bit floats; .onnx: activations too, inputs and outputs float32
    static_w8a8              8-bit weights (per channel) and activations (per tensor), whose ranges
                             come from calibration samples before the artifact is written

Planned names, for which the table below has its columns: dynamic_w8 (8-bit weights, activations
quantised as they come), static_w8a8_float_head (static_w8a8 but for the last convolution of each
stream), int16x8 (16-bit activations), qat_w8a8 (static_w8a8 from a model trained with its
rounding).
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
        allowed_drop: mIoU points that `verify` lets an artifact lose unless told otherwise.
    """

    name: str
    summary: str
    calibrated: bool
    integer_io: bool
    allowed_drop: float


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("fp32", "float32 throughout", False, False, 0.05),
        Scheme("fp16", "16-bit floats", False, False, 0.05),
        Scheme("static_w8a8", "8-bit weights and activations, calibrated", True, True, 1.0),
    )
}


def scheme(name: str) -> Scheme:
    """Looks up a scheme.

    Raises:
        InputError: there is none of this name.
    """
    if name not in SCHEMES:
        raise InputError(f"scheme {name!r} is unknown; choose one of {', '.join(SCHEMES)}")
    return SCHEMES[name]
