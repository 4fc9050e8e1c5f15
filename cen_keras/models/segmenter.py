"""Segmenter: RGB-D (or any M-modality) semantic segmentation with channel exchange."""

import functools

import keras

from cen_keras.backbones import BACKBONES
from cen_keras.decoders import DECODERS, options_of
from cen_keras.errors import InputError
from cen_keras.layers import ModalityEnsemble
from cen_keras.layers.fusion import Fusion
from cen_keras.layers.stream_layers import StreamLayers, scale_initializer
from cen_keras.layers.streams import check_modalities

# Modalities with one channel; every other has three unless `input_channels` says otherwise.
ONE_CHANNEL = ("depth", "depth_euclidean", "edge_texture", "edge_occlusion")
STEM_CHANNELS = 3


def input_channels_of(modality: str, given: dict[str, int] | None = None) -> int:
    """Returns the number of channels of a modality's images: 1 or 3."""
    channels = (given or {}).get(modality, 1 if modality in ONE_CHANNEL else STEM_CHANNELS)
    if channels not in (1, STEM_CHANNELS):
        raise InputError(
            f"modality {modality!r} may have 1 or {STEM_CHANNELS} channels; found {channels}."
        )
    return channels


def look_up(table: dict, name: str, kind: str):
    """Returns `table[name]`, or raises an InputError that lists what there is."""
    if name not in table:
        raise InputError(f"{kind} {name!r} is unknown; choose one of {', '.join(table)}.")
    return table[name]


def decoder_of(name: str, options: dict):
    """Returns a decoder's function, bound to its options.

    Raises:
        InputError: there is no decoder of that name, or it lacks an option.
    """
    decoder = look_up(DECODERS, name, "decoder")
    known = options_of(decoder)
    unknown = sorted(set(options) - set(options if known is None else known))
    if unknown:
        raise InputError(
            f"decoder {name!r} has no option {', '.join(unknown)}; it has "
            f"{', '.join(known) or 'none'}."
        )
    return functools.partial(decoder, **options)


@keras.saving.register_keras_serializable("cen_keras")
class Segmenter(keras.Model):
    """A Channel-Exchanging Network for semantic segmentation (Wang et al., NeurIPS 2020).

    Every modality runs through the same filters with its own BatchNorm; channels whose scale falls below
    `exchange_threshold` are replaced by the other modalities' (see `cen_keras.layers.exchange`); a softmax-weighted
    ensemble joins the streams. One modality alone gives the plain network, without exchange or penalty.

    Called on `{"rgb": (b, h, w, 3), "depth": (b, h, w, 1)}` float32 (rgb normalised, depth in metres unless the data
    set says otherwise) it gives `{"rgb": logits, "depth": logits, "ensemble": logits}`, each
    (b, h', w', num_classes) at the decoder's resolution: a quarter of the image's, or an eighth for
    "pspnet" on a dilated backbone.

    `compile` takes one loss for all outputs and `fit` one label tensor (b, h, w) of integers: every stream and the
    ensemble learn the same labels, as in Eq. 4.

    Args:
        modalities: names of the inputs. Their order decides which channels belong to whom, and is stored.
        num_classes: number of classes.
        backbone: a name in `cen_keras.backbones.BACKBONES`.
        decoder: a name in `cen_keras.decoders.DECODERS`.
        exchange_threshold: theta of Eq. 6, or None for no exchange.
        sparsity: lambda of Eq. 4, counted once per step; 0 for none.
        exchange_scope: "subpart" (the paper's figure) or "all" (the official code, needed for its checkpoints).
        sparsity_scope: "subpart" or "all".
        gamma_initializer: of the exchanging norms' scales: a number or a Keras initializer. Start small (0.3) where
            no pretrained scales are loaded: a scale at 1 does not reach zero in a short training.
        gamma_constraint: of the exchanging norms' scales, for instance "non_neg".
        freeze_statistics: train gamma and beta while the normalisation keeps its moving statistics.
        decoder_options: keyword arguments of the decoder, for instance {"filters": 64}.
        input_channels: modality -> 1 or 3, where the name does not tell.
        image_shape: (height, width), either may be None.
        fusion: "exchange" is CEN. For comparison "none" (the streams meet in the ensemble only), "average", "concat",
            "attention" or "align", all without exchange and penalty; see `cen_keras.layers.fusion`.
        fusion_stage: where these meet: "early", "middle", "late" or "all".
        fusion_protocol: "same_setting" (shared filters, private norms, every stream to the end) or "common" (private
            filters, one trunk behind the fusion point, whose stream is called "fused").
        fusion_options: of the method, for instance {"eta": 4} or {"kernel": "rbf", "weight": 0.1}.
        exchange_criterion: "gamma", or for comparison "random" or "variance"; see `ModalityNorm`.
        shared_filters: False gives every modality its own (an ablation of the paper).
        shared_norms: True gives all modalities one norm (an ablation of the paper); needs exchange_threshold=None.

    Raises:
        InputError: an unknown backbone, decoder, scope or modality name.

    Example:
        >>> model = Segmenter(("rgb", "depth"), num_classes=13, backbone="resnet18", sparsity=5e-3)
        >>> model.compile("adam", loss=cen_keras.losses.SegmentationLoss())
        >>> model.fit(loader, epochs=10)
    """

    def __init__(
        self,
        modalities=("rgb", "depth"),
        num_classes=13,
        backbone="resnet18",
        decoder="light_refinenet",
        exchange_threshold=2e-2,
        sparsity=0.0,
        exchange_scope="subpart",
        sparsity_scope="subpart",
        gamma_initializer="ones",
        gamma_constraint=None,
        freeze_statistics=False,
        decoder_options=None,
        input_channels=None,
        image_shape=(None, None),
        fusion="exchange",
        fusion_stage="all",
        fusion_protocol="same_setting",
        fusion_options=None,
        exchange_criterion="gamma",
        shared_filters=True,
        shared_norms=False,
        **kwargs,
    ):
        # === Layers ===
        modalities = check_modalities(modalities)
        # Resolved once, so that all norms and the config hold the same ones.
        gamma_initializer = scale_initializer(gamma_initializer)
        gamma_constraint = keras.constraints.get(gamma_constraint)
        fusion = Fusion(fusion, fusion_stage, fusion_protocol, dict(fusion_options or {}))
        layers = StreamLayers(
            modalities,
            exchange_threshold=exchange_threshold,
            exchange_scope=exchange_scope,
            sparsity=sparsity,
            sparsity_scope=sparsity_scope,
            gamma_initializer=gamma_initializer,
            gamma_constraint=gamma_constraint,
            freeze_statistics=freeze_statistics,
            exchange_criterion=exchange_criterion,
            shared_filters=shared_filters,
            shared_norms=shared_norms,
            fusion=fusion,
        )

        # === Functional model ===
        inputs, images = {}, {}
        for name in modalities:
            channels = input_channels_of(name, input_channels)
            inputs[name] = keras.Input((*image_shape, channels), name=name)
            images[name] = inputs[name]
            if channels == 1:
                images[name] = keras.layers.Concatenate(name=f"tile_{name}")(
                    [inputs[name]] * STEM_CHANNELS
                )
        build_decoder = decoder_of(decoder, decoder_options or {})
        features = look_up(BACKBONES, backbone, "backbone")(layers, images)
        logits = build_decoder(layers, features, num_classes)
        streams = layers.names(logits)
        ensemble = ModalityEnsemble(streams, name="ensemble")(logits)
        super().__init__(inputs=inputs, outputs={**logits, "ensemble": ensemble}, **kwargs)

        # === Config ===
        self.modalities = modalities
        # Names of the outputs beside the ensemble: the modalities, or the one fused stream.
        self.streams = streams
        self.num_classes = num_classes
        self.backbone = backbone
        self.decoder = decoder
        self.exchange_threshold = exchange_threshold
        self.sparsity = sparsity
        self.exchange_scope = exchange_scope
        self.sparsity_scope = sparsity_scope
        self.gamma_initializer = gamma_initializer
        self.gamma_constraint = gamma_constraint
        self.freeze_statistics = freeze_statistics
        self.decoder_options = dict(decoder_options or {})
        self.input_channels = dict(input_channels or {})
        self.image_shape = tuple(image_shape)
        self.fusion = fusion
        self.exchange_criterion = exchange_criterion
        self.shared_filters = shared_filters
        self.shared_norms = shared_norms

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """Like `keras.Model.compile`; one loss is used for every stream and the ensemble."""
        if loss is not None and not isinstance(loss, (dict, list)):
            loss = {name: loss for name in self.output}
        super().compile(optimizer=optimizer, loss=loss, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Gives the one label tensor to every output."""
        if y is not None and not isinstance(y, dict):
            y = {name: y for name in y_pred}
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Gives the one label tensor to every output's metrics."""
        if not isinstance(y, dict):
            y = {name: y for name in y_pred}
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self):
        """Returns the constructor's arguments; a loaded model takes the dtype policy in force, not the saved one."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "modalities": self.modalities,
            "num_classes": self.num_classes,
            "backbone": self.backbone,
            "decoder": self.decoder,
            "exchange_threshold": self.exchange_threshold,
            "sparsity": self.sparsity,
            "exchange_scope": self.exchange_scope,
            "sparsity_scope": self.sparsity_scope,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
            "freeze_statistics": self.freeze_statistics,
            "decoder_options": self.decoder_options,
            "input_channels": self.input_channels,
            "image_shape": self.image_shape,
            "fusion": self.fusion.method,
            "fusion_stage": self.fusion.stage,
            "fusion_protocol": self.fusion.protocol,
            "fusion_options": self.fusion.options,
            "exchange_criterion": self.exchange_criterion,
            "shared_filters": self.shared_filters,
            "shared_norms": self.shared_norms,
        }

    @classmethod
    def from_preset(cls, preset, load_weights=True, **changes):
        """Builds a model by name, with trained weights where the preset has them.

        Args:
            preset: a name in `cen_keras.models.presets.presets()`: "cen_edge_s", "cen_edge_m" or "cen_edge_l" for
                an architecture, "cen_edge_m_rooms" for trained weights.
            load_weights: False leaves a preset's weights random.
            changes: arguments of the constructor in place of the preset's, for instance `num_classes`; with trained
                weights only those that change no shape.

        Raises:
            InputError: the preset is unknown, its file is damaged, or `changes` do not fit the weights.
        """
        from cen_keras.models import presets

        return presets.build(cls, preset, load_weights, **changes)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`."""
        return cls(**config)
