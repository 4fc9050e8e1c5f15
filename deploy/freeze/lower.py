"""From a trained functional Keras model to the channel graph; each layer by its rule, or as it is."""

import inspect

import keras

from cen_keras.errors import InputError
from cen_keras.graph import Call, Graph

from . import stream_rules  # noqa: F401 - registers its rules
from .builder import PlainGraph
from .ir import OpaqueCall, View
from .rules import RULES


class Lowering:
    """Replays a functional model on views.

    Args:
        model: a functional Keras model over `modalities`.
        modalities: names of its inputs, in the order of the model.
        image_shape: (height, width) of the inputs.
        join_ensemble: fold the ensemble into one classifier over all streams; for when no stream is
            wanted by itself.

    Attributes:
        graph: the nodes.
        name: of the call that is lowered at the moment.
        opaque: names of the layers that are emitted as they were.
        steps: (call, its views) in order.
    """

    def __init__(
        self,
        model: keras.Model,
        modalities: tuple[str, ...],
        image_shape: tuple[int, int],
        join_ensemble: bool,
    ):
        self.graph = PlainGraph()
        self.model = model
        self.modalities = modalities
        self.image_shape = image_shape
        self.join_ensemble = join_ensemble
        self.name = ""
        self.opaque: dict[str, None] = {}
        self.steps: list[tuple[Call, list[View]]] = []

    def run(self) -> list[View]:
        """Returns the views of the model's outputs, flat."""
        calls = Graph(self.model)
        images = [
            self.graph.input(name, self._stream(name), tensor.shape[-1], self.image_shape)
            for name, tensor in zip(input_names(self.model), calls.inputs, strict=True)
        ]
        return calls.run(images, self._lower)

    def _stream(self, name: str) -> int | None:
        return self.modalities.index(name) if name in self.modalities else None

    def _lower(self, call: Call, values: dict) -> list[View]:
        self.name = call.name
        args, kwargs = call.fill(values.__getitem__)
        views = keras.tree.flatten(self.apply(call.operation, args, kwargs))
        self.steps.append((call, views))
        return views

    def apply(self, operation, args: tuple, kwargs: dict):
        """Returns the views that a layer or operation gives, by its rule or as an opaque call."""
        args, kwargs = _first_by_position(operation, args, kwargs)
        rule = RULES.get(type(operation))
        made = None if rule is None else rule(self, operation, args, kwargs)
        return self._opaque(operation, args, kwargs) if made is None else made

    def _opaque(self, operation, args, kwargs):
        call = OpaqueCall(operation, (args, kwargs), self.name)
        if not call.views:
            raise InputError(f"freeze: {self.name!r} reads no stream; leave it out of the model.")
        kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        symbolic = keras.tree.map_structure(_symbol, (args, kwargs))
        spec = operation.compute_output_spec(*symbolic[0], **symbolic[1])
        shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(spec)]
        if any(len(shape) < 2 or None in shape[1:] for shape in shapes):
            raise InputError(
                f"freeze: {self.name!r} ({type(operation).__name__}) gives shapes {shapes} at this image size; wanted "
                "(batch, ..., channels) of known lengths."
            )
        self.opaque[self.name] = None
        call.arguments = (args, {**kwargs, **inference(operation)})
        return keras.tree.pack_sequence_as(spec, self.graph.opaque(call, shapes))


def input_names(model: keras.Model) -> list[str]:
    """Returns the names of the inputs of a functional model, flat."""
    return [tensor.name for tensor in model.inputs]


def inference(operation) -> dict:
    """Returns the argument that makes a layer compute as in inference, where it takes one."""
    layer = isinstance(operation, keras.layers.Layer)
    takes = layer and "training" in inspect.signature(operation.call).parameters
    return {"training": False} if takes else {}


def _first_by_position(operation, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Puts what a call names, as in `Add()(inputs=[a, b])`, where the rules look for it."""
    first = next(iter(inspect.signature(operation.call).parameters), None)
    if args or first not in kwargs:
        return args, kwargs
    return (kwargs[first],), {key: value for key, value in kwargs.items() if key != first}


def _symbol(leaf):
    if not isinstance(leaf, View):
        return leaf
    return keras.KerasTensor((1, *leaf.size, len(leaf)), "float32")
