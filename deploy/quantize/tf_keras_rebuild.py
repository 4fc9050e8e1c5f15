"""The frozen graph once more, in the older Keras that tensorflow-model-optimization takes.

A frozen graph has no norms and no layer that is called twice, the two things that tool cannot take,
so the rebuild is one layer for one. ReLU moves into the convolution before it, where it has no
other reader: quantisation then comes behind both. The factor before the ensemble's sum becomes a
depthwise 1x1 convolution, which has a quantised kernel.
"""

import keras
import numpy as np

from cen_keras.errors import InputError

# Layers that are the same in both, and the arguments they need.
_SAME = {
    "ZeroPadding2D": ("padding",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "Add": (),
    "Concatenate": (),
}
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")


def resize_class():
    """The `tf_keras` layer that resizes bilinearly to a fixed size; made when asked for."""
    import tensorflow as tf
    import tf_keras

    class Resize(tf_keras.layers.Layer):
        """Resizes (b, h, w, c) to (b, *size, c), with pixel centres or corners held in place."""

        def __init__(self, size, align_corners=False, **kwargs):
            super().__init__(**kwargs)
            self.size = tuple(int(n) for n in size)
            self.align_corners = bool(align_corners)

        def call(self, inputs):
            """Resizes one tensor."""
            return tf.raw_ops.ResizeBilinear(
                images=inputs,
                size=self.size,
                align_corners=self.align_corners,
                half_pixel_centers=not self.align_corners,
            )

        def get_config(self):
            """Returns the constructor's arguments."""
            mine = {"size": self.size, "align_corners": self.align_corners}
            return {**super().get_config(), **mine}

    return Resize


def rebuild(plain: keras.Model, resize=None):
    """Rebuilds a frozen model.

    Args:
        plain: as `freeze` gives it, with any batch size.
        resize: the class of `resize_class()`; None makes one.

    Returns:
        A `tf_keras.Model` from a list of inputs in the order of `plain.inputs` to a list of outputs
        in the order of `sorted(plain.output)`, with the same weights.

    Raises:
        InputError: a layer without a counterpart.
    """
    import tf_keras

    resize = resize or resize_class()
    tensors = {}
    for tensor in plain.inputs:
        image = tf_keras.Input(tuple(tensor.shape[1:]), name=tensor.name)
        tensors[tensor.name] = image
    calls = {layer["name"]: _sources(layer) for layer in plain.get_config()["layers"]}
    readers: dict[str, list[str]] = {}
    for name, sources in calls.items():
        for source in sources:
            readers.setdefault(source, []).append(name)
    weights = []
    pending = [name for name in calls if name not in tensors]
    while pending:
        waiting = []
        for name in pending:
            if not all(source in tensors for source in calls[name]):
                waiting.append(name)
                continue
            read = [tensors[source] for source in calls[name]]
            layer = plain.get_layer(name)
            if _is_fused(layer, calls[name], readers, plain) or isinstance(
                layer, keras.layers.Identity
            ):
                tensors[name] = read[0]
                continue
            relu = any(
                _is_fused(plain.get_layer(r), [name], readers, plain) for r in readers.get(name, [])
            )
            twin, values = _twin(layer, read[0], relu, tf_keras, resize)
            tensors[name] = twin(read if len(read) > 1 else read[0])
            if values:
                weights.append((twin, values))
        pending = waiting
    outputs = [
        tensors[plain.output[name]._keras_history.operation.name] for name in sorted(plain.output)
    ]
    model = tf_keras.Model([tensors[t.name] for t in plain.inputs], outputs, name="frozen")
    for twin, values in weights:
        twin.set_weights(values)
    return model


def _sources(layer: dict) -> list[str]:
    """Names of the layers that a layer of a functional config reads."""

    def histories(value):
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                yield value["config"]["keras_history"][0]
                return
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for item in value:
                yield from histories(item)

    return [name for call in layer["inbound_nodes"] for name in histories(call["args"])]


def _is_fused(layer, sources, readers, plain) -> bool:
    """Whether a ReLU can be part of the convolution before it."""
    if not isinstance(layer, keras.layers.ReLU) or layer.negative_slope or layer.threshold:
        return False
    if layer.max_value is not None:
        return False
    before = plain.get_layer(sources[0])
    return type(before).__name__ in _CONVOLUTIONS and len(readers[sources[0]]) == 1


def _twin(layer, read, relu: bool, tf_keras, resize):
    """The counterpart of a layer, and its weights."""
    kind, name = type(layer).__name__, layer.name
    if kind in _CONVOLUTIONS:
        options = {
            "strides": layer.strides,
            "padding": layer.padding,
            "dilation_rate": layer.dilation_rate,
            "use_bias": layer.use_bias,
            "activation": "relu" if relu else None,
            "name": name,
        }
        filters = (layer.filters,) if kind == "Conv2D" else ()
        twin = getattr(tf_keras.layers, kind)(*filters, layer.kernel_size, **options)
        return twin, [np.asarray(weight) for weight in layer.get_weights()]
    if kind == "Rescaling":
        twin = tf_keras.layers.DepthwiseConv2D(1, use_bias=False, name=name)
        return twin, [np.full((1, 1, read.shape[-1], 1), layer.scale, np.float32)]
    if kind == "Resizing":
        return resize((layer.height, layer.width), name=name), None
    if kind == "BilinearResize":
        return resize(layer.size, layer.mode == "align_corners", name=name), None
    if kind == "ReLU" and not layer.negative_slope and not layer.threshold:
        return tf_keras.layers.ReLU(layer.max_value, name=name), None
    if kind in _SAME:
        config = {key: getattr(layer, key) for key in _SAME[kind]}
        return getattr(tf_keras.layers, kind)(**config, name=name), None
    raise InputError(
        f"layer {name!r} ({kind}) cannot be trained with quantisation; export with static_w8a8"
    )
