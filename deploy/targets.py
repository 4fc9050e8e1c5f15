"""The targets by name: "tflite" for LiteRT, "onnx" for ONNX Runtime and TensorRT.

Their engines are named in `runtime.runner.ENGINES`, since the board needs that half alone.
"""

from cen_keras.errors import InputError

from .onnx.pipeline import ONNX
from .schemes import Scheme, scheme
from .target import Target
from .tflite.pipeline import TFLITE

TARGETS = {target.name: target for target in (TFLITE, ONNX)}


def resolve(target_name: str, scheme_name: str) -> tuple[Target, Scheme]:
    """Looks up a target and a scheme that it has.

    Raises:
        InputError: there is no such target or scheme, or the target lacks the scheme.
    """
    if target_name not in TARGETS:
        raise InputError(f"target {target_name!r} is unknown; choose one of {', '.join(TARGETS)}")
    target, chosen = TARGETS[target_name], scheme(scheme_name)
    if scheme_name not in target.schemes:
        raise InputError(
            f"target {target_name!r} has no scheme {scheme_name!r}, only "
            f"{', '.join(target.schemes)}"
        )
    return target, chosen
