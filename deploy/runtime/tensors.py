"""One input or output of an artifact: its name, shape, type, and how numbers of the world become
numbers of the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from .errors import InputError
from .image_kind import USUAL, ImageKind, is_number, kind_from_json

DTYPES = ("float32", "int8", "uint8", "int16", "int32")
LAYOUTS = ("NHWC", "NCHW")
CONTENTS = ("image", "depth", "logits", "classes")


@dataclass(frozen=True)
class Quantization:
    """Per-tensor affine quantisation: real = scale * (code - zero_point)."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Normalization:
    """What the network is fed: (x * scale - mean) / std, channel by channel.

    x is 0 to 255 for a picture of 8 bits and metres for depth.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: the modality of an input; the stream of an output ("rgb", "depth", "ensemble").
        shape: static, with the batch first, in `layout`.
        layout: "NHWC" or "NCHW", as the engine has it; the runners take and give NHWC always.
        dtype: of the engine's tensor.
        quantization: for integer tensors; None for float ones and for classes.
        content: "depth" (an input of metres in one channel), "image" (any other input; an output of
            -1 to 1), "logits", or "classes": one channel with the class of every pixel.
        normalization: of an input; None for an output.
        tensor: its name in the file where that is another one (a value of an ONNX graph has one
            name, so input and output of a modality need two); "" = `name`.
        kind: of an input: all else that is known of its images; None = as is usual for the content.
    """

    name: str
    shape: tuple[int, ...]
    layout: str
    dtype: str
    content: str
    quantization: Quantization | None = None
    normalization: Normalization | None = None
    tensor: str = ""
    kind: ImageKind | None = None

    def __post_init__(self):
        if self.kind is None and self.normalization is not None:
            object.__setattr__(self, "kind", USUAL.get(self.content))

    @property
    def tensor_name(self) -> str:
        """Its name in the file."""
        return self.tensor or self.name

    @property
    def hwc(self) -> tuple[int, int, int]:
        """Height, width and channels whatever the layout."""
        if self.layout == "NHWC":
            return self.shape[1], self.shape[2], self.shape[3]
        return self.shape[2], self.shape[3], self.shape[1]

    def to_json(self) -> dict[str, Any]:
        """The tensor as the manifest writes it (its name is the key there)."""
        value: dict[str, Any] = {
            "shape": list(self.shape),
            "layout": self.layout,
            "dtype": self.dtype,
            "content": self.content,
            "quantization": None,
        }
        if self.tensor:
            value["tensor"] = self.tensor
        if self.quantization is not None:
            value["quantization"] = {
                "scale": self.quantization.scale,
                "zero_point": self.quantization.zero_point,
            }
        if self.kind is not None:
            value["kind"] = self.kind.to_json()
        if self.normalization is not None:
            value["normalization"] = {
                "scale": self.normalization.scale,
                "mean": list(self.normalization.mean),
                "std": list(self.normalization.std),
            }
        return value


def field(mapping: dict[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """One required field of a JSON object, of the wanted type.

    Raises:
        InputError: `mapping` is no object, or the field is missing or of another type; `where`
            opens the message.
    """
    if not isinstance(mapping, dict):
        raise InputError(f"{where}: found {type(mapping).__name__}, wanted an object with {key!r}")
    if key not in mapping:
        raise InputError(f"{where}: the field {key!r} is missing; export the artifact again")
    value = mapping[key]
    # JSON's true is an int for Python, and no number of the manifest is meant to be one.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        raise InputError(f"{where}: the field {key!r} is {value!r:.60}, wanted {wanted}")
    return value


def tensor_from_json(name: str, value: dict[str, Any], where: str, is_input: bool) -> TensorSpec:
    """Reads and checks one tensor of a manifest.

    Raises:
        InputError: a field is missing or does not fit the others; `where` opens the message.
    """
    where = f"{where}, tensor {name!r}"
    shape = field(value, "shape", list, where)
    if len(shape) != 4 or any(type(n) is not int or n < 1 for n in shape):
        raise InputError(f"{where}: shape is {shape}, wanted four positive whole numbers")
    layout = _one_of(field(value, "layout", str, where), LAYOUTS, "layout", where)
    dtype = _one_of(field(value, "dtype", str, where), DTYPES, "dtype", where)
    content = _one_of(field(value, "content", str, where), CONTENTS, "content", where)
    quantization = None
    if dtype != "float32" and content != "classes":
        quantization = _quantization(field(value, "quantization", dict, where), where)
    tensor = field(value, "tensor", str, where) if "tensor" in value else ""
    spec = TensorSpec(name, tuple(shape), layout, dtype, content, quantization, tensor=tensor)
    if not is_input:
        return spec
    normalization = _normalization(field(value, "normalization", dict, where), spec.hwc[2], where)
    kind = None
    if "kind" in value:
        kind = kind_from_json(field(value, "kind", dict, where), where)
    return replace(spec, normalization=normalization, kind=kind)


def _one_of(value: str, allowed: tuple[str, ...], key: str, where: str) -> str:
    if value not in allowed:
        raise InputError(f"{where}: {key} is {value!r}, wanted one of {', '.join(allowed)}")
    return value


def _quantization(value: dict[str, Any], where: str) -> Quantization:
    scale = float(field(value, "scale", (int, float), where))
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"{where}: the quantisation scale is {scale}, wanted a positive number")
    return Quantization(scale, field(value, "zero_point", int, where))


def _normalization(value: dict[str, Any], channels: int, where: str) -> Normalization:
    columns = {}
    for key in ("mean", "std"):
        numbers = field(value, key, list, where)
        if len(numbers) != channels or not all(map(is_number, numbers)):
            raise InputError(f"{where}: {key} is {numbers}, wanted {channels} numbers")
        columns[key] = tuple(float(n) for n in numbers)
    if not all(n > 0 for n in columns["std"]):
        raise InputError(f"{where}: std is {columns['std']}, wanted positive numbers")
    scale = float(field(value, "scale", (int, float), where))
    if not math.isfinite(scale) or scale == 0:
        raise InputError(f"{where}: the scale is {scale}, wanted a number other than 0")
    return Normalization(scale, columns["mean"], columns["std"])
