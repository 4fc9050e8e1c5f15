"""Ranges of activations narrower than what was seen, where that is nearer to the float model.

A range from the smallest to the largest value seen spends its 255 steps on whatever is largest. Where
that is a rare outlier, clipping it costs less than steps as coarse as it wants for all others: a
network of inverted residuals without a cap on its ReLUs loses points of mIoU to such steps. So all
ranges are scaled by each of a few factors, and the one counts whose model gives outputs most like
those of the float one. Inputs and outputs keep their ranges.

A range that is scaled at both ends keeps its zero point, so nothing needs to be quantised again: the
scales of maps change, and with them the biases' codes.

Needs an int8 model whose biases fit with room for the smallest factor, and the float one that it was
made of. Changes the scales of maps between inputs and outputs, and the codes of biases.
"""

import copy
from collections.abc import Mapping

import numpy as np

from ..graph import FIXED_SCALE, HANDING_ON
from ..model import kind_of, pack
from ..samples import outputs_of
from .fitting_biases import biased

FACTORS = (1.0, 0.7, 0.5)
_SAMPLES = 8
"""Enough to tell the factors apart; every one of them runs each sample."""


def tighten(model, floats, samples: Mapping[str, np.ndarray]):
    """Scales the ranges of an int8 `ModelT` by the best of `FACTORS`.

    Args:
        model: see above; it stays as it is.
        floats: the float `ModelT`.
        samples: float32 (n, h, w, c) by input name.

    Returns:
        The best model, and its factor.
    """
    few = {name: array[:_SAMPLES] for name, array in samples.items()}
    wanted = outputs_of(pack(floats), few)
    candidates = [rescaled(model, floats, factor) for factor in FACTORS]
    best = int(np.argmin([_distance(wanted, pack(found), few) for found in candidates]))
    return candidates[best], FACTORS[best]


def rescaled(model, floats, factor: float):
    """A `ModelT` with all free scales of maps times a factor; arguments as for `tighten`."""
    if factor == 1:
        return model
    scaled = copy.copy(model)
    # The constants' values are shared.
    scaled.buffers, scaled.subgraphs = list(model.buffers), copy.deepcopy(model.subgraphs)
    free = set()
    for graph in scaled.subgraphs:
        for index in _free(scaled, graph):
            quantization = graph.tensors[index].quantization
            quantization.scale = np.asarray(quantization.scale, np.float32) * np.float32(factor)
            free.add(id(graph.tensors[index]))
    known = {found.name: found for found in biased(floats)}
    for found in list(biased(scaled)):
        # Of a transposed convolution the map comes behind the filter.
        source = found.tensor(2 if found.bias == 3 else 0)
        if id(source) in free and found.in_codes:
            wanted = known[found.name]
            values, scale = wanted.values(wanted.bias), found.scale(found.bias)
            found.requantise(found.bias, values, scale * factor)
    return scaled


def _free(model, graph) -> list[int]:
    """The int8 maps whose scales are free: not those of inputs and outputs, nor those that a kernel
    has by itself, nor what these hand on unchanged.
    """
    constant = {i for i, t in enumerate(graph.tensors) if model.buffers[t.buffer].data is not None}
    maps = {i for i, t in enumerate(graph.tensors) if _int8(t) and i not in constant}
    together = {index: {index} for index in maps}
    held = {int(index) for index in (*graph.inputs, *graph.outputs)}
    for operator in graph.operators:  # of float inputs and outputs, their codes
        kind, (source, *_), (result, *_) = (
            kind_of(model, operator),
            operator.inputs,
            operator.outputs,
        )
        if kind == "QUANTIZE" and source in graph.inputs:
            held.add(int(result))
        if kind == "DEQUANTIZE" and result in graph.outputs:
            held.add(int(source))
    for operator in graph.operators:
        kind, result = kind_of(model, operator), int(operator.outputs[0])
        if kind in FIXED_SCALE:
            held.add(result)
        if kind not in (*HANDING_ON, "CONCATENATION"):
            continue
        for source in (int(i) for i in operator.inputs):
            if source in maps and result in maps and _same(graph, source, result):
                joined = together[source] | together[result]
                together.update(dict.fromkeys(joined, joined))
    return sorted(index for index in maps if not together[index] & held)


def _int8(tensor) -> bool:
    from ai_edge_litert.schema_py_generated import TensorType

    quantization = tensor.quantization
    return (
        tensor.type == TensorType.INT8
        and quantization is not None
        and quantization.scale is not None
        and len(quantization.scale) == 1
    )


def _same(graph, one: int, other: int) -> bool:
    scales = (graph.tensors[i].quantization.scale[0] for i in (one, other))
    return next(scales) == next(scales)


def _distance(wanted: dict[str, np.ndarray], content: bytes, samples) -> float:
    """How far a file's outputs are from those wanted, a mean over its outputs.

    Of numbers it is their mean absolute difference, of classes the share of others; infinite where
    the engine does not take the file.
    """
    try:
        found = outputs_of(content, samples)
    except RuntimeError:
        return float("inf")
    return float(np.mean([_difference(values, found[name]) for name, values in wanted.items()]))


def _difference(wanted: np.ndarray, found: np.ndarray) -> float:
    if wanted.dtype.kind in "iu":
        return float(np.mean(wanted != found))
    return float(np.abs(wanted - found).mean())
