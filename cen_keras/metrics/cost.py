"""What a network costs: its trainable parameters, and the multiply-adds of one view."""

import keras
import numpy as np

from cen_keras.errors import InputError

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
"""Layers that multiply their whole kernel for every place of what comes out."""

TRANSPOSED = (keras.layers.Conv2DTranspose,)
"""Layers that multiply their whole kernel for every place of what goes in."""


def cost(model: keras.Model, image_shape: tuple[int, int]) -> dict[str, int]:
    """Counts a functional model's parameters and multiply-adds.

    Multiply-adds are those of convolutions and dense layers in inference, as trained: shared
    filters count once for every stream that they are applied to, and nothing is taken off for
    channels that nobody reads (`deploy.freeze` does that). Norms, activations, pooling and resizing
    are left out, as usual.

    Args:
        model: a functional model without nested models, for instance a `Segmenter`; of a
            `Translator` the generator counts, since the discriminator is of no use afterwards.
        image_shape: (height, width) of every input.

    Returns:
        `parameters`, the trainable numbers, each once; `macs`, multiply-adds of one view.

    Raises:
        InputError: the model is not functional, or has a layer that is not known here.
    """
    model = getattr(model, "generator", model)
    if not hasattr(model, "inputs") or not getattr(model, "outputs", None):
        raise InputError(f"cost counts functional models; {model.name!r} is none.")
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return {"parameters": parameters, "macs": _Walk(model, tuple(image_shape)).macs()}


class _Walk:
    """Passes shapes through a functional model, layer by layer, and adds up what each multiplies."""

    def __init__(self, model: keras.Model, image_shape: tuple[int, int]):
        # A plain functional model over the same layers has a config that lists the calls.
        self.model = keras.Model(model.inputs, model.outputs)
        self.image_shape = image_shape
        self.known: dict[tuple, keras.KerasTensor] = {}

    def macs(self) -> int:
        pending = [
            (self.model.get_layer(layer["name"]), number, call)
            for layer in self.model.get_config()["layers"]
            for number, call in enumerate(layer["inbound_nodes"] or [None])
        ]
        total = 0
        while pending:
            waiting = []
            for layer, number, call in pending:
                try:
                    args, kwargs = self._arguments(call)
                except KeyError:  # What it reads was not reached yet.
                    waiting.append((layer, number, call))
                    continue
                made = self._output(layer, args, kwargs)
                for index, tensor in enumerate(keras.tree.flatten(made)):
                    self.known[layer.name, number, index] = tensor
                total += _multiplied(layer, args, made)
            pending = waiting
        return total

    def _arguments(self, call):
        if call is None:
            return (), {}
        return self._tensors(call["args"]), self._tensors(call["kwargs"])

    def _tensors(self, value):
        """Puts the known tensors in the place of the config's; KeyError where one is not known."""
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                return self.known[tuple(value["config"]["keras_history"])]
            return {key: self._tensors(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._tensors(item) for item in value]
        return value

    def _output(self, layer, args, kwargs):
        if isinstance(layer, keras.layers.InputLayer):
            shape = (1, *self.image_shape, *layer.batch_shape[3:])
            return keras.KerasTensor(shape, layer.dtype)
        return layer.compute_output_spec(*args, **kwargs)


def _multiplied(layer, args, made) -> int:
    """Returns the multiply-adds of one call of a layer.

    Raises:
        InputError: the layer has a kernel, or parts that may have one, and is not known.
    """
    if isinstance(layer, CONVOLUTIONS):
        counted = made
    elif isinstance(layer, TRANSPOSED):
        counted = args
    elif isinstance(layer, keras.Model) or any(len(w.shape) > 1 for w in layer.weights):
        raise InputError(
            f"cost does not know layer {layer.name!r} ({type(layer).__name__}); add it to "
            "cen_keras/metrics/cost.py."
        )
    else:
        return 0
    places = sum(int(np.prod(tensor.shape[1:-1])) for tensor in keras.tree.flatten(counted))
    return places * int(np.prod(layer.kernel.shape))
