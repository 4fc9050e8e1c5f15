"""The frozen graph once more, in the older Keras that tensorflow-model-optimization takes.

A frozen graph has no norms and no layer that is called twice, the two things that tool cannot take,
so the rebuild is one layer for one, and one more behind each input, where its codes can be
simulated. The factor before the ensemble's sum becomes a depthwise 1x1 convolution, which has a
quantised kernel. A ReLU that the converter cannot fuse into the operator before it gets such a
convolution by one to be fused into: XNNPACK has no int8 kernel for a ReLU alone.
"""

from collections import Counter

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from cen_keras.errors import InputError

# Layers that are the same in both, and the arguments they need.
_SAME = {
    "ZeroPadding2D": ("padding",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "Add": (),
    "Concatenate": (),
}
_CONVOLUTIONS = ("Conv2D", "Conv2DTranspose", "DepthwiseConv2D")
# What a ReLU can be fused into, where nobody else reads it.
_FUSING = (*_CONVOLUTIONS, "Rescaling", "Add")


class Resize(tf_keras.layers.Layer):
    """Resizes (b, h, w, c) bilinearly to (b, *size, c).

    Args:
        size: height and width.
        align_corners: hold the corners' pixels in place, not the pixels' edges.
    """

    def __init__(self, size: tuple[int, int], align_corners: bool = False, **kwargs):
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


def rebuild(plain: keras.Model) -> tf_keras.Model:
    """Rebuilds a frozen model.

    Args:
        plain: as `freeze` gives it, with any batch size.

    Returns:
        A model from a list of inputs in the order of `plain.inputs` to a list of outputs in the
        order of `sorted(plain.output)`, with the same weights.

    Raises:
        InputError: a layer without a counterpart.
    """
    inputs = [tf_keras.Input(tuple(t.shape[1:]), name=t.name) for t in plain.inputs]
    tensors = {
        image.name: tf_keras.layers.Activation("linear", name=f"{image.name}_codes")(image)
        for image in inputs
    }
    pending = {layer["name"]: _sources(layer) for layer in plain.get_config()["layers"]}
    readers = Counter(source for sources in pending.values() for source in sources)
    for name in tensors:
        pending.pop(name)
    while pending:
        ready = [name for name, read in pending.items() if all(n in tensors for n in read)]
        for name in ready:
            sources = pending.pop(name)
            read = [tensors[source] for source in sources]
            layer = plain.get_layer(name)
            if isinstance(layer, keras.layers.Identity):
                tensors[name] = read[0]
                continue
            if isinstance(layer, keras.layers.ReLU):
                before = type(plain.get_layer(sources[0])).__name__
                if before not in _FUSING or readers[sources[0]] > 1:
                    read = [_times(1.0, f"{name}_product", read[0])]
            if isinstance(layer, keras.layers.Rescaling):
                tensors[name] = _times(layer.scale, name, read[0])
                continue
            twin, weights = _twin(layer)
            tensors[name] = twin(read if len(read) > 1 else read[0])
            twin.set_weights(weights)
    outputs = [
        tensors[plain.output[name]._keras_history.operation.name] for name in sorted(plain.output)
    ]
    return tf_keras.Model(inputs, outputs, name="frozen")


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


def _times(factor: float, name: str, tensor):
    """Multiplies a map by a factor, as a depthwise convolution."""
    layer = tf_keras.layers.DepthwiseConv2D(1, use_bias=False, name=name)
    product = layer(tensor)
    layer.set_weights([np.full((1, 1, tensor.shape[-1], 1), factor, np.float32)])
    return product


def _twin(layer) -> tuple[tf_keras.layers.Layer, list[np.ndarray]]:
    """The counterpart of a layer, and its weights."""
    kind, name = type(layer).__name__, layer.name
    if kind in _CONVOLUTIONS:
        options = {
            "strides": layer.strides,
            "padding": layer.padding,
            "dilation_rate": layer.dilation_rate,
            "use_bias": layer.use_bias,
            "name": name,
        }
        filters = () if kind == "DepthwiseConv2D" else (layer.filters,)
        twin = getattr(tf_keras.layers, kind)(*filters, layer.kernel_size, **options)
        return twin, [np.asarray(weight) for weight in layer.get_weights()]
    if kind == "Resizing":
        return Resize((layer.height, layer.width), name=name), []
    if kind == "BilinearResize":
        return Resize(layer.size, layer.mode == "align_corners", name=name), []
    if kind == "ReLU" and not layer.negative_slope and not layer.threshold:
        return tf_keras.layers.ReLU(layer.max_value, name=name), []
    if kind in _SAME:
        config = {key: getattr(layer, key) for key in _SAME[kind]}
        return getattr(tf_keras.layers, kind)(**config, name=name), []
    raise InputError(
        f"layer {name!r} ({kind}) cannot be trained with quantisation; export with static_w8a8"
    )
