"""Ranges of activations that calibration found next to nothing, widened to what 8-bit kernels take.

A part of a network may be silent over the samples: ReLUs that none of them opens, a modality that
shows one value. Its range is then thousands of times narrower than those it meets, or empty, and
XNNPACK does not take the operators around it, or fails on them: it requantises by no less than 2^-8
into a concatenation, by 2^-10 to 2^8 between a sum and what is added, and by less than 2^8 out of a
convolution's sums. Widened ranges keep clear of these limits, and their steps are still a 128th of
those that they meet. Ordinary ranges stay as they were.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .graph import HANDING_ON, WEIGHTED
from .model import kind_of, unpack

Ranges = dict[str, dict[str, np.ndarray]]

MET = 2.0**-7
"""Of the range of a sum or concatenation, what each of its inputs has at least; and of the widest
that is added, what the sum has at least."""
_WEIGHED = 2.0**-13
"""Of the range of a convolution's input times its largest weight, what its result has at least. With
127 codes for a weight, sums are then requantised by 2^13 / 127 at most, and by twice that where
ranges are tightened."""
_BIASED = 2.0**-28
"""Of a convolution's largest bias, what its result has at least. A bias has at most 2^29 codes (see
`fitting_biases`), so its sums are then requantised by 255 / 2 at most, and by twice that likewise."""
_ROUNDING = 1e-6


def widen(content: bytes, ranges: Mapping[str, Mapping[str, Any]]) -> Ranges:
    """Widens the ranges that are too narrow beside those they meet.

    Args:
        content: a float .tflite file.
        ranges: "min" and "max" of activations, arrays of one value, by the names of their tensors.

    Returns:
        The same, with larger maxima where needed.
    """
    spans = {name: _span(values) for name, values in ranges.items()}
    needs = list(_needs(unpack(content), spans))
    widened: set[str] = set()
    settled = False
    # No circle of needs multiplies to more than 1 while weights are below 2^13, so this ends.
    while not settled:
        settled = True
        for name, other, share in needs:
            least = share * (1.0 if other is None else spans[other])
            if spans[name] < least * (1 - _ROUNDING):
                spans[name], settled = least, False
                widened.add(name)
    result = {name: dict(values) for name, values in ranges.items()}
    for name in widened:
        low = np.minimum(ranges[name]["min"], 0)
        result[name]["max"] = low + np.asarray(spans[name], low.dtype)
    return result


def _needs(model, known: Mapping[str, float]) -> Iterator[tuple[str, str | None, float]]:
    """Yields (tensor, other tensor, share): the one's range is at least this share of the other's, or of 1."""
    for graph in model.subgraphs:
        names = [tensor.name.decode() for tensor in graph.tensors]
        for operator in graph.operators:
            kind, result = kind_of(model, operator), names[operator.outputs[0]]
            inputs = [names[i] for i in operator.inputs if i >= 0 and names[i] in known]
            if result not in known:
                continue
            for name in inputs:
                if kind in ("ADD", "SUB"):
                    yield result, name, MET
                    yield name, result, MET
                elif kind == "CONCATENATION":
                    yield result, name, 1.0
                    yield name, result, MET
                elif kind in HANDING_ON:
                    yield result, name, MET
                    yield name, result, 1.0
                elif kind in (*WEIGHTED, "MUL") and len(inputs) == 1:
                    yield result, name, _WEIGHED * _largest(model, graph, operator.inputs[1])
            if kind in WEIGHTED and operator.inputs[-1] >= 0:
                yield result, None, _BIASED * _largest(model, graph, operator.inputs[-1])


def _span(values: Mapping[str, Any]) -> float:
    """Width of a range with zero in it, as codes have to have it."""
    return float(np.maximum(values["max"], 0).max() - np.minimum(values["min"], 0).min())


def _largest(model, graph, tensor: int) -> float:
    """The largest absolute number of a constant; 0 of what is none."""
    data = model.buffers[graph.tensors[tensor].buffer].data
    if data is None:
        return 0.0
    return float(np.abs(np.asarray(data, np.uint8).view(np.float32)).max(initial=0))
