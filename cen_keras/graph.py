"""A functional Keras model as a list of calls, nested models included: what lifting, freezing and counting walk.

    graph = Graph(model)
    graph.run(inputs, lambda call, values: ...)

Keras keeps the graph of a functional model but offers no way to replay it on anything but tensors. Here every call
of a layer or operation is an entry in the order in which they can be computed, with symbolic tensors in the place of
its arguments; a nested functional or Sequential model is opened, so that its layers stand in the list by themselves.
"""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import tree

from cen_keras.errors import InputError


@dataclasses.dataclass(eq=False)
class Tensor:
    """A symbolic tensor.

    Attributes:
        shape: as in the model, None where it is not known; inside a nested model as in that one.
        producer: the call that computes it, None for an input.
        readers: the calls that take it as an argument, each once.
    """

    shape: tuple[int | None, ...]
    producer: "Call | None" = None
    readers: list["Call"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Call:
    """One call of a layer or operation.

    Attributes:
        operation: the `keras.layers.Layer` or `keras.Operation` that is called.
        name: its name; a layer of a nested model whose name is taken has the nested model's name in front.
        arguments: (args, kwargs) with a `Tensor` in the place of each symbolic tensor.
        inputs: these tensors.
        outputs: what it gives, flat.
    """

    operation: Any
    name: str
    arguments: tuple[tuple, dict]
    inputs: list[Tensor]
    outputs: list[Tensor]

    def fill(self, value_of: Callable[[Tensor], Any]) -> tuple[tuple, dict]:
        """Returns args and kwargs with `value_of(tensor)` in the place of each tensor."""
        return tree.map_structure(
            lambda leaf: value_of(leaf) if isinstance(leaf, Tensor) else leaf, self.arguments
        )

    def is_a(self, *classes: type) -> bool:
        """Whether the operation is of one of these classes."""
        return isinstance(self.operation, classes)


class Graph:
    """The calls of a functional model.

    Attributes:
        inputs: tensors, in the order of `model.inputs`.
        calls: in an order in which they can be computed; an InputLayer is none.
        outputs: tensors in the structure of the model's outputs.

    Raises:
        InputError: `model` is a subclassed model, whose calls Keras does not know, or a Sequential one
            that is not built.
    """

    def __init__(self, model: keras.Model):
        self.calls: list[Call] = []
        self._names: dict[str, Any] = {}
        model = functional(model)
        self.inputs = [Tensor(tuple(x.shape)) for x in model.inputs]
        flat = self._open(model, self.inputs, prefix="", training=None)
        self.outputs = tree.pack_sequence_as(model.output, flat)

    @property
    def flat_outputs(self) -> list[Tensor]:
        """The outputs without their structure."""
        return tree.flatten(self.outputs)

    def cut(self, outputs: dict[str, str]) -> None:
        """Leaves what the outputs of some calls need.

        Args:
            outputs: name of an output -> name of the call whose first output it becomes.

        Raises:
            InputError: there is no call of a name.
        """
        calls = {call.name: call for call in self.calls}
        unknown = [name for name in outputs.values() if name not in calls]
        if unknown:
            raise InputError(f"there is no layer {unknown[0]!r}; known are {', '.join(calls)}.")
        self.outputs = {key: calls[name].outputs[0] for key, name in outputs.items()}
        needed, pending = set(), [tensor.producer for tensor in self.flat_outputs]
        while pending:
            call = pending.pop()
            if call is not None and call not in needed:
                needed.add(call)
                pending += [tensor.producer for tensor in call.inputs]
        self.calls = [call for call in self.calls if call in needed]
        for tensor in (*self.inputs, *(made for call in self.calls for made in call.outputs)):
            tensor.readers = [call for call in tensor.readers if call in needed]

    def run(
        self, inputs: Sequence[Any], function: Callable[[Call, dict[Tensor, Any]], Sequence[Any]]
    ) -> list[Any]:
        """Evaluates the graph on values of any kind.

        Args:
            inputs: a value for each input.
            function: gets a call and the values so far, by tensor; returns a value for each output of the call.

        Returns:
            The values of the outputs, flat.
        """
        values = dict(zip(self.inputs, inputs, strict=True))
        for call in self.calls:
            values.update(zip(call.outputs, function(call, values), strict=True))
        return [values[tensor] for tensor in self.flat_outputs]

    def _open(self, model, inputs: list[Tensor], prefix: str, training) -> list[Tensor]:
        """Appends the calls of a functional model on given inputs; returns its outputs, flat."""
        tensors = dict(zip(map(id, model.inputs), inputs, strict=True))
        # Keras' own order of evaluation: by depth, from the inputs on.
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                args, kwargs = tree.map_structure(
                    lambda leaf: tensors[id(leaf)] if isinstance(leaf, keras.KerasTensor) else leaf,
                    (node.arguments.args, node.arguments.kwargs),
                )
                shapes = [tuple(x.shape) for x in node.outputs]
                outputs = self._call(node.operation, args, kwargs, shapes, prefix, training)
                tensors.update(zip(map(id, node.outputs), outputs, strict=True))
        return [tensors[id(x)] for x in model.outputs]

    def _call(self, operation, args, kwargs, shapes, prefix, training) -> list[Tensor]:
        # What a nested model is called with stands above what its layers were called with, as in Keras.
        training = kwargs.get("training") if training is None else training
        if isinstance(operation, keras.Model):
            nested = functional(operation)
            given = [x for x in tree.flatten((args, kwargs)) if isinstance(x, Tensor)]
            return self._open(nested, given, f"{prefix}{operation.name}_", training)
        if training is not None and _takes_training(operation):
            kwargs = {**kwargs, "training": training}
        inputs = [x for x in tree.flatten((args, kwargs)) if isinstance(x, Tensor)]
        name = self._name(operation, prefix)
        call = Call(operation, name, (args, kwargs), inputs, [Tensor(shape) for shape in shapes])
        for tensor in call.outputs:
            tensor.producer = call
        for tensor in dict.fromkeys(inputs):
            tensor.readers.append(call)
        self.calls.append(call)
        return call.outputs

    def _name(self, operation, prefix: str) -> str:
        name = operation.name
        if self._names.setdefault(name, operation) is not operation:
            name = f"{prefix}{name}"
            self._names.setdefault(name, operation)
        return name


def output_names(outputs: Any) -> list[str]:
    """Returns a name for each output of a model, flat: its keys joined by "_", or "output" for the only one."""
    return ["_".join(map(str, path)) or "output" for path, _ in tree.flatten_with_path(outputs)]


def functional(model) -> keras.Model:
    """Returns the functional model behind a model.

    Raises:
        InputError: there is none.
    """
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs, model.outputs[0], name=model.name)
    if not hasattr(model, "_nodes_by_depth"):
        raise InputError(
            f"{model.name!r} ({type(model).__name__}) is not a functional Keras model, so its calls are not known. "
            "Build it as keras.Model(inputs, outputs) of layers; a Sequential model needs an Input."
        )
    return model


def _takes_training(operation) -> bool:
    return (
        isinstance(operation, keras.layers.Layer)
        and "training" in inspect.signature(operation.call).parameters
    )
