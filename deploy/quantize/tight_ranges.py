"""Ranges of activations narrower than what was seen, where that is nearer to the float model.

A range from the smallest to the largest value seen spends its 255 steps on whatever is largest. Where
that is a rare outlier, clipping it costs less than steps as coarse as it wants for all others: a
network of inverted residuals without a cap on its ReLUs loses points of mIoU to such steps. So all
ranges are scaled by each of a few factors, and the one counts whose file, all of it in 8 bits,
answers the calibration samples most like the float one. Inputs and outputs keep their ranges.
"""

from collections.abc import Callable

import numpy as np

from .answers import answers
from .samples import Samples, feeds_of
from .silent_ranges import Ranges, widen
from .tflite_file import unpack

FACTORS = (1.0, 0.7, 0.5)
_SAMPLES = 8
"""Enough to tell the factors apart; every one of them runs each sample."""


def tighten(
    content: bytes, ranges: Ranges, samples: Samples, quantise: Callable[[Ranges], bytes]
) -> Ranges:
    """Scales the ranges by the best of `FACTORS`.

    Args:
        content: a float .tflite file.
        ranges: "min" and "max" of its activations, by the names of their tensors, widened.
        samples: float32 (n, h, w, c) by input name.
        quantise: makes the 8-bit file of some ranges; its inputs and outputs are the float file's.

    Returns:
        The scaled ranges, and widened again.
    """
    feeds = feeds_of({name: array[:_SAMPLES] for name, array in samples.items()})
    wanted = answers(content, feeds)
    # Scaled ranges may be too narrow beside those of the inputs, which are not.
    candidates = [widen(content, scaled(content, ranges, factor)) for factor in FACTORS]
    distances = [_distance(wanted, quantise(found), feeds) for found in candidates]
    return candidates[int(np.argmin(distances))]


def scaled(content: bytes, ranges: Ranges, factor: float) -> Ranges:
    """The ranges of all activations between inputs and outputs, times a factor."""
    model = unpack(content)
    ends = {
        graph.tensors[index].name.decode()
        for graph in model.subgraphs
        for index in (*graph.inputs, *graph.outputs)
    }
    result = {name: dict(values) for name, values in ranges.items()}
    for name in result.keys() - ends:
        for end in ("min", "max"):
            result[name][end] = ranges[name][end] * np.float32(factor)
    return result


def _distance(wanted: dict[str, np.ndarray], content: bytes, feeds: list) -> float:
    """How far a file's answers are from those wanted, a mean over its outputs.

    Of numbers it is their mean absolute difference, of classes the share of others; infinite where
    the engine does not take the file.
    """
    try:
        found = answers(content, feeds)
    except RuntimeError:
        return float("inf")
    return float(np.mean([_difference(values, found[name]) for name, values in wanted.items()]))


def _difference(wanted: np.ndarray, found: np.ndarray) -> float:
    if wanted.dtype.kind in "iu":
        return float(np.mean(wanted != found))
    return float(np.abs(wanted - found).mean())
