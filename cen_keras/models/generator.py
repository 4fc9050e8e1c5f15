"""The generator of the Translator: a U-Net, lifted, with channel exchange in its encoder and an ensemble."""

from collections.abc import Mapping, Sequence

import keras

from cen_keras.backbones.unet import ENCODER_NORMS, unet_decoder, unet_encoder
from cen_keras.baselines import fusion_of
from cen_keras.errors import InputError
from cen_keras.fusion import Exchange, Fusion
from cen_keras.graph import Graph
from cen_keras.layers import ModalityEnsemble
from cen_keras.layers.streams import several
from cen_keras.lifting import Lifting
from cen_keras.modalities import Modality, modality_of

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


OFFICIAL_EXCHANGE = Exchange(threshold=1e-2, scope="all")
"""What the official code does: every channel below the threshold is replaced."""


@keras.saving.register_keras_serializable("cen_keras")
class Generator(keras.Model):
    """Images of several domains in, the target domain out: once per stream, and their ensemble.

    Called on `{modality: (b, h, w, c)}` float32 in -1..1 it gives `{modality: image, ...,
    "ensemble": image}`, each (b, h, w, 3) in -1..1. Height and width are multiples of 2^depth.

    Args:
        modalities: names or `Modality` objects of the inputs, one to four, in order.
        base_filters: width of the first level; doubles to eight times that.
        depth: levels of the U-Net.
        fusion: what the streams do with each other, as for `Segmenter`; by default it exchanges after the norms of
            the encoder.
        input_channels: of every input.
        output_channels: of the target.
        image_shape: (height, width), either may be None.
        name: of the model.
        trainable: whether `fit` changes any weights.

    Raises:
        InputError: more than four modalities, a depth below three, or an image size that the depth
            does not allow; on calling, images that do not fit.
    """

    def __init__(
        self,
        modalities: Sequence[str | Modality],
        base_filters: int = 64,
        depth: int = 8,
        fusion: Fusion | str | Mapping | None = OFFICIAL_EXCHANGE,
        input_channels: int = 3,
        output_channels: int = 3,
        image_shape: tuple[int | None, int | None] = (None, None),
        name: str | None = None,
        trainable: bool = True,
    ):
        modalities = tuple(modality_of(modality).name for modality in several(modalities))
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

        # === Layers ===
        fusion = fusion_of(fusion)
        encoder, decoder = _halves(base_filters, depth, input_channels, output_channels)
        lifting = Lifting(modalities, fusion, copy=False)

        # === Functional model ===
        inputs = {
            name: keras.Input((*image_shape, input_channels), name=name)
            for name in lifting.modalities
        }
        places = fusion.places(encoder, ENCODER_NORMS)
        # The deepest features are nobody's skip: there the streams do not meet.
        features = lifting.run(encoder, inputs, places, stages=depth - 1)
        images = lifting.run(decoder, features, places=(), stages=0)
        streams = lifting.names(images)
        ensemble = ModalityEnsemble(streams, dtype="float32", name="ensemble")(images)
        outputs = {**images, "ensemble": ensemble}
        # Keras would swallow an argument that it does not know.
        super().__init__(inputs=inputs, outputs=outputs, name=name, trainable=trainable)

        # === Config ===
        self.modalities = lifting.modalities
        # Names of the outputs beside the ensemble: the modalities, or the one fused stream.
        self.streams = streams
        self.base_filters = base_filters
        self.depth = depth
        self.fusion = fusion
        self.input_channels = input_channels
        self.output_channels = output_channels
        self.image_shape = tuple(image_shape)

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
            "fusion": self.fusion.get_config(),
            "input_channels": self.input_channels,
            "output_channels": self.output_channels,
            "image_shape": self.image_shape,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the generator from `get_config`."""
        return cls(**config)


def _halves(filters: int, depth: int, channels: int, output_channels: int) -> tuple[Graph, Graph]:
    """Returns encoder and decoder of a plain U-Net."""
    image = keras.Input((None, None, channels), name="image")
    features = unet_encoder(image, filters=filters, depth=depth)
    encoder = keras.Model(image, features, name="encoder")
    maps = [keras.Input(feature.shape[1:]) for feature in features]
    made = unet_decoder(maps, filters=filters, output_channels=output_channels)
    return Graph(encoder), Graph(keras.Model(maps, made, name="decoder"))
