"""The backbone of a Segmenter: a plain network of one image, the places of its features, and its preprocessing."""

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.features import LEVELS, find_features, preprocessing_of
from cen_keras.errors import InputError
from cen_keras.fusion import Streams
from cen_keras.graph import Graph
from cen_keras.layers.kinds import affine_of
from cen_keras.lifting import Lifting
from cen_keras.modalities import Modality, modality_of
from cen_keras.models.pretrained import load_pretrained
from cen_keras.plugins import find

STEM_CHANNELS = 3


class Encoder:
    """A plain network cut to its feature maps.

    Args:
        backbone: a name in `BACKBONES` or of a plug-in, or a functional Keras network of one image.
        features: level -> name of the layer whose output it is; None finds them.
        weights: of a backbone given by its name: "imagenet", a file, or None.

    Attributes:
        borrowed: whether somebody else holds the network, so that its layers must be copied.
        channels: of the image that it takes.
        graph: of the network, its outputs {level: tensor}.

    Raises:
        InputError: an unknown name, or a network without feature maps at the four strides.
    """

    def __init__(
        self,
        backbone: str | keras.Model,
        features: Mapping[str, str] | None = None,
        weights: str | None = None,
    ):
        self.borrowed = not isinstance(backbone, str)
        if self.borrowed:
            if weights is not None:
                raise InputError(
                    f"weights={weights!r} is of a backbone given by its name; a network comes with its own."
                )
            self.graph = Graph(backbone)
            names = find_features(self.graph) if features is None else features
            if set(names) != set(LEVELS):
                raise InputError(
                    f"features names the layers of {', '.join(LEVELS)}; found {dict(names)!r}."
                )
            self.graph.cut(dict(names))
        else:
            if features is not None:
                raise InputError(
                    f"features={dict(features)!r} is of a network; a backbone given by name, {backbone!r}, has its own."
                )
            build = find("backbone", backbone, BACKBONES)
            image = keras.Input((None, None, STEM_CHANNELS), name="image")
            network = keras.Model(image, build(image), name=backbone)
            if weights is not None:
                load_pretrained(network, weights)
            self.graph = Graph(network)
        self.channels = self.graph.inputs[0].shape[-1]
        self._preprocessing = preprocessing_of(self.graph)

    @property
    def shapes(self) -> dict[str, tuple[None, None, int]]:
        """Level -> shape of its map, without the batch; its height and width are left open."""
        return {
            level: (None, None, tensor.shape[-1]) for level, tensor in self.graph.outputs.items()
        }

    def described(self, modality: str | Modality | Mapping) -> Modality:
        """Returns a modality; a colour image that is given by its name is normalised as the network does it."""
        found = modality_of(modality)
        if not self._preprocessing or modality != "rgb":
            return found
        # (image * scale - mean) / std = factor * image + offset
        factor, offset = np.ones(self.channels), np.zeros(self.channels)
        for call in self._preprocessing:
            a, b = affine_of(call.operation)
            factor, offset = factor * a, offset * a + b
        std = found.scale / factor
        return dataclasses.replace(
            found, mean=tuple(map(float, -offset * std)), std=tuple(map(float, std))
        )

    def lifted(self, lifting: Lifting, images: Streams) -> dict[str, Streams]:
        """Returns level -> streams of the network without its preprocessing."""
        skipped = [call.name for call in self._preprocessing]
        return lifting.run(self.graph, images, skipped=skipped)
