"""What each kind of Keras layer is among channels: one rule for each class.

A rule gets the lowering, the layer and the call's arguments as views (a layer over streams: dicts modality -> view),
and returns the same, or None where the layer has an attribute that the rule does not handle. A layer without a rule
is emitted as it was, on whole streams: less is saved, nothing changes.

    @register_rule(MyScale)
    def _scale(low, layer, args, kwargs):
        return low.graph.affine(args[0], layer.scale.numpy(), np.zeros(len(args[0])), layer.name)
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cen_keras import layers as cen
from cen_keras.layers.kinds import affine_of

from .builder import out_size
from .ir import Map, Operation, View

Rule = Callable[[Any, Any, tuple, dict], object]
RULES: dict[type, Rule] = {}
"""Class of a layer or operation -> its rule. Subclasses have none of their parents'."""


def register_rule(*classes: type) -> Callable[[Rule], Rule]:
    """Registers how calls of these classes are frozen, for instance of a layer of one's own.

    Args:
        *classes: of layers or operations.

    Returns:
        A decorator of a function (lowering, layer, args, kwargs) -> view, or None to leave the layer as it is.
        `lowering.graph` has what makes views: conv, depthwise, affine, map, merge.
    """

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(classes, function))
        return function

    return register


ELEMENTWISE = (
    "relu", "relu6", "sigmoid", "tanh", "silu", "swish", "gelu", "elu", "selu", "softplus", "softsign",
    "hard_sigmoid", "hard_silu", "hard_swish", "leaky_relu", "exponential", "mish",
)  # fmt: skip
"""Names of activations that work on each value by itself; softmax does not."""


def array_of(weight, dtype=None) -> np.ndarray:
    """Returns a weight or tensor as a numpy array."""
    return np.asarray(keras.ops.convert_to_numpy(weight), dtype)


def _is_map(view: View) -> bool:
    """Whether a view is of (b, h, w, c)."""
    return len(view.size) == 2


def _activated(low, view: View, activation) -> View | None:
    """Returns a view behind an activation function; None for one over several channels."""
    name = keras.activations.serialize(activation)
    if name == "linear":
        return view
    if name not in ELEMENTWISE:
        return None
    if name == "relu":
        return low.graph.map(view, Operation("ReLU"))
    return low.graph.map(view, Operation("Activation", (("activation", name),), homogeneous=False))


@register_rule(keras.layers.Concatenate)
def _concatenate(low, layer, args, kwargs):
    views = args[0]
    last = layer.axis in (-1, len(views[0].size) + 1)
    return View.concat(views) if last else None


@register_rule(
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
    keras.layers.Identity,
)
def _identity(low, layer, args, kwargs):
    return args[0]


@register_rule(keras.layers.Rescaling, keras.layers.Normalization)
def _preprocessing(low, layer, args, kwargs):
    view = args[0]
    factor, offset = affine_of(layer)
    fits = {factor.size, offset.size} <= {1, len(view)}
    if not _is_map(view) or not fits:
        return None
    whole = np.ones(len(view))
    return low.graph.affine(view, factor * whole, offset * whole, low.name)


def _geometry(layer) -> dict:
    return {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "dilation": tuple(layer.dilation_rate),
    }


def _is_plain(layer, view: View) -> bool:
    """Whether a convolution is one that nodes hold."""
    return (
        _is_map(view)
        and layer.data_format == "channels_last"
        and layer.padding in ("same", "valid")
        and (max(layer.dilation_rate) == 1 or max(layer.strides) == 1)
    )


def _padded(view: View, geometry: dict) -> tuple[View, dict]:
    """Takes zeros that a layer of its own has put around the map into the convolution."""
    if geometry["padding"] != "valid" or not all(isinstance(node, Map) for node in view.nodes):
        return view, geometry
    operations = {node.operation for node in view.nodes}
    (operation,) = operations if len(operations) == 1 else (None,)
    if operation is None or operation.kind != "ZeroPadding2D":
        return view, geometry
    (top, bottom), (left, right) = dict(operation.options)["padding"]
    if (top, left) != (bottom, right):
        return view, geometry
    sources = np.empty(len(view), dtype=object)
    sources[:] = [node.source for node in view.nodes]
    inner = View(sources, view.channels, view.factors, view.stream)
    return inner, {**geometry, "padding": (top, left)}


def _bias(layer, channels: int) -> np.ndarray:
    return array_of(layer.bias) if layer.use_bias else np.zeros(channels)


@register_rule(keras.layers.Conv2D)
def _conv(low, layer, args, kwargs):
    if not _is_plain(layer, args[0]):
        return None
    depthwise = layer.groups == len(args[0]) == layer.filters > 1
    if depthwise and len(set(layer.strides)) > 1:
        return None  # TensorFlow runs a DepthwiseConv2D with equal strides only.
    view, geometry = _padded(args[0], _geometry(layer))
    kernel, count = array_of(layer.kernel), layer.groups
    bias = _bias(layer, kernel.shape[3])
    if depthwise:
        made = low.graph.depthwise(view, kernel[:, :, 0], bias, low.name, **geometry)
    else:
        # Every group is a convolution of its own part of the channels.
        parts = zip(
            np.split(np.arange(len(view)), count),
            np.split(np.arange(kernel.shape[3]), count),
            strict=True,
        )
        made = [
            low.graph.conv(
                view.pick(inputs), kernel[..., outputs], bias[outputs], low.name, **geometry
            )
            for inputs, outputs in parts
        ]
        made = made[0] if count == 1 else View.concat(made)
    return _activated(low, made, layer.activation)


@register_rule(keras.layers.Dense)
def _dense(low, layer, args, kwargs):
    if not _is_map(args[0]):
        return None
    kernel = array_of(layer.kernel)
    made = low.graph.conv(args[0], kernel[None, None], _bias(layer, kernel.shape[1]), low.name)
    return _activated(low, made, layer.activation)


@register_rule(keras.layers.Conv2DTranspose)
def _conv_transpose(low, layer, args, kwargs):
    if layer.output_padding is not None or max(layer.dilation_rate) > 1:
        return None
    if not _is_plain(layer, args[0]):
        return None
    # Keras holds (kh, kw, C_out, C_in).
    kernel = np.swapaxes(array_of(layer.kernel), 2, 3)
    geometry = {"strides": tuple(layer.strides), "padding": layer.padding, "transposed": True}
    made = low.graph.conv(args[0], kernel, _bias(layer, kernel.shape[3]), low.name, **geometry)
    return _activated(low, made, layer.activation)


@register_rule(keras.layers.DepthwiseConv2D)
def _depthwise(low, layer, args, kwargs):
    if layer.depth_multiplier != 1 or not _is_plain(layer, args[0]):
        return None
    view, geometry = _padded(args[0], _geometry(layer))
    kernel = array_of(layer.kernel)[..., 0]
    made = low.graph.depthwise(view, kernel, _bias(layer, kernel.shape[2]), low.name, **geometry)
    return _activated(low, made, layer.activation)


@register_rule(keras.layers.BatchNormalization)
def _batch_norm(low, norm, args, kwargs):
    view = args[0]
    if not _is_map(view) or norm.axis not in (-1, 3) or getattr(norm, "renorm", False):
        return None
    # With the moving statistics, in float64.
    channels = len(view)
    gamma = array_of(norm.gamma, np.float64) if norm.scale else np.ones(channels)
    beta = array_of(norm.beta, np.float64) if norm.center else np.zeros(channels)
    scale = gamma / np.sqrt(array_of(norm.moving_variance, np.float64) + norm.epsilon)
    bias = beta - array_of(norm.moving_mean, np.float64) * scale
    # Of a normal distribution one value in 740 is larger.
    largest = np.maximum(beta + 3 * np.abs(gamma), 0)
    return low.graph.affine(view, scale, bias, low.name, largest)


@register_rule(cen.InstanceNorm)
def _instance_norm(low, norm, args, kwargs):
    return low.graph.instance_norm(
        args[0], array_of(norm.gamma), array_of(norm.beta), norm.epsilon, low.name
    )


@register_rule(keras.layers.ReLU)
def _relu(low, layer, args, kwargs):
    options = {
        "max_value": layer.max_value,
        "negative_slope": float(layer.negative_slope),
        "threshold": float(layer.threshold),
    }
    if layer.max_value is None and not layer.negative_slope and not layer.threshold:
        return low.graph.map(args[0], Operation("ReLU"))
    operation = Operation("ReLU", tuple(sorted(options.items())), homogeneous=False)
    return low.graph.map(args[0], operation)


@register_rule(keras.layers.LeakyReLU)
def _leaky_relu(low, layer, args, kwargs):
    options = (("negative_slope", float(layer.negative_slope)),)
    return low.graph.map(args[0], Operation("LeakyReLU", options))


@register_rule(keras.layers.Activation)
def _activation(low, layer, args, kwargs):
    return _activated(low, args[0], layer.activation)


@register_rule(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
def _pool(low, layer, args, kwargs):
    if layer.data_format != "channels_last":
        return None
    pool, strides = tuple(layer.pool_size), tuple(layer.strides)
    size = tuple(
        out_size(length, pool[axis], strides[axis], layer.padding)
        for axis, length in enumerate(args[0].size)
    )
    options = (("padding", layer.padding), ("pool_size", pool), ("strides", strides))
    return low.graph.map(args[0], Operation(type(layer).__name__, options), size)


@register_rule(keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
def _global_pool(low, layer, args, kwargs):
    if layer.data_format != "channels_last":
        return None
    size = (1, 1) if layer.keepdims else ()
    operation = Operation(type(layer).__name__, (("keepdims", layer.keepdims),))
    return low.graph.map(args[0], operation, size)


@register_rule(cen.PyramidPool)
def _pyramid_pool(low, layer, args, kwargs):
    view = args[0]
    if any(length % layer.bins for length in view.size):
        return None  # Bins of different sizes are no window.
    window = tuple(length // layer.bins for length in view.size)
    options = (("pool_size", window), ("strides", window))
    return low.graph.map(view, Operation("AveragePooling2D", options), (layer.bins,) * 2)


@register_rule(keras.layers.ZeroPadding2D)
def _zero_padding(low, layer, args, kwargs):
    if layer.data_format != "channels_last":
        return None
    (top, bottom), (left, right) = layer.padding
    height, width = args[0].size
    options = (("padding", ((top, bottom), (left, right))),)
    return low.graph.map(
        args[0], Operation("ZeroPadding2D", options), (height + top + bottom, width + left + right)
    )


@register_rule(cen.BilinearResize)
def _resize(low, layer, args, kwargs):
    view, like = args[0], kwargs.get("like", args[1] if len(args) > 1 else None)
    size = tuple(layer.size or like.size)
    if view.size == size:
        return view
    if layer.mode == "half_pixel":
        options = (("height", size[0]), ("interpolation", "bilinear"), ("width", size[1]))
        return low.graph.map(view, Operation("Resizing", options), size)
    options = (("mode", layer.mode), ("size", size))
    return low.graph.map(view, Operation("BilinearResize", options), size)


def _merged(kind: str):
    def rule(low, operation, args, kwargs):
        views = args[0] if isinstance(args[0], (list, tuple)) else args
        if not all(isinstance(view, View) and len(view) == len(views[0]) for view in views):
            return None  # A constant, or maps that are spread over channels.
        sizes = {view.size for view in views}
        if len(sizes) > 1 and not (kind == "Multiply" and sizes - {(1, 1)} == {max(sizes)}):
            return None
        return low.graph.merge(list(views), low.name, kind)

    return rule


def _class_of(function) -> type:
    """Returns the class of the operation that a function of `keras.ops` makes of symbolic tensors."""
    tensors = keras.Input((1,)), keras.Input((1,))
    return type(function(*tensors)._keras_history.operation)


register_rule(keras.layers.Add, _class_of(keras.ops.add))(_merged("Add"))
register_rule(keras.layers.Multiply, _class_of(keras.ops.multiply))(_merged("Multiply"))


@register_rule(keras.layers.Average)
def _average(low, layer, args, kwargs):
    total = _merged("Add")(low, layer, args, kwargs)
    return total and total.scaled(1 / len(args[0]))
