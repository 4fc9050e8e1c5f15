"""The rounding of int8, simulated in a rebuilt frozen graph, by tensorflow-model-optimization.

That tool's wrapper rounds what a layer computes; what is rounded, and to which codes, is decided
here, as static calibration decides it: maps between the smallest and largest value that the float
model showed on the calibration samples, kernels per channel between plus and minus their largest
weight. So before any training the simulation is as near to the float model as a calibrated file.
(The tool's own ranges start at +-6 and take thousands of steps to move.) Ranges stay as they are;
the weights adapt to them.

Where an int8 kernel wants one scale for what it reads and what it gives (joining, pooling,
resizing), all these maps have one range, so that no file needs a conversion between codes.

Kernels of the modalities that are the same but for a factor per output channel (the factor of a
private norm) stay so: one kernel is trained for all, each with its factors. Their codes are then
the same, and one buffer of the file holds them.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from ..tflite.passes.merged_weights import LEAST_BYTES
from .tf_keras_rebuild import rebuild

# Layers that hand on codes as they come, and those whose kernels compute with one scale.
_PASSING = ("MaxPooling2D", "ZeroPadding2D", "Concatenate")
_ONE_SCALE = (*_PASSING, "AveragePooling2D", "Resize")
# Per layer: its kernel, and the axes over which one channel's weights lie.
_KERNELS = {
    "Conv2D": ("kernel", (0, 1, 2)),
    "Conv2DTranspose": ("kernel", (0, 1, 3)),
    "DepthwiseConv2D": ("depthwise_kernel", (0, 1)),
}
# Kernels divided by their largest weights agree to a few roundings of float32, or not at all.
_SAME_KERNEL = 1e-4
_FED_AT_ONCE = 8

Range = tuple[float, float]


class TfmotStudent:
    """A frozen model that computes with int8's rounding; as that of `keras_rounding`, but rebuilt in the
    older Keras and wrapped by tensorflow-model-optimization.

    Args:
        plain: as `freeze` gives it, with any batch size.
        samples: calibration samples in the order of the model's inputs, float32 (n, h, w, c).

    Raises:
        InputError: a layer that the older Keras lacks.
    """

    def __init__(self, plain, samples: list[np.ndarray]):
        self._model = rounded(rebuild(plain), samples)
        self.inputs = self._model.inputs
        # A kernel that another one stands for has no gradient of its own.
        self.trained = self._model.trainable_variables

    def __call__(self, inputs, training: bool = False) -> list:
        """Runs on a list of inputs; gives the outputs in the order of their names."""
        return tf.nest.flatten(self._model(inputs, training=training))

    def optimizer(self, rate: float, steps: int):
        """Adam whose rate falls to zero as a cosine, and a function that applies gradients."""
        optimizer = tf_keras.optimizers.Adam(tf_keras.optimizers.schedules.CosineDecay(rate, steps))

        def apply(gradients) -> None:
            pairs = zip(gradients, self.trained, strict=True)
            optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])

        return apply

    @contextlib.contextmanager
    def settled(self) -> Iterator[list]:
        """Gives the variables that a converter has to see."""
        yield list(self._model.variables)


def rounded(model: tf_keras.Model, samples: list[np.ndarray]) -> tf_keras.Model:
    """Rounds inputs, maps and kernels of a rebuilt model to what int8 can hold.

    Args:
        model: of `rebuild`. Its layers are taken over: it is not to be used any more.
        samples: calibration samples in the order of the model's inputs, float32 (n, h, w, c).

    Returns:
        A model with the same inputs, outputs and weights.
    """
    spans = ranges(model, samples)
    kernels = _kernels(model)

    def wrapped(layer):
        rounds = type(layer).__name__ not in _PASSING and not _feeds_only_relu(layer, model)
        config = Rounding(spans[layer.name] if rounds else None, kernels.get(layer.name))
        return tfmot.quantization.keras.QuantizeWrapperV2(layer, config)

    return tf_keras.models.clone_model(model, clone_function=wrapped)


def ranges(model: tf_keras.Model, samples: list[np.ndarray]) -> dict[str, Range]:
    """The range of every layer's output, one and the same where a kernel wants one scale.

    Args:
        model: of `rebuild`.
        samples: as for `rounded`.

    Returns:
        (least, largest) by layer; zero, which every range of codes holds, is between them.
    """
    names = [layer.name for layer in model.layers]
    probe = tf_keras.Model(model.inputs, [layer.output for layer in model.layers])

    @tf.function
    def extremes(batch):
        maps = probe(batch, training=False)
        return [[tf.reduce_min(m) for m in maps], [tf.reduce_max(m) for m in maps]]

    found = np.zeros((2, len(names)))
    for start in range(0, len(samples[0]), _FED_AT_ONCE):
        low, high = extremes([tf.constant(s[start : start + _FED_AT_ONCE]) for s in samples])
        found = np.stack([np.minimum(found[0], low), np.maximum(found[1], high)])
    group = {name: name for name in names}
    for layer in model.layers:
        if type(layer).__name__ in _ONE_SCALE:
            joined = {group[layer.name], *(group[source.name] for source in _sources(layer))}
            group = {name: layer.name if of in joined else of for name, of in group.items()}
    spans = {}
    for name, of in group.items():
        members = [index for index, other in enumerate(names) if group[other] == of]
        # A map of nothing but zeros needs some width.
        spans[name] = (found[0, members].min(), max(found[1, members].max(), 1e-6))
    return spans


class Rounding(tfmot.quantization.keras.QuantizeConfig):
    """Tells the wrapper of one layer what to round.

    Args:
        span: range of the layer's output; None = it is not rounded.
        kernel: (attribute, variable, `KernelCodes`) of the layer's kernel; None = it has none.
    """

    def __init__(self, span: Range | None, kernel: tuple | None = None):
        self._span, self._kernel = span, kernel

    def get_weights_and_quantizers(self, layer):
        """The variable behind the layer's kernel, and how it is rounded."""
        return [self._kernel[1:]] if self._kernel else []

    def set_quantize_weights(self, layer, quantize_weights):
        """Lets the layer compute with the rounded kernel."""
        if self._kernel:
            setattr(layer, self._kernel[0], quantize_weights[0])

    def get_output_quantizers(self, layer):
        """How the layer's output is rounded."""
        if self._span is None:
            return []
        return [tfmot.quantization.keras.quantizers.FixedQuantizer(8, *self._span, False)]

    def get_activations_and_quantizers(self, layer):
        """None: an activation is rounded as the layer's output."""
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        """Nothing to set."""
        return  # AutoGraph cannot read a function of a docstring alone

    def get_config(self):
        """Returns the constructor's arguments; a kernel's variable is not among them."""
        return {"span": self._span}


class KernelCodes(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds a kernel to codes from -127 to 127, with one scale per output channel.

    The gradient passes as if nothing were rounded.

    Args:
        axes: over which one output channel's weights lie.
        factor: by which each output channel is multiplied, with the shape of the scales.
    """

    def __init__(self, axes: tuple[int, ...], factor: np.ndarray):
        self._axes, self._factor = axes, factor

    def build(self, tensor_shape, name, layer):
        """Needs no variables."""
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        """Rounds the kernel `inputs`."""
        scale = tf.reduce_max(tf.abs(inputs), self._axes, keepdims=True) / 127
        held = tf.round(tf.math.divide_no_nan(inputs, scale)) * scale
        return (inputs + tf.stop_gradient(held - inputs)) * self._factor

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"axes": self._axes, "factor": self._factor}


def _kernels(model) -> dict[str, tuple]:
    """(attribute, variable, quantizer) of every layer with a kernel; one variable where several
    kernels differ by factors only. The variables' largest weight per channel becomes 1, so that a
    step of training is as many codes in every layer.
    """
    known: dict[tuple, list] = {}
    found = {}
    for layer in model.layers:
        if type(layer).__name__ not in _KERNELS:
            continue
        attribute, axes = _KERNELS[type(layer).__name__]
        variable = getattr(layer, attribute)
        kernel = variable.numpy()
        largest = np.maximum(np.abs(kernel).max(axes, keepdims=True), 1e-30)
        variable.assign(kernel / largest)
        # The file's merging leaves small buffers alone as well.
        mergeable = known.setdefault((attribute, kernel.shape), [])
        same = [v for v in mergeable if np.abs(v - kernel / largest).max() < _SAME_KERNEL]
        if not same and kernel.size >= LEAST_BYTES:
            mergeable.append(variable)
        quantizer = KernelCodes(axes, largest)
        found[layer.name] = (attribute, same[0] if same else variable, quantizer)
    return found


def _sources(layer) -> list:
    """The layers that a layer reads."""
    return tf.nest.flatten(layer.inbound_nodes[0].inbound_layers) if layer.inbound_nodes else []


def _feeds_only_relu(layer, model) -> bool:
    """Whether a ReLU behind a layer rounds for both, as it is one operator with it in the file."""
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    is_output = any(layer.output is output for output in model.outputs)
    return not is_output and len(readers) == 1 and type(readers[0]).__name__ == "ReLU"
