"""What a network costs: its trainable parameters, and the multiply-adds of one view."""

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.graph import Graph

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
        model: a functional model, for instance a `Segmenter`; of a
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
    return {"parameters": parameters, "macs": _macs(model, tuple(image_shape))}


def _macs(model: keras.Model, image_shape: tuple[int, int]) -> int:
    """Passes shapes through a functional model, call by call, and adds up what each multiplies."""
    total = 0

    def measure(call, values):
        nonlocal total
        args, kwargs = call.fill(values.__getitem__)
        made = call.operation.compute_output_spec(*args, **kwargs)
        total += _multiplied(call.operation, args, made)
        return keras.tree.flatten(made)

    graph = Graph(model)
    images = [
        keras.KerasTensor((1, *image_shape, tensor.shape[-1]), "float32") for tensor in graph.inputs
    ]
    graph.run(images, measure)
    return total


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
