"""The generator of the Translator: U-Net over streams, with channel exchange and ensemble."""

import keras

from cen_keras.backbones.unet import unet
from cen_keras.errors import InputError
from cen_keras.layers import ModalityEnsemble
from cen_keras.layers.fusion import Fusion
from cen_keras.layers.stream_layers import StreamLayers, scale_initializer
from cen_keras.layers.streams import check_modalities

MAX_MODALITIES = 4
LEAST_DEPTH = 3


def check_images(images, modalities: tuple[str, ...], channels: int, depth: int) -> None:
    """Checks the shapes of the images of all modalities, as far as they are known.

    Raises:
        InputError: a modality is missing, the images differ in size, have another number of
            channels, or a size that `depth` halvings do not divide; the next good one is named.
    """
    missing = [name for name in modalities if name not in images]
    if missing:
        raise InputError(
            f"the generator wants an image of each of {', '.join(modalities)}; "
            f"{', '.join(missing)} is missing."
        )
    shapes = {name: tuple(images[name].shape) for name in modalities}
    wrong = [name for name, shape in shapes.items() if len(shape) != 4]
    if wrong:
        raise InputError(
            f"{wrong[0]}: an image batch has the shape (batch, height, width, channels); found "
            f"{shapes[wrong[0]]}."
        )
    for name, shape in shapes.items():
        if shape[3] not in (None, channels):
            way_out = " Repeat a grey image three times." if shape[3] == 1 else ""
            raise InputError(
                f"{name}: has {shape[3]} channels, the generator wants {channels}.{way_out}"
            )
    sizes = {name: shape[1:3] for name, shape in shapes.items() if None not in shape[1:3]}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {h}x{w}" for name, (h, w) in sizes.items())
        raise InputError(f"the images of a view must have one height and width; found {listed}.")
    check_size(next(iter(sizes.values()), (None, None)), depth)


def check_size(size: tuple[int | None, int | None], depth: int) -> None:
    """Checks that a height and width can be halved `depth` times.

    Raises:
        InputError: they cannot; the next good size is named.
    """
    step = 2**depth
    if any(side is not None and (side < step or side % step) for side in size):
        good = ["any" if side is None else str(-(-side // step) * step) for side in size]
        raise InputError(
            f"images of {size[0]}x{size[1]} cannot be halved {depth} times: height and width must "
            f"be multiples of {step}. The next good size is {good[0]}x{good[1]}; or take fewer "
            "levels with `depth`."
        )


@keras.saving.register_keras_serializable("cen_keras")
class Generator(keras.Model):
    """Images of several domains in, the target domain out: once per stream, and their ensemble.

    Called on `{modality: (b, h, w, c)}` float32 in -1..1 it gives `{modality: image, ...,
    "ensemble": image}`, each (b, h, w, 3) in -1..1. Height and width are multiples of 2^depth.

    Args:
        modalities: names of the inputs, one to four, in order.
        base_filters: width of the first level; doubles to eight times that.
        depth: levels of the U-Net.
        exchange_threshold: theta of Eq. 6, or None for no exchange.
        exchange_scope: "all" (the official code) or "subpart" (the paper's figure).
        sparsity: lambda, of the penalty on the scales of the exchanging norms.
        sparsity_scope: "subpart" or "all".
        gamma_initializer: of the exchanging norms' scales: a number or a Keras initializer.
        gamma_constraint: of the exchanging norms' scales.
        input_channels: of every input.
        output_channels: of the target.
        image_shape: (height, width), either may be None.
        fusion: "exchange" is CEN; for comparison "none", "average", "concat", "attention" or "align"
            (see `cen_keras.layers.fusion`), all without exchange and penalty.
        fusion_stage: where these meet: "early", "middle", "late" or "all".
        fusion_protocol: "same_setting" or "common"; see `Segmenter`.
        fusion_options: of the method.
        exchange_criterion: "gamma", or for comparison "random".
        shared_filters: False gives every modality its own.
        shared_norms: True gives all modalities one norm; needs exchange_threshold=None.

    Raises:
        InputError: more than four modalities, a depth below three, or an image size that the depth
            does not allow; on calling, images that do not fit.
    """

    def __init__(
        self,
        modalities,
        base_filters=64,
        depth=8,
        exchange_threshold=1e-2,
        exchange_scope="all",
        sparsity=0.0,
        sparsity_scope="subpart",
        gamma_initializer="ones",
        gamma_constraint=None,
        input_channels=3,
        output_channels=3,
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
        modalities = check_modalities(modalities)
        if len(modalities) > MAX_MODALITIES:
            raise InputError(
                f"a Translator takes one to {MAX_MODALITIES} modalities; found {len(modalities)}."
            )
        if depth < LEAST_DEPTH or base_filters < 1:
            raise InputError(
                f"depth is at least {LEAST_DEPTH} and base_filters at least 1; found depth "
                f"{depth}, base_filters {base_filters}."
            )
        check_size(tuple(image_shape), depth)
        # Resolved once, so that all norms and the config hold the same ones.
        gamma_initializer = scale_initializer(gamma_initializer)
        gamma_constraint = keras.constraints.get(gamma_constraint)

        # === Layers and functional model ===
        fusion = Fusion(fusion, fusion_stage, fusion_protocol, dict(fusion_options or {}))
        layers = StreamLayers(
            modalities,
            exchange_threshold=exchange_threshold,
            exchange_scope=exchange_scope,
            sparsity=sparsity,
            sparsity_scope=sparsity_scope,
            gamma_initializer=gamma_initializer,
            gamma_constraint=gamma_constraint,
            norm_kind="instance",
            exchange_criterion=exchange_criterion,
            shared_filters=shared_filters,
            shared_norms=shared_norms,
            fusion=fusion,
        )
        inputs = {
            name: keras.Input((*image_shape, input_channels), name=name) for name in modalities
        }
        images = unet(
            layers, inputs, filters=base_filters, depth=depth, output_channels=output_channels
        )
        streams = layers.names(images)
        ensemble = ModalityEnsemble(streams, dtype="float32", name="ensemble")(images)
        super().__init__(inputs=inputs, outputs={**images, "ensemble": ensemble}, **kwargs)

        # === Config ===
        self.modalities = modalities
        # Names of the outputs beside the ensemble: the modalities, or the one fused stream.
        self.streams = streams
        self.base_filters = base_filters
        self.depth = depth
        self.exchange_threshold = exchange_threshold
        self.exchange_scope = exchange_scope
        self.sparsity = sparsity
        self.sparsity_scope = sparsity_scope
        self.gamma_initializer = gamma_initializer
        self.gamma_constraint = gamma_constraint
        self.input_channels = input_channels
        self.output_channels = output_channels
        self.image_shape = tuple(image_shape)
        self.fusion = fusion
        self.exchange_criterion = exchange_criterion
        self.shared_filters = shared_filters
        self.shared_norms = shared_norms

    def __call__(self, images, *args, **kwargs):
        """Checks the images before Keras does, whose messages name no way out."""
        if isinstance(images, dict):
            check_images(images, self.modalities, self.input_channels, self.depth)
        return super().__call__(images, *args, **kwargs)

    def check_image_shape(self, image_shape: tuple[int, int]) -> None:
        """Checks a height and width against the depth; raises an InputError with the next good ones."""
        check_size(image_shape, self.depth)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "modalities": self.modalities,
            "base_filters": self.base_filters,
            "depth": self.depth,
            "exchange_threshold": self.exchange_threshold,
            "exchange_scope": self.exchange_scope,
            "sparsity": self.sparsity,
            "sparsity_scope": self.sparsity_scope,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
            "input_channels": self.input_channels,
            "output_channels": self.output_channels,
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
    def from_config(cls, config, custom_objects=None):
        """Builds the generator from `get_config`."""
        return cls(**config)
