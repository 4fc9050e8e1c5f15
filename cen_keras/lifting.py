"""Lift: a plain Keras network of one image becomes the same network over M streams (CEN Section 3.3).

CEN needs three things of a network: the same filters for every modality, a private norm for each, an exchange after
some norms. Calling one Keras layer twice shares its filters, so lifting replays a network's calls on every stream:

    in the plain network                          in the lifted one
    a layer or operation                          the same layer, called once per stream
    a norm                                        ModalityNorm: a private copy per modality, and at the places that
                                                  the fusion selects the exchange and the penalty
    a nested functional or Sequential model       opened: its norms become private too
    Join                                          the mean of the streams, which is the only stream from there on

    backbone = keras.applications.EfficientNetV2B0(include_top=False, weights="imagenet")
    encoder = cen_keras.lift(backbone, ("rgb", "depth"), fusion=cen_keras.Exchange(sparsity=5e-4))

Weights come along; the given network is copied and never changes.
"""

from collections.abc import Container, Sequence
from typing import Any

import keras
from keras import tree

from cen_keras.errors import InputError
from cen_keras.fusion import Fusion, Streams
from cen_keras.graph import Call, Graph, output_names
from cen_keras.layers.fit_channels import FitChannels
from cen_keras.layers.join import Join, joined
from cen_keras.layers.kinds import NORMS
from cen_keras.layers.streams import check_modalities, several
from cen_keras.modalities import Modality, modality_of


def lift(
    network: keras.Model,
    modalities: Sequence[str | Modality],
    fusion: Fusion | None = None,
    name: str | None = None,
) -> keras.Model:
    """Returns a network over one image as the same network over several modalities' images.

    Regularizers of filters count once, as the filters are one set; activity regularizers count for every stream.
    Layers that draw random numbers draw for each stream by itself.

    Args:
        network: a functional Keras model of one image (b, h, w, c), built and, if it is pretrained, with its weights.
        modalities: names or `Modality` objects, in order. A modality with other channels than the network's image is
            repeated or averaged to fit. A name without an entry in `cen_keras.modalities` has the network's channels.
        fusion: `Exchange(...)`, a strategy of `cen_keras.baselines`, or None for streams that stay apart.
        name: of the model.

    Returns:
        A functional model {modality: image} -> {modality: tensor}; with several outputs the network's own structure
        of such dicts.

    Raises:
        InputError: the network is not functional, has several inputs, or holds norms inside a layer of its own; a
            norm over another axis than the last; no norm is selected. The layer is named.

    Example:
        >>> model = cen_keras.lift(keras.applications.MobileNetV2(weights=None), ("rgb", "depth"))
        >>> model.predict({"rgb": images, "depth": metres})
    """
    graph = Graph(network)
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        raise InputError(
            f"lift takes a network of one image (b, h, w, c); {network.name!r} has inputs of shapes "
            f"{[tensor.shape for tensor in graph.inputs]}. Cut it to the part that reads the image."
        )
    shape = graph.inputs[0].shape[1:]
    described = [_of_network(modality, shape[-1]) for modality in several(modalities)]
    inputs = {m.name: keras.Input((*shape[:-1], m.channels), name=m.name) for m in described}
    lifting = Lifting([m.name for m in described], fusion or Fusion())
    outputs = lifting.run(graph, fit_images(inputs, shape[-1]))
    return keras.Model(inputs, outputs, name=name or f"{network.name}_lifted")


def fit_images(images: Streams, channels: int) -> Streams:
    """Brings the images of all modalities to the number of channels that the shared stem takes."""
    return {
        name: image
        if image.shape[-1] == channels
        else FitChannels(channels, name=f"tile_{name}")(image)
        for name, image in images.items()
    }


class Lifting:
    """Replays plain networks on streams, so that one layer serves all streams and every call.

    Args:
        modalities: names of the streams, in order.
        fusion: decides on filters, norms and where streams meet.
        copy: False takes the network's own layers instead of copies, for one that nobody else holds.

    Attributes:
        frozen: False lets norms learn their statistics whatever the fusion says, for a network that has none yet.
    """

    def __init__(self, modalities: Sequence[str], fusion: Fusion, copy: bool = True):
        self.modalities = check_modalities(modalities)
        self.fusion = fusion
        self.copy = copy
        self.frozen = True
        self._layers: dict[tuple[int, tuple[str, ...]], Any] = {}
        # Copies that take their weights once they are built: (copy, original).
        self._copies: list[tuple[Any, Any]] = []

    def run(
        self,
        graph: Graph,
        streams: Streams | Sequence[Streams],
        places: Sequence[str] | None = None,
        skipped: Container[str] = (),
        stages: int | None = None,
    ) -> Any:
        """Replays a network.

        Args:
            graph: of the network.
            streams: modality -> tensor, for each of its inputs.
            places: names of the norms at which the streams meet; None asks the fusion.
            skipped: names of calls that are left out: what they read is passed on.
            stages: at how many of the network's outputs, from the first on, the streams may meet; None for all.

        Returns:
            Streams in the structure of the network's outputs.
        """
        _check(graph)
        places = self.fusion.places(graph) if places is None else places
        outputs = graph.flat_outputs
        named = dict(list(zip(outputs, output_names(graph.outputs), strict=True))[:stages])
        norm = next((call.operation for call in graph.calls if call.is_a(*NORMS)), None)
        given: dict = {}

        def replay(call, values):
            if call.name in skipped:
                return [values[call.inputs[0]]]
            made = self._call(call, values, call.name in places)
            for index, tensor in enumerate(call.outputs):
                if tensor in named:
                    number = outputs.index(tensor) + 1
                    made[index], given[tensor] = self.fusion.meet(
                        made[index], number, len(named), named[tensor], norm
                    )
            return made

        inputs = [streams] if isinstance(streams, dict) else streams
        made = graph.run(inputs, replay)
        flat = [given.get(tensor, value) for tensor, value in zip(outputs, made, strict=True)]
        return tree.pack_sequence_as(graph.outputs, flat)

    def names(self, streams: Streams) -> tuple[str, ...]:
        """Returns the streams' names in the order of the modalities; a fused stream stands alone."""
        known = tuple(name for name in self.modalities if name in streams)
        return known or tuple(streams)

    def layer_names(self) -> tuple[str, ...]:
        """Returns the names of the layers that were made so far, private filters among them."""
        made = self._layers.values()
        flat = [one for layers in made for one in tree.flatten(layers)]
        return tuple(dict.fromkeys(o.name for o in flat if isinstance(o, keras.layers.Layer)))

    def _call(self, call: Call, values: dict, place: bool) -> list[Streams]:
        """Returns the streams that a call of the plain network gives."""
        names = self.names(values[call.inputs[0]])
        if any(self.names(values[tensor]) != names for tensor in call.inputs):
            raise InputError(
                f"{call.name!r} reads a stream that a Join has made one beside streams that are apart; put a Join "
                "on each of its inputs."
            )
        if call.is_a(*NORMS):
            norm = self._norm(call, names, place)
            _, kwargs = call.fill(lambda tensor: None)
            return [norm(values[call.inputs[0]], training=kwargs.get("training"))]
        if call.is_a(Join):
            return [joined(values[call.inputs[0]], call.name)]
        layers = self._filters(call, names)
        made = {}
        for name in names:
            args, kwargs = call.fill(lambda tensor, name=name: values[tensor][name])
            made[name] = tree.flatten(layers[name](*args, **kwargs))
        while self._copies:
            _take_weights(*self._copies.pop())
        return [{name: made[name][index] for name in names} for index in range(len(call.outputs))]

    def _filters(self, call: Call, names: tuple[str, ...]) -> dict[str, Any]:
        def copy(suffix=""):
            if not isinstance(call.operation, keras.layers.Layer):
                return call.operation
            if not (self.copy or suffix):
                # `layer.output` is then of the lifted network, not of the plain one that nobody holds.
                call.operation._inbound_nodes.clear()
                return call.operation
            made = _copy(call.operation, f"{call.name}{suffix}")
            self._copies.append((made, call.operation))
            return made

        key = (id(call.operation), names)
        if key not in self._layers:
            self._layers[key] = self.fusion.filters(call.operation, names, copy)
        return self._layers[key]

    def _norm(self, call: Call, names: tuple[str, ...], place: bool) -> keras.layers.Layer:
        key = (id(call.operation), names)
        if key not in self._layers:
            dtype = call.operation.dtype_policy
            layer = self.fusion.norm(call.operation, names, place, name=call.name, dtype=dtype)
            layer.freeze_statistics = layer.freeze_statistics and self.frozen
            shape = call.operation.get_build_config()["input_shape"]
            layer.build(dict.fromkeys(names, tuple(shape)))
            own_scales = place and self.fusion.gamma_initializer is not None
            for norm in layer.norms:
                _take_named(norm, call.operation, but=("gamma",) if own_scales else ())
            self._layers[key] = layer
        return self._layers[key]


def _of_network(modality: str | Modality, channels: int) -> Modality:
    described = modality_of(modality)
    known = isinstance(modality, Modality) or described != Modality(described.name)
    return described if known else Modality(described.name, channels=channels)


def _check(graph: Graph) -> None:
    """Refuses layers whose norms cannot be made private."""
    for call in graph.calls:
        if call.is_a(*NORMS) or not isinstance(call.operation, keras.layers.Layer):
            continue
        inside = [part for part in call.operation._flatten_layers() if isinstance(part, NORMS)]
        if inside:
            raise InputError(
                f"{call.name!r} ({type(call.operation).__name__}) holds the norm {inside[0].name!r} inside its own "
                "call, where no modality can have a copy. Build it as a functional model of layers: a nested one is "
                "opened."
            )


def _copy(layer: keras.layers.Layer, name: str) -> keras.layers.Layer:
    """Returns a fresh layer with the settings of a given one."""
    try:
        return type(layer).from_config({**layer.get_config(), "name": name})
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InputError(
            f"{name!r} ({type(layer).__name__}) cannot be copied from its config ({error}); give the class a "
            "get_config with all arguments of its constructor."
        ) from error


def _take_weights(layer: keras.layers.Layer, source: keras.layers.Layer) -> None:
    """Gives a fresh copy the weights of the layer that it was copied from."""
    layer.set_weights(source.get_weights())
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()


def _take_named(norm: keras.layers.Layer, source: keras.layers.Layer, but: tuple[str, ...]) -> None:
    """Gives a private norm the weights of the plain one that have the same names."""
    weights = {weight.name: weight for weight in source.weights}
    for weight in norm.weights:
        if weight.name in weights and weight.name not in but:
            # Through NumPy: on JAX two variables of one buffer cannot both be updated in place.
            weight.assign(keras.ops.convert_to_numpy(weights[weight.name]))
