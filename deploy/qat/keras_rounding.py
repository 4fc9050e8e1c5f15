"""The rounding of int8, simulated in the frozen graph itself by Keras' own fake quantisation.

What is rounded, and to which codes, is decided here: maps between the smallest and largest value that
the float model showed on the calibration samples, or where the outputs are nearer with them within
the parts of these ranges that round with less error (a rare outlier makes every step coarse);
kernels per channel between plus and minus their largest weight. So before any training the
simulation is as near to the float model as a calibrated file. Ranges stay as they are; the weights
adapt to them.

Where an int8 kernel wants one scale for what it reads and what it gives (joining, pooling,
resizing), all these maps have one range, so that no file needs a conversion between codes. Kernels of
the modalities that are the same but for a factor per output channel (the factor of a private norm)
stay so: one kernel is trained for all, each with its factors, and one buffer of the file holds their
codes. What XNNPACK has no int8 kernel for alone, a ReLU that several read around and the scaling of
the logits, is written as a depthwise convolution.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
from keras import ops

from cen_keras.graph import Call, Graph, Tensor

from ..tflite.passes.merged_weights import LEAST_BYTES

# Layers that hand on codes as they come, and those whose kernels compute with one scale.
_PASSING = ("MaxPooling2D", "ZeroPadding2D", "Concatenate", "Identity", "Reshape")
_ONE_SCALE = (*_PASSING, "AveragePooling2D", "Resizing", "BilinearResize", "UpSampling2D")
# The axis of a layer's output channels in its kernel.
_CHANNELS = {
    "Conv2D": -1,
    "DilatedConv2D": -1,
    "Conv2DTranspose": 2,
    "DepthwiseConv2D": 2,
    "Dense": -1,
}
# What a ReLU can be fused into, where nobody else reads it.
_FUSING = (*_CHANNELS, "Rescaling", "Add")
# Kernels divided by their largest weights agree to a few roundings of float32, or not at all.
_SAME_KERNEL = 1e-4
_FED_AT_ONCE = 8
FACTORS = (1.0, 0.85, 0.7, 0.5, 0.35)
"""Of a map's range, from which the one with the least squared error is taken."""

fake_quantise = keras.quantizers.fake_quant_with_min_max_vars
Range = tuple[float, float]


class KerasStudent:
    """A frozen model that computes with int8's rounding.

    Args:
        plain: as `freeze` gives it, with any batch size; it stays as it is.
        samples: calibration samples in the order of the model's inputs, float32 (n, h, w, c).

    Attributes:
        inputs: the model's.
        variables: what is trained: kernels whose largest weight per channel is 1, so that a step of
            training is as many codes in every layer, and biases.
    """

    def __init__(self, plain: keras.Model, samples: Sequence[np.ndarray]):
        self.inputs = plain.inputs
        self._graph = Graph(plain)
        # By the id of a layer: its own variables and what stands for them.
        self._kernels: dict[int, tuple] = {}
        self._biases: dict[int, tuple] = {}
        self.variables: list[keras.Variable] = []
        self._constants: dict[int, np.ndarray] | None = None
        self._take_weights()
        few = [array[:_FED_AT_ONCE] for array in samples]
        wanted = self._show(lambda tensor, values: None, few)
        self._spans = min(self._ranges(samples), key=lambda s: self._distance(s, few, wanted))

    def __call__(self, inputs, training: bool = False) -> list:
        """Runs on a list of inputs; gives the outputs in the order of their names."""
        codes = [self._rounded(t, x) for t, x in zip(self._graph.inputs, inputs, strict=True)]
        return self._graph.run(codes, self._call)  # flat: by name

    def optimizer(self, rate: float, steps: int):
        """Adam whose rate falls to zero as a cosine, and a function that applies gradients."""
        schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
        optimizer = keras.optimizers.Adam(schedule)
        optimizer.build(self.variables)

        def apply(gradients) -> None:
            pairs = zip(gradients, self.variables, strict=True)
            optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])

        return apply

    @property
    def trained(self) -> list:
        """The variables as the backend has them."""
        return [variable.value for variable in self.variables]

    @contextlib.contextmanager
    def settled(self) -> Iterator[list]:
        """While this lasts the kernels are constants, which a converter quantises per channel; gives the
        variables that are left.
        """
        self._constants = {key: np.asarray(self._kernel(key)) for key in self._kernels}
        # Layers that are kept as they are (PReLU, LayerNormalization) have weights of their own.
        others = [
            variable.value
            for call in self._graph.calls
            if isinstance(call.operation, keras.layers.Layer)
            and id(call.operation) not in self._kernels
            for variable in call.operation.variables
        ]
        try:
            yield [*(bias.value for _, bias in self._biases.values()), *others]
        finally:
            self._constants = None

    def _call(self, call: Call, values: dict[Tensor, object]) -> list:
        args, kwargs = call.fill(values.__getitem__)
        layer, kind = call.operation, type(call.operation).__name__
        if kind == "ReLU" and not _fuses(call):
            args = (_times(1.0, args[0]), *args[1:])
        if kind == "Rescaling" and np.ndim(layer.scale) == 0 and not np.any(layer.offset):
            result = _times(layer.scale, args[0])
        elif id(layer) in self._kernels:
            kernel = self._kernels[id(layer)][0]
            mapping = [(kernel, self._kernel(id(layer)))]
            if id(layer) in self._biases:
                mapping.append(self._biases[id(layer)])
            mapping = [(own, ops.convert_to_tensor(value)) for own, value in mapping]
            with keras.StatelessScope(state_mapping=mapping):
                result = layer(*args, **kwargs)
        else:
            result = layer(*args, **kwargs)
        results = keras.tree.flatten(result)
        if kind not in _PASSING and not _feeds_only_relu(call, self._graph):
            results = [self._rounded(t, x) for t, x in zip(call.outputs, results, strict=True)]
        return results

    def _rounded(self, tensor: Tensor, values):
        return fake_quantise(values, *self._spans[tensor])

    def _kernel(self, key: int):
        if self._constants is not None:
            return self._constants[key]
        _, variable, axis, factor = self._kernels[key]
        others = [a for a in range(len(variable.shape)) if a != axis % len(variable.shape)]
        largest = ops.stop_gradient(ops.maximum(ops.max(ops.abs(variable), others), 1e-30))
        return fake_quantise(variable, -largest, largest, narrow_range=True, axis=axis) * factor

    def _distance(
        self, spans: dict[Tensor, Range], samples: Sequence[np.ndarray], wanted: list
    ) -> float:
        """How far the outputs are from the float model's with these ranges: the sum of the squared differences."""
        self._spans = spans
        found = self([ops.convert_to_tensor(array) for array in samples])
        return sum(float(ops.sum(ops.square(f - w))) for f, w in zip(found, wanted, strict=True))

    def _ranges(self, samples: Sequence[np.ndarray]) -> tuple[dict[Tensor, Range], ...]:
        """(least, largest) of every tensor, zero between them; one where a kernel wants one scale. First of all that
        was seen, then of the part of it that rounds with the least error.
        """
        found: dict[Tensor, Range] = {}

        def widen(tensor: Tensor, values) -> None:
            array = np.asarray(values)
            least, most = found.get(
                tensor, (0.0, 1e-6)
            )  # a map of nothing but zeros needs some width
            found[tensor] = (min(least, float(array.min())), max(most, float(array.max())))

        for start in range(0, len(samples[0]), _FED_AT_ONCE):
            self._show(widen, [s[start : start + _FED_AT_ONCE] for s in samples])
        together = {tensor: {tensor} for tensor in found}
        for entry in self._graph.calls:
            if type(entry.operation).__name__ in _ONE_SCALE:
                joined = set().union(*(together[t] for t in (*entry.inputs, *entry.outputs)))
                together.update(dict.fromkeys(joined, joined))
        groups = {tensor: frozenset(group) for tensor, group in together.items()}
        spans = {
            group: (min(found[t][0] for t in group), max(found[t][1] for t in group))
            for group in set(groups.values())
        }
        errors = {group: np.zeros(len(FACTORS)) for group in spans}

        def compare(tensor: Tensor, values) -> None:
            group = groups[tensor]
            errors[group] += [squared_error(values, spans[group], factor) for factor in FACTORS]

        self._show(compare, [s[:_FED_AT_ONCE] for s in samples])
        held = {*self._graph.inputs, *self._graph.flat_outputs}
        narrow = dict(spans)
        for group in [group for group in spans if not group & held]:
            factor = FACTORS[int(np.argmin(errors[group]))]
            narrow[group] = (factor * spans[group][0], factor * spans[group][1])
        return tuple(
            {tensor: s[group] for tensor, group in groups.items()} for s in (spans, narrow)
        )

    def _show(self, look: Callable[[Tensor, object], None], samples: Sequence[np.ndarray]) -> list:
        """Lets `look` see every tensor of the float model and its values; gives the outputs."""

        def call(call: Call, values: dict[Tensor, object]) -> list:
            args, kwargs = call.fill(values.__getitem__)
            results = keras.tree.flatten(call.operation(*args, **kwargs))
            for tensor, result in zip(call.outputs, results, strict=True):
                look(tensor, result)
            return results

        fed = [ops.convert_to_tensor(array) for array in samples]
        for tensor, values in zip(self._graph.inputs, fed, strict=True):
            look(tensor, values)
        return self._graph.run(fed, call)

    def _take_weights(self) -> None:
        """One variable for kernels that differ by factors only, and one for each bias."""
        known: dict[tuple, list] = {}
        for call in self._graph.calls:
            layer, axis = call.operation, _CHANNELS.get(type(call.operation).__name__)
            if axis is None or id(layer) in self._kernels:
                continue
            values = ops.convert_to_numpy(layer.kernel)
            others = tuple(a for a in range(values.ndim) if a != axis % values.ndim)
            largest = np.maximum(np.abs(values).max(others, keepdims=True), 1e-30)
            shared = known.setdefault((axis, values.shape), [])
            same = [
                v for v, kernel in shared if np.abs(kernel - values / largest).max() < _SAME_KERNEL
            ]
            if same:
                variable = same[0]
            else:
                variable = keras.Variable(values / largest, name=f"{layer.name}_kernel")
                self.variables.append(variable)
                # The file's merging leaves small buffers alone as well.
                if values.size >= LEAST_BYTES:
                    shared.append((variable, values / largest))
            own = next(
                weight
                for weight in layer.weights
                if weight is layer.kernel or weight.name == "kernel"
            )
            self._kernels[id(layer)] = (own, variable, axis, largest)
            if layer.use_bias:
                bias = keras.Variable(ops.convert_to_numpy(layer.bias), name=f"{layer.name}_bias")
                self.variables.append(bias)
                self._biases[id(layer)] = (layer.bias, bias)


def squared_error(values, span: Range, factor: float) -> float:
    """Returns what 8 bits within `factor` times a range cost values: the sum of the squared differences."""
    rounded = fake_quantise(values, factor * span[0], factor * span[1])
    return float(ops.sum(ops.square(rounded - values)))


def _times(factor: float, tensor):
    """Multiplies a map by a factor, as a depthwise convolution."""
    kernel = np.full((1, 1, tensor.shape[-1], 1), factor, np.float32)
    return ops.depthwise_conv(tensor, kernel, padding="valid")


def _fuses(call: Call) -> bool:
    """Whether the converter makes one operator of a ReLU and what it reads."""
    source = call.inputs[0]
    before = type(source.producer.operation).__name__ if source.producer else ""
    return before in _FUSING and len(source.readers) == 1


def _feeds_only_relu(call: Call, graph: Graph) -> bool:
    """Whether a ReLU behind a layer rounds for both, as it is one operator with it in the file."""
    tensor = call.outputs[0]
    if len(tensor.readers) != 1 or any(tensor is given for given in graph.flat_outputs):
        return False
    reader = tensor.readers[0]
    return type(reader.operation).__name__ == "ReLU" and _fuses(reader)
