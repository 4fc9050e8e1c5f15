"""From a trained functional Keras model to the channel graph; each layer by its rule."""

import keras

from cen_keras.errors import InputError

from .builder import Graph
from .ir import View
from .rules import RULES, Rule


class Lowering:
    """Replays a functional model on views.

    Args:
        model: a functional Keras model over `modalities`.
        modalities: names of its inputs, in the order of the model.
        image_shape: (height, width) of the inputs.
        join_ensemble: fold the ensemble into one classifier over all streams; for when no stream is
            wanted by itself.
    """

    def __init__(
        self,
        model: keras.Model,
        modalities: tuple[str, ...],
        image_shape: tuple[int, int],
        join_ensemble: bool,
    ):
        self.graph = Graph()
        self.model = model
        self.modalities = modalities
        self.image_shape = image_shape
        self.join_ensemble = join_ensemble
        # What flows along each edge: (layer, node, tensor) -> view, and which stream it belongs to.
        self.views: dict[tuple[str, int, int], View] = {}

    def run(self) -> dict[str, View]:
        """Returns the view of each of the model's outputs."""
        # A plain functional model over the same layers has a config that lists the calls.
        plain = keras.Model(self.model.inputs, self.model.outputs)
        config = plain.get_config()
        pending = [
            (plain.get_layer(layer["name"]), number, call)
            for layer in config["layers"]
            for number, call in enumerate(layer["inbound_nodes"] or [None])
        ]
        while pending:
            waiting = []
            for layer, number, call in pending:
                try:
                    args, kwargs = self._arguments(call)
                except KeyError:
                    waiting.append((layer, number, call))
                    continue
                result = self._rule(layer)(self, layer, args, kwargs)
                for index, view in enumerate(keras.tree.flatten(result)):
                    self.views[layer.name, number, index] = view
            pending = waiting
        outputs = [self.views[tuple(history)] for history in _histories(config["output_layers"])]
        return dict(zip(_output_names(self.model), outputs, strict=True))

    @staticmethod
    def _rule(layer) -> Rule:
        name = type(layer).__name__
        if name not in RULES:
            raise InputError(
                f"freeze does not know layer {layer.name!r} ({name}). It takes "
                f"{', '.join(sorted(RULES))}; add a rule to deploy/graph/rules.py."
            )
        return RULES[name]

    def _arguments(self, call):
        if call is None:
            return (), {}
        args = _replace_tensors(call["args"], self.views)
        return args, _replace_tensors(call["kwargs"], self.views)

    def stream_of(self, view: View) -> int | None:
        """The modality a view works for: that of its last own node."""
        return view.nodes[0].stream

    def each(self, streams: dict[str, View] | View, function) -> dict[str, View] | View:
        """Applies `function(view, stream index)` to every stream, in the order of the modalities,
        or to the one that is given.
        """
        if isinstance(streams, View):
            return function(streams, self.stream_of(streams))
        return {
            name: function(streams[name], index)
            for index, name in enumerate(self.modalities)
            if name in streams
        }


def _histories(spec) -> list:
    """Flattens an `output_layers` entry to [layer, node, tensor] triples in the order of the
    outputs.
    """
    if isinstance(spec, dict):
        return [h for key in sorted(spec) for h in _histories(spec[key])]
    if spec and isinstance(spec[0], str):
        return [spec]
    return [h for entry in spec for h in _histories(entry)]


def _output_names(model: keras.Model) -> list[str]:
    """The keys of a dict of outputs in flattened order."""
    return sorted(model.output) if isinstance(model.output, dict) else list(model.output_names)


def _replace_tensors(value, views):
    """Puts views in the place of the serialised tensors; raises KeyError where one is not computed
    yet.
    """
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return views[tuple(value["config"]["keras_history"])]
        return {key: _replace_tensors(item, views) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replace_tensors(item, views) for item in value]
    return value
