"""Shifts of quantised convolutions that do not fit their codes, made to fit.

A shift's codes have the scale of the input times that of the channel's filter. A channel with a small
filter and an ordinary shift, as a small gamma leaves it, asks for more codes than 32 bits have; the
library clips it, and the channel loses most of its value. Beside such a shift the filter says next to
nothing and can do with a coarser scale: one at which the shift fits.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from cen_keras.errors import InputError

from ..export.tflite_graph import WEIGHTED, builtin_of
from .tflite_file import add_buffer, add_like, pack, unpack, without_unread

LARGEST = 2**30
"""Half of what 32 bits hold; the kernels add the sum of products to a shift, and it has the rest."""
_FILTER = 1


def fit_shifts(content: bytes, quantised: bytes) -> bytes:
    """Gives channels whose shifts' codes are above `LARGEST` a coarser scale.

    Args:
        content: a float .tflite file.
        quantised: the same graph, all or some of it in integers.

    Returns:
        The quantised file; the same bytes where all shifts fit.

    Raises:
        InputError: a shift does not fit, and the float file has no operator of that name.
    """
    model = unpack(quantised)
    unfit = [found for found in _shifted(model) if found.largest_code() > LARGEST]
    if not unfit:
        return quantised
    floats = {found.name: found for found in _shifted(unpack(content))}
    for found in unfit:
        if found.name not in floats:
            raise InputError(
                f"the shifts of {found.name} do not fit 32 bits; export with a float scheme"
            )
        wanted = floats[found.name]
        # Of the float file's values: the codes of what was clipped say nothing.
        codes = np.abs(wanted.values(wanted.shift) / found.scale(found.shift))
        coarser = np.maximum(1, codes / LARGEST)
        if found.scale(_FILTER).size == 1:  # one for all channels
            coarser = coarser.max(keepdims=True)
        for place in (_FILTER, found.shift):
            found.requantise(place, wanted.values(place), found.scale(place) * coarser)
    return pack(without_unread(model))


@dataclasses.dataclass(frozen=True)
class _Shifted:
    """An operator with a filter and a shift; `shift` is the latter's place among the inputs."""

    model: Any
    graph: Any
    operator: Any
    shift: int

    @property
    def name(self) -> str:
        return self.graph.tensors[self.operator.outputs[0]].name.decode()

    def tensor(self, place: int):
        return self.graph.tensors[self.operator.inputs[place]]

    def scale(self, place: int) -> np.ndarray:
        """float64, of each output channel or of all."""
        return np.asarray(self.tensor(place).quantization.scale, np.float64)

    def values(self, place: int) -> np.ndarray:
        """As the file has them, in the shape of the tensor."""
        tensor = self.tensor(place)
        data = np.asarray(self.model.buffers[tensor.buffer].data, np.uint8)
        return data.view(_dtypes()[tensor.type]).reshape(tensor.shape)

    def largest_code(self) -> float:
        """Of the shift; 0 where it is not in integers."""
        codes = self.values(self.shift)
        return 0.0 if codes.dtype.kind == "f" else float(np.abs(codes.astype(np.float64)).max())

    def requantise(self, place: int, values: np.ndarray, scale: np.ndarray) -> None:
        """Writes float values anew; another operator that reads the same constant keeps it."""
        old = self.tensor(place)
        sides = [1] * values.ndim
        if scale.size > 1:
            sides[old.quantization.quantizedDimension] = -1
        codes = np.round(values / scale.reshape(sides)).astype(self.values(place).dtype)
        buffer = add_buffer(self.model, codes)
        self.operator.inputs = np.array(self.operator.inputs)  # the file's is not to be written
        self.operator.inputs[place] = add_like(self.graph, old, old.name, old.shape, buffer)
        self.tensor(place).quantization.scale = scale.astype(np.float32)


def _shifted(model) -> Iterator[_Shifted]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    weighted = {getattr(BuiltinOperator, kind) for kind in WEIGHTED}
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = builtin_of(model, operator)
            # Of a transposed convolution the result's shape comes first.
            shift = 3 if kind == BuiltinOperator.TRANSPOSE_CONV else 2
            if kind not in weighted or len(operator.inputs) <= shift or operator.inputs[shift] < 0:
                continue
            found = _Shifted(model, graph, operator, shift)
            if model.buffers[found.tensor(shift).buffer].data is not None:
                yield found


def _dtypes() -> dict[int, type]:
    from ai_edge_litert.schema_py_generated import TensorType

    return {
        TensorType.FLOAT32: np.float32,
        TensorType.FLOAT16: np.float16,
        TensorType.INT8: np.int8,
        TensorType.INT32: np.int32,
        TensorType.INT64: np.int64,
    }
