"""Scales that can travel: a trained network's exchanging norms start near the threshold, and compute what they did.

ImageNet's scales lie between 0.3 and 2, and an optimiser that moves them by its rate a step does not bring them below a
threshold of 0.02 in a short training. But a scale may be chosen: a ReLU passes factors above 0 on, so

    gamma, beta <- f * gamma, f * beta        kernel of the convolution behind <- kernel / f

leaves the network's function as it is, channel by channel. f is chosen so that a scale is as large as its channel
counts for the convolution behind, |gamma| times the length of the kernel's rows, relative to the norm's other channels:
those that matter least have the shortest way to zero.
"""

import keras
import numpy as np

from cen_keras.baselines.criteria import CriterionNorm
from cen_keras.errors import InputError
from cen_keras.graph import Call, Graph, Tensor
from cen_keras.layers.exchange import kept_channels
from cen_keras.layers.kinds import CONSUMERS
from cen_keras.layers.modality_norm import ModalityNorm

LIMITS = (0.3, 3.0)
"""Least and largest scale of a norm, as shares of the median."""


def start_small(model: keras.Model, median: float = 0.1) -> tuple[str, ...]:
    """Makes the scales of norms that exchange or are penalised small, without changing a model's outputs.

    Args:
        model: a functional model over streams, for instance a `Segmenter` with pretrained weights.
        median: of the scales of each norm; others lie within `LIMITS` of it. A channel that is
            exchanged already keeps its scale.

    Returns:
        the names of the norms.

    Raises:
        InputError: between a norm and the convolution behind it is something that does not pass
            factors on, such as ReLU6; a scale would fall below the exchange threshold; or the model
            has no such norm. Nothing is changed then.
    """
    pairs = []
    for call in Graph(model).calls:
        if call.is_a(ModalityNorm) and call.operation.uses_scales:
            behind = {id(r.operation): r.operation for r in map(_reader, call.outputs)}
            if len(behind) != 1:
                raise InputError(
                    f"{call.name!r} does not lead to one set of filters, so its scales cannot be passed on."
                )
            pairs.append((call.operation, *behind.values()))
    if not pairs:
        raise InputError(
            f"{model.name!r} has no norm that exchanges or is penalised; there are no scales to shrink."
        )
    factors = [_factor(norm, filters, median) for norm, filters in pairs]
    for (norm, _), factor in zip(pairs, factors, strict=True):
        _check_threshold(norm, factor, median)
    for (norm, filters), factor in zip(pairs, factors, strict=True):
        _shrink(norm, filters, factor)
    return tuple(norm.name for norm, _ in pairs)


def _reader(tensor: Tensor) -> Call:
    """Follows a norm's output to the layer with filters that reads it."""
    while len(tensor.readers) == 1:
        (reader,) = tensor.readers
        if reader.is_a(*CONSUMERS) and getattr(reader.operation, "groups", 1) == 1:
            return reader
        if not _passes_factors(reader.operation):
            raise InputError(
                f"{reader.name!r} ({type(reader.operation).__name__}) does not pass a channel's factor on as ReLU "
                "does; build the network with ReLU, or leave its scales."
            )
        tensor = reader.outputs[0]
    raise InputError(
        f"the output of {tensor.producer.name!r} has {len(tensor.readers)} readers, wanted one with filters."
    )


def _passes_factors(operation) -> bool:
    if isinstance(operation, keras.layers.ReLU):
        return operation.max_value is None and not operation.threshold
    if isinstance(operation, keras.layers.Activation):
        return operation.activation in (keras.activations.relu, keras.activations.linear)
    return isinstance(
        operation,
        (
            keras.layers.LeakyReLU,
            keras.layers.MaxPooling2D,
            keras.layers.AveragePooling2D,
            keras.layers.ZeroPadding2D,
            keras.layers.Dropout,
        ),
    )


def _factor(norm: ModalityNorm, filters: keras.layers.Layer, median: float) -> np.ndarray:
    """Returns (C,) float32: what a norm's scales are multiplied by."""
    scales = np.stack([np.abs(keras.ops.convert_to_numpy(gamma)) for gamma in norm.scales()])
    kernel = keras.ops.convert_to_numpy(filters.kernel)
    # The input's channels are the last axis but one of every kernel.
    rows = np.moveaxis(kernel, -2, 0).reshape(kernel.shape[-2], -1)
    mean = scales.mean(axis=0)
    counts = mean * np.linalg.norm(rows, axis=1)
    wanted = median * np.clip(counts / max(np.median(counts), 1e-12), *LIMITS)
    free = (mean > 0) & _kept(norm, np.ones_like(mean)).all(axis=0)
    return np.where(free, wanted / np.maximum(mean, 1e-12), 1.0).astype("float32")


def _kept(norm: ModalityNorm, factor: np.ndarray) -> np.ndarray:
    """Returns bool (M, C): which channels of each stream are not exchanged at scales times a factor."""
    theta, scales = norm.exchange_threshold, norm.scales()
    # Another criterion does not read the scales.
    if theta is None or isinstance(norm, CriterionNorm):
        return np.ones((len(scales), len(factor)), bool)
    count, scope = len(norm.modalities), norm.exchange_scope
    kept = (kept_channels(g * factor, theta, i, count, scope) for i, g in enumerate(scales))
    return np.stack([keras.ops.convert_to_numpy(k) for k in kept])


def _check_threshold(norm: ModalityNorm, factor: np.ndarray, median: float) -> None:
    """Refuses factors with which more channels would be exchanged than without."""
    fallen = np.argwhere(_kept(norm, np.ones_like(factor)) & ~_kept(norm, factor))
    if len(fallen):
        stream, channel = fallen[0]
        before = abs(float(keras.ops.convert_to_numpy(norm.scales()[stream])[channel]))
        raise InputError(
            f"{norm.name!r}: with the median {median:g} the scale {before:.3g} of "
            f"{norm.modalities[stream]} would be {before * factor[channel]:.3g}, below the exchange "
            f"threshold {norm.exchange_threshold:g}, which would change the outputs; take a larger "
            "median, or leave the scales (small_scales=null)."
        )


def _shrink(norm: ModalityNorm, filters: keras.layers.Layer, factor: np.ndarray) -> None:
    for private in norm.norms:
        private.gamma.assign(private.gamma * factor)
        if getattr(private, "beta", None) is not None:
            private.beta.assign(private.beta * factor)
    filters.kernel.assign(keras.ops.convert_to_numpy(filters.kernel) / factor[:, None])
