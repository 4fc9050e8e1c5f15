"""Biases of quantised convolutions that do not fit their codes, made to fit.

A bias' codes have the scale of the input times that of the channel's filter. A channel with a small
filter and an ordinary bias, as a small gamma leaves it, asks for more codes than 32 bits have; the
library clips it, and the channel loses most of its value. Beside such a bias the filter says next to
nothing and can do with a coarser scale: one at which the bias fits.

Needs an integer model and the float one that it was made of. Changes the codes of the filter and the
bias of such channels; promises all others.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from cen_keras.errors import InputError

from ..graph import WEIGHTED
from ..model import add_buffer, add_like, kind_of

LARGEST_CODE = 2**29
"""A quarter of what 32 bits hold: tighter ranges double codes at most, and the kernels add the sum of
products to a bias, which has the rest."""
_FILTER = 1


def fit_biases(model, floats) -> None:
    """Gives channels whose biases' codes are above `LARGEST_CODE` a coarser scale.

    Args:
        model: a `ModelT`, all or some of it in integers.
        floats: the float `ModelT` of the same graph.

    Raises:
        InputError: a bias does not fit, and the float model has no operator of that name.
    """
    unfit = [found for found in biased(model) if found.largest_code() > LARGEST_CODE]
    if not unfit:
        return
    known = {found.name: found for found in biased(floats)}
    for found in unfit:
        if found.name not in known:
            raise InputError(
                f"the bias of {found.name} does not fit 32 bits; export with a float scheme"
            )
        wanted = known[found.name]
        # Of the float file's values: the codes of what was clipped say nothing.
        codes = np.abs(wanted.values(wanted.bias) / found.scale(found.bias))
        coarser = np.maximum(1, codes / LARGEST_CODE)
        if found.scale(_FILTER).size == 1:  # one for all channels
            coarser = coarser.max(keepdims=True)
        for place in (_FILTER, found.bias):
            found.requantise(place, wanted.values(place), found.scale(place) * coarser)


@dataclasses.dataclass(frozen=True)
class Biased:
    """An operator with a filter and a bias; `bias` is the latter's place among the inputs."""

    model: Any
    graph: Any
    operator: Any
    bias: int

    @property
    def name(self) -> str:
        """Of its result."""
        return self.graph.tensors[self.operator.outputs[0]].name.decode()

    def tensor(self, place: int):
        """One of its inputs."""
        return self.graph.tensors[self.operator.inputs[place]]

    def scale(self, place: int) -> np.ndarray:
        """float64, of each output channel or of all."""
        return np.asarray(self.tensor(place).quantization.scale, np.float64)

    def values(self, place: int) -> np.ndarray:
        """As the file has them, in the shape of the tensor."""
        tensor = self.tensor(place)
        data = np.asarray(self.model.buffers[tensor.buffer].data, np.uint8)
        return data.view(_dtypes()[tensor.type]).reshape(tensor.shape)

    @property
    def in_codes(self) -> bool:
        """Whether the bias is in integers."""
        return self.values(self.bias).dtype.kind == "i"

    def largest_code(self) -> float:
        """Of the bias; 0 where it is not in integers."""
        return float(np.abs(self.values(self.bias).astype(np.float64)).max()) * self.in_codes

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


def biased(model) -> Iterator[Biased]:
    """All operators of a `ModelT` with a filter and a constant bias."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = kind_of(model, operator)
            # Of a transposed convolution the result's shape comes first.
            bias = 3 if kind == "TRANSPOSE_CONV" else 2
            if kind not in WEIGHTED or len(operator.inputs) <= bias or operator.inputs[bias] < 0:
                continue
            found = Biased(model, graph, operator, bias)
            if model.buffers[found.tensor(found.bias).buffer].data is not None:
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
