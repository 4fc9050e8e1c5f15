"""Ranges of activations narrower than what was seen, where that is nearer to the float model.

A range from the smallest to the largest value seen spends its 255 steps on whatever is largest. Where
that is a rare outlier, clipping it costs less than steps as coarse as it wants for all others: a
network of inverted residuals without a cap on its ReLUs loses points of mIoU to such steps. So all
ranges are scaled by each of a few factors, and the one counts whose 8-bit file answers the
calibration samples most like the float one. Inputs and outputs keep their ranges.
"""

from collections.abc import Callable

import numpy as np

from ..export.tflite_graph import Tensor, read_tensors
from ..runtime.litert_runner import SIGNATURE
from ..runtime.postprocess import real_values
from ..runtime.preprocess import quantize
from .samples import Samples, feeds_of
from .silent_ranges import Ranges
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
        ranges: "min" and "max" of its activations, by the names of their tensors.
        samples: float32 (n, h, w, c) by input name.
        quantise: makes the 8-bit file of some ranges.

    Returns:
        The scaled ranges.
    """
    feeds = feeds_of({name: array[:_SAMPLES] for name, array in samples.items()})
    wanted = _answers(content, feeds)
    candidates = [scaled(content, ranges, factor) for factor in FACTORS]
    distances = [_distance(wanted, _answers(quantise(found), feeds)) for found in candidates]
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


def _answers(content: bytes, feeds: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """What a file answers, as float32; integer inputs and outputs are converted here."""
    from ai_edge_litert.interpreter import Interpreter

    tensors = read_tensors(content)
    runner = Interpreter(model_content=content).get_signature_runner(SIGNATURE)
    answers = []
    for feed in feeds:
        found = runner(**{n: _written(v, tensors.inputs[n]) for n, v in feed.items()}).items()
        answers.append({n: real_values(a, tensors.outputs[n].quantization) for n, a in found})
    return answers


def _written(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    if tensor.quantization is None:
        return values
    return quantize(values, tensor.quantization, tensor.dtype)


def _distance(wanted: list[dict[str, np.ndarray]], found: list[dict[str, np.ndarray]]) -> float:
    """Mean absolute difference; each output's values are of one kind, so that they are comparable."""
    pairs = [(w[name], f[name]) for w, f in zip(wanted, found, strict=True) for name in w]
    return float(np.mean([np.abs(first - second).mean() for first, second in pairs]))
