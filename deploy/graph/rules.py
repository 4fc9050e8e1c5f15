"""What each kind of Keras layer is in the channel graph: one rule for each.

A rule gets the layer's arguments as views, or as dicts modality -> view, and returns the same.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cen_keras import layers as cen
from cen_keras.errors import InputError
from cen_keras.layers.exchange import kept_channels

from .builder import out_size
from .ir import Conv, Operation, View

Rule = Callable[[Any, keras.layers.Layer, tuple, dict], object]
RULES: dict[str, Rule] = {}
"""Class of a layer -> function of (the `Lowering`, layer, positional, keyword arguments)."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers how the layers of these class names are lowered."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def _array(weight, dtype=None) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(weight), dtype)


@rule("InputLayer")
def _input(low, layer, args, kwargs):
    channels = layer.batch_shape[-1]
    return low.graph.input(layer.name, low.modalities.index(layer.name), channels, low.image_shape)


@rule("Concatenate")
def _concatenate(low, layer, args, kwargs):
    return View.concat(args[0])


@rule("Dropout", "SpatialDropout2D", "Identity")
def _identity(low, layer, args, kwargs):
    return args[0]


def _geometry(layer) -> dict:
    return {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "dilation": tuple(layer.dilation_rate),
        "margin": getattr(layer, "margin", (0, 0)),
    }


@rule("SharedConv2D", "Conv2D")
def _conv(low, layer, args, kwargs):
    kernel = _array(layer.kernel)
    bias = _array(layer.bias) if layer.use_bias else np.zeros(kernel.shape[3])

    def convolve(view, stream):
        return low.graph.conv(view, kernel, bias, layer.name, stream, **_geometry(layer))

    return low.each(args[0], convolve)


@rule("SharedConv2DTranspose", "Conv2DTranspose")
def _conv_transpose(low, layer, args, kwargs):
    if layer.output_padding is not None or tuple(layer.dilation_rate) != (1, 1):
        raise InputError(
            f"freeze takes transposed convolutions without output_padding or dilation; "
            f"{layer.name!r} has one."
        )
    # Keras holds (kh, kw, C_out, C_in).
    kernel = np.swapaxes(_array(layer.kernel), 2, 3)
    bias = _array(layer.bias) if layer.use_bias else np.zeros(kernel.shape[3])
    geometry = {"strides": tuple(layer.strides), "padding": layer.padding, "transposed": True}

    def convolve(view, stream):
        return low.graph.conv(view, kernel, bias, layer.name, stream, **geometry)

    return low.each(args[0], convolve)


@rule("SharedDepthwiseConv2D", "DepthwiseConv2D")
def _depthwise(low, layer, args, kwargs):
    if layer.depth_multiplier != 1:
        raise InputError(
            f"freeze takes depth_multiplier 1; {layer.name!r} has {layer.depth_multiplier}."
        )
    kernel = _array(layer.kernel)[..., 0]
    bias = _array(layer.bias) if layer.use_bias else np.zeros(kernel.shape[2])

    def convolve(view, stream):
        return low.graph.depthwise(view, kernel, bias, layer.name, stream, **_geometry(layer))

    return low.each(args[0], convolve)


def _inference_affine(norm) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of a BatchNorm with its moving statistics, in float64."""
    variance = _array(norm.moving_variance, np.float64)
    scale = _array(norm.gamma, np.float64) / np.sqrt(variance + norm.epsilon)
    return scale, _array(norm.beta, np.float64) - _array(norm.moving_mean, np.float64) * scale


@rule("BatchNormalization")
def _batch_norm(low, layer, args, kwargs):
    return low.graph.affine(args[0], *_inference_affine(layer), layer.name, low.stream_of(args[0]))


@rule("ModalityNorm")
def _modality_norm(low, layer: cen.ModalityNorm, args, kwargs):
    views = []
    for stream, name in enumerate(layer.modalities):
        view, norm = args[0][name], layer.norm(name)
        if layer.kind == "instance":
            scales = _array(norm.gamma), _array(norm.beta)
            views.append(low.graph.instance_norm(view, *scales, norm.epsilon, layer.name, stream))
        else:
            views.append(low.graph.affine(view, *_inference_affine(norm), layer.name, stream))
    if layer.exchange_threshold is not None:
        views = _exchange(low, layer, views)
    return dict(zip(layer.modalities, views, strict=True))


def _exchange(low, layer: cen.ModalityNorm, views: list[View]) -> list[View]:
    """Eq. 6 as a choice of channels; only a mean over several donors computes anything."""
    count = len(views)
    exchanged = []
    for stream, own in enumerate(views):
        scores = layer.exchange_scores()[stream]
        keep = _array(
            kept_channels(scores, layer.exchange_threshold, stream, count, layer.exchange_scope)
        )
        others = [view for index, view in enumerate(views) if index != stream]
        if count > 2 and not keep.all():
            name = f"{layer.name}_donors"
            donors = View.of(low.graph.sum(others, name, stream)).scaled(1 / (count - 1))
        else:
            donors = others[0]
        exchanged.append(View.select(keep, own, donors))
    return exchanged


@rule("ReLU")
def _relu(low, layer, args, kwargs):
    if layer.max_value is None and not layer.negative_slope and not layer.threshold:
        return low.graph.map(args[0], Operation("ReLU"))
    options = {
        "max_value": layer.max_value,
        "negative_slope": float(layer.negative_slope),
        "threshold": float(layer.threshold),
    }
    return low.graph.map(
        args[0], Operation("ReLU", tuple(sorted(options.items())), homogeneous=False)
    )


@rule("LeakyReLU")
def _leaky_relu(low, layer, args, kwargs):
    options = (("negative_slope", float(layer.negative_slope)),)
    return low.graph.map(args[0], Operation("LeakyReLU", options))


@rule("Activation")
def _activation(low, layer, args, kwargs):
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return args[0]
    if name == "relu":
        return low.graph.map(args[0], Operation("ReLU"))
    return low.graph.map(
        args[0], Operation("Activation", (("activation", name),), homogeneous=False)
    )


@rule("MaxPooling2D", "AveragePooling2D")
def _pool(low, layer, args, kwargs):
    pool, strides = tuple(layer.pool_size), tuple(layer.strides)
    size = tuple(
        out_size(low_size, pool[axis], strides[axis], layer.padding, 0, 1)
        for axis, low_size in enumerate(args[0].size)
    )
    options = (("padding", layer.padding), ("pool_size", pool), ("strides", strides))
    return low.graph.map(args[0], Operation(type(layer).__name__, options), size)


@rule("PyramidPool")
def _pyramid_pool(low, layer, args, kwargs):
    def pool(view, stream):
        if any(length % layer.bins for length in view.size):
            wanted = tuple(-(-length // layer.bins) * layer.bins for length in view.size)
            raise InputError(
                f"{layer.name!r} averages {layer.bins}x{layer.bins} bins over a map of {view.size}; frozen, the bins "
                f"must be equal. Choose an image size that makes the map {wanted}."
            )
        window = tuple(length // layer.bins for length in view.size)
        options = (("pool_size", window), ("strides", window))
        return low.graph.map(view, Operation("AveragePooling2D", options), (layer.bins,) * 2)

    return low.each(args[0], pool)


@rule("ZeroPadding2D")
def _zero_padding(low, layer, args, kwargs):
    (top, bottom), (left, right) = layer.padding
    height, width = args[0].size
    options = (("padding", ((top, bottom), (left, right))),)
    return low.graph.map(
        args[0], Operation("ZeroPadding2D", options), (height + top + bottom, width + left + right)
    )


@rule("BilinearResize")
def _resize(low, layer, args, kwargs):
    size = layer.size
    if size is None:
        like = kwargs.get("like") or args[1]
        size = (like if isinstance(like, View) else like[min(like)]).size
    if layer.mode == "half_pixel":
        operation = Operation(
            "Resizing", (("height", size[0]), ("interpolation", "bilinear"), ("width", size[1]))
        )
    else:
        operation = Operation("BilinearResize", (("mode", layer.mode), ("size", tuple(size))))
    return low.each(
        args[0],
        lambda view, stream: (
            view if view.size == tuple(size) else low.graph.map(view, operation, tuple(size))
        ),
    )


@rule("Add")
def _add(low, layer, args, kwargs):
    stream = low.stream_of(args[0][0])
    return View.of(low.graph.sum(list(args[0]), _base_name(low, layer.name, stream), stream))


def _base_name(low, name: str, stream: int | None) -> str:
    """A layer's name without its modality, so that the streams' nodes sort alike."""
    return name if stream is None else name.removesuffix(f"_{low.modalities[stream]}")


@rule("ModalityEnsemble")
def _ensemble(low, layer, args, kwargs):
    weights = _array(layer.weights_of_streams(), np.float64)
    streams = [args[0][name] for name in layer.modalities]
    if len(streams) == 1:
        return streams[0]
    heads = [view.whole_node() for view in streams]
    if low.join_ensemble and all(isinstance(head, Conv) for head in heads):
        # sum_m a_m (W x_m + b) is one convolution of all x_m.
        return low.graph.conv(
            View.concat([head.view for head in heads]),
            np.concatenate(
                [w * head.kernel for w, head in zip(weights, heads, strict=True)], axis=2
            ),
            sum(w * head.bias for w, head in zip(weights, heads, strict=True)),
            layer.name,
            None,
            strides=heads[0].strides,
            padding=heads[0].padding,
            margin=heads[0].margin,
            dilation=heads[0].dilation,
        )
    views = [view.scaled(w) for view, w in zip(streams, weights, strict=True)]
    return View.of(low.graph.sum(views, layer.name, None))
