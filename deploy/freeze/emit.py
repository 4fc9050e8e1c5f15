"""From the planned channel graph to a plain Keras model: Conv2D, DepthwiseConv2D, ReLU, Add,
Concatenate and friends.
"""

import itertools

import keras
import numpy as np

from cen_keras import layers as cen

from .heads import HEADS, Head
from .ir import Conv, Depthwise, Input, InstanceNorm, Map, Merge, Node, Opaque, View
from .layers import DilatedConv2D, max_pool
from .plan import Group, Plan

AT_ONCE = 5
"""Tensors that one Concatenate of the emitted graph takes."""


class Emitter:
    """Makes one tensor for each group, each with a layer named after where it comes from.

    Args:
        plan: which channels are needed, and in which groups.
        modalities: names of the streams, by index.
        batch: batch size of the inputs, or None for any.
    """

    def __init__(self, plan: Plan, modalities: tuple[str, ...], batch: int | None):
        self.plan = plan
        self.modalities = modalities
        self.batch = batch
        self.tensors: dict[Group, keras.KerasTensor] = {}
        self.inputs: dict[str, keras.KerasTensor] = {}
        self.logits: dict[str, keras.KerasTensor] = {}
        self._joined: dict[tuple, keras.KerasTensor] = {}
        self._made: dict[int, list[keras.KerasTensor]] = {}
        self._taken = {node.name for node in plan.nodes if isinstance(node, Input)}
        self._weights: list[tuple[keras.layers.Layer, list[np.ndarray]]] = []

    def run(
        self, outputs: dict[str, View], size: tuple[int, int], head: Head = HEADS["logits"]
    ) -> keras.Model:
        """Returns the model.

        Args:
            outputs: name -> the view of its logits.
            size: height and width of the images.
            head: makes what is given of the logits.
        """
        # An output is addressed by the name of its last layer in several export formats.
        last = {name: self._unique(f"output_{name}") for name in outputs}
        for node in self.plan.nodes:
            self._emit(node)
        tensors = {}
        for name, view in outputs.items():
            self.logits[name] = self._materialise(view, f"{name}_join")
            tensor = head(self.logits[name], size, name)
            tensors[name] = keras.layers.Identity(name=last[name])(tensor)
        model = keras.Model(self.inputs, tensors, name="frozen")
        for layer, weights in self._weights:
            layer.set_weights(weights)
        return model

    def _unique(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        free = next(n for n in itertools.chain([name], numbered) if n not in self._taken)
        self._taken.add(free)
        return free

    def _label(self, group: Group) -> str:
        whole = len(self.plan.groups[group.node]) == 1
        role = "" if whole and group.role == "own" else f"_{group.role}"
        return self._unique(f"{self._stream_name(group.node)}{role}")

    def _stream_name(self, node: Node) -> str:
        return node.name if node.stream is None else f"{node.name}_{self.modalities[node.stream]}"

    def _emit(self, node: Node) -> None:
        if isinstance(node, Input):
            shape = (*node.size, node.channels)
            tensor = keras.Input(shape, batch_size=self.batch, name=node.name)
            self.inputs[node.name] = tensor
            self.tensors[self.plan.groups[node][0]] = tensor
            return
        for group in self.plan.groups[node]:
            if isinstance(node, Conv):
                tensor = self._conv(node, group)
            elif isinstance(node, Depthwise):
                tensor = self._depthwise(node, group)
            elif isinstance(node, InstanceNorm):
                tensor = self._instance_norm(node, group)
            elif isinstance(node, Map):
                tensor = self._map(node, group)
            elif isinstance(node, Opaque):
                tensor = self._opaque(node)
            else:
                tensor = self._merge(node, group)
            self.tensors[group] = tensor

    def _join(self, groups: list[Group], name: str) -> keras.KerasTensor:
        """Concatenates groups; the same ones only once."""
        if len(groups) == 1:
            return self.tensors[groups[0]]
        key = tuple(groups)
        if key not in self._joined:
            self._joined[key] = self._concatenate([self.tensors[group] for group in groups], name)
        return self._joined[key]

    def _concatenate(self, tensors: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
        """Concatenates; of many, a few at a time, since LiteRT's fast kernels take no more at once.

        Four modalities that replace each other's channels make more than these.
        """
        while len(tensors) > 1:
            head, tensors = tensors[:AT_ONCE], tensors[AT_ONCE:]
            tensors = [
                keras.layers.Concatenate(name=self._unique(f"{name}_input"))(head),
                *tensors,
            ]
        return tensors[0]

    def _padded(self, tensor, padding, name):
        """Returns the tensor with the zeros that a convolution wants, and the convolution's own padding."""
        if isinstance(padding, str):
            return tensor, padding
        key = (id(tensor), padding)
        if key not in self._joined:
            layer = keras.layers.ZeroPadding2D(padding, name=self._unique(f"{name}_pad"))
            self._joined[key] = layer(tensor)
        return self._joined[key], "valid"

    def _conv(self, node: Conv, group: Group) -> keras.KerasTensor:
        name = self._label(group)
        groups = self.plan.groups_read(node.view)
        tensor, padding = self._padded(self._join(groups, name), node.padding, name)
        # Channels of an opaque layer that nobody reads here have zeros.
        height, width, _, filters = node.kernel.shape
        read = np.zeros((height, width, sum(len(g.channels) for g in groups), filters))
        read[:, :, self.plan.positions(node.view, groups)] = node.kernel
        kind = keras.layers.Conv2D
        if node.transposed:
            kind = keras.layers.Conv2DTranspose
        elif node.dilation != (1, 1):
            kind = DilatedConv2D
        layer = kind(
            len(group.channels),
            node.kernel.shape[:2],
            strides=node.strides,
            padding=padding,
            dilation_rate=node.dilation,
            name=name,
        )
        channels = list(group.channels)
        kernel = read[..., channels]
        if node.transposed:
            kernel = np.swapaxes(kernel, 2, 3)
        self._weights.append((layer, [kernel, node.bias[channels]]))
        return layer(tensor)

    def _depthwise(self, node: Depthwise, group: Group) -> keras.KerasTensor:
        name = self._label(group)
        channels = list(group.channels)
        tensor = self._materialise(node.view.pick(channels), name)
        tensor, padding = self._padded(tensor, node.padding, name)
        layer = keras.layers.DepthwiseConv2D(
            node.kernel.shape[:2],
            strides=node.strides,
            padding=padding,
            dilation_rate=node.dilation,
            name=name,
        )
        self._weights.append((layer, [node.kernel[:, :, channels, None], node.bias[channels]]))
        return layer(tensor)

    def _instance_norm(self, node: InstanceNorm, group: Group) -> keras.KerasTensor:
        name = self._label(group)
        channels = list(group.channels)
        tensor = self._materialise(node.view.pick(channels), name)
        layer = cen.InstanceNorm(node.epsilon, name=name)
        # Its moving statistics are never read.
        unused = [np.zeros(len(channels)), np.ones(len(channels))]
        self._weights.append((layer, [node.gamma[channels], node.beta[channels], *unused]))
        return layer(tensor)

    def _map(self, node: Map, group: Group) -> keras.KerasTensor:
        whole = View.of(node.source).pick(list(group.channels))
        name = self._label(group)
        tensor = self._materialise(whole, name)
        options = dict(node.operation.options)
        if node.operation.kind == "BilinearResize":
            return cen.BilinearResize(**options, name=name)(tensor)
        if node.operation.kind == "MaxPooling2D":
            return max_pool(tensor, **options, name=name, rows_name=self._unique(f"{name}_rows"))
        return getattr(keras.layers, node.operation.kind)(**options, name=name)(tensor)

    def _merge(self, node: Merge, group: Group) -> keras.KerasTensor:
        name = self._label(group)
        channels = list(group.channels)
        total, *rest = (self._materialise(view.pick(channels), name) for view in node.views)
        # Two at a time: an int8 converter leaves a sum of three in float.
        for number, tensor in enumerate(rest):
            layer_name = name if number == len(rest) - 1 else self._unique(f"{name}_partial")
            total = getattr(keras.layers, node.kind)(name=layer_name)([total, tensor])
        return total

    def _opaque(self, node: Opaque) -> keras.KerasTensor:
        """Calls a layer as it was, once for all its outputs."""
        key = id(node.call)
        if key not in self._made:
            name = self._unique(self._stream_name(node))
            args, kwargs = keras.tree.map_structure(
                lambda leaf: self._materialise(leaf, name) if isinstance(leaf, View) else leaf,
                node.call.arguments,
            )
            operation = node.call.operation
            if isinstance(operation, keras.layers.Layer):
                layer = type(operation).from_config({**operation.get_config(), "name": name})
                if operation.weights:
                    self._weights.append((layer, operation.get_weights()))
                operation = layer
            self._made[key] = keras.tree.flatten(operation(*args, **kwargs))
        return self._made[key][node.output]

    def _materialise(self, view: View, name: str) -> keras.KerasTensor:
        """Returns one tensor with the view's channels in the view's order."""
        groups = self.plan.groups_read(view)
        tensor = self._join(groups, name)
        positions = self.plan.positions(view, groups)
        total = sum(len(group.channels) for group in groups)
        if len(view) == total and (positions == np.arange(total)).all():
            if (view.factors == 1).all():
                return tensor
            if (view.factors == view.factors[0]).all():
                scale = float(view.factors[0])
                return keras.layers.Rescaling(scale, name=self._unique(f"{name}_scale"))(tensor)
        # A 0/1 matrix as a 1x1 convolution: exact, and taken by every engine where a gather is not.
        kernel = np.zeros((total, len(view)))
        kernel[positions, np.arange(len(view))] = view.factors
        options = {"use_bias": False, "name": self._unique(f"{name}_permute")}
        if len(view.size) == 2:
            layer, kernel = keras.layers.Conv2D(len(view), 1, **options), kernel[None, None]
        else:
            layer = keras.layers.Dense(len(view), **options)
        self._weights.append((layer, [kernel]))
        return layer(tensor)
