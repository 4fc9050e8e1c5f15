"""Translator: several image domains of one view into another domain, with channel exchange.

The networks are here, how they are trained is in `cen_keras.models.adversarial`.
"""

import keras
from keras import ops

from cen_keras.baselines import FUSED
from cen_keras.errors import InputError
from cen_keras.fusion import Fusion
from cen_keras.models.adversarial import AdversarialTraining
from cen_keras.models.generator import OFFICIAL_EXCHANGE, Generator
from cen_keras.models.patch_gan import PatchDiscriminator


@keras.saving.register_keras_serializable("cen_keras")
class Translator(AdversarialTraining, keras.Model):
    """A Channel-Exchanging Network for image translation (Wang et al., NeurIPS 2020, Section 4.2).

    A U-Net generator runs every domain through the same filters with its own instance norms and
    exchanges channels in the encoder; a PatchGAN, shared by the domains, judges each stream's image
    beside the input it came from; a softmax-weighted ensemble joins the streams. The two parts are
    `generator` and `discriminator`; calling the Translator calls the generator.

    Called on `{"shade": (b, h, w, 3), "texture": (b, h, w, 3)}` float32 in -1..1 it gives
    `{"shade": image, "texture": image, "ensemble": image}`. Height and width are multiples of
    2^depth. Every domain has three channels, as in the official code; one of one channel is repeated
    (see `cen_keras.data.image_domains`).

    Args:
        modalities: names of the inputs, one to four, in order.
        target: name of the domain that comes out.
        base_filters: width of the generator's first level.
        discriminator_filters: width of the discriminator's first level.
        depth: levels of the U-Net; 8 is pix2pix's U-Net-256.
        fusion: what the streams do with each other, as for `Segmenter`. By default every channel below 1e-2 is
            replaced, which is what the official code does and its checkpoints need; the paper draws
            `Exchange(scope="subpart")`. The official factor of the penalty is 1e-3.
        input_channels: of every input.
        output_channels: of the target.
        image_shape: (height, width), either may be None.

    Raises:
        InputError: an argument that does not fit; see `Generator` and `PatchDiscriminator`.

    Example:
        >>> model = Translator(("reshading", "edge_texture"), target="rgb")
        >>> model.compile()
        >>> model.fit(loader, epochs=300)
    """

    def __init__(
        self,
        modalities=("reshading", "edge_texture"),
        target="rgb",
        base_filters=64,
        discriminator_filters=64,
        depth=8,
        fusion=OFFICIAL_EXCHANGE,
        input_channels=3,
        output_channels=3,
        image_shape=(None, None),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = Generator(
            modalities,
            base_filters=base_filters,
            depth=depth,
            fusion=fusion,
            input_channels=input_channels,
            output_channels=output_channels,
            image_shape=image_shape,
            name="generator",
        )
        if not target or target in (*self.generator.modalities, "ensemble"):
            raise InputError(
                f"target {target!r} must be another domain than the inputs "
                f'{", ".join(self.generator.modalities)}, and not "ensemble".'
            )
        self.target = target
        self.discriminator_filters = discriminator_filters
        self.discriminator = PatchDiscriminator(
            discriminator_filters, input_channels + output_channels, name="discriminator"
        )
        self.built = True

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return self.generator.modalities

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the outputs beside the ensemble: the modalities, or the one fused stream."""
        return self.generator.streams

    @property
    def fusion(self) -> Fusion:
        """What the streams do with each other."""
        return self.generator.fusion

    def build(self, input_shape=None):
        """Both parts are built by the constructor."""
        self.built = True

    def call(self, images, training=None):
        """Runs the generator."""
        return self.generator(images, training=training)

    def discriminate(self, images, made):
        """Returns the discriminator's logits for every stream, (M, b, h', w', 1) float32.

        Args:
            images: modality -> (b, h, w, c), the conditions.
            made: one image (b, h, w, c) for all streams, or stream -> image; a fused stream's image is
                judged beside each condition.
        """
        if not isinstance(made, dict):
            made = {FUSED: made}
        pairs = [
            ops.concatenate([images[name], made.get(name, made.get(FUSED))], axis=-1)
            for name in self.modalities
        ]
        logits = self.discriminator.logits(ops.concatenate(pairs, axis=0))
        return ops.reshape(logits, (len(pairs), -1, *ops.shape(logits)[1:]))

    def get_config(self):
        """Returns the constructor's arguments."""
        config = self.generator.get_config()
        return {
            **config,
            "name": self.name,
            "trainable": self.trainable,
            "target": self.target,
            "discriminator_filters": self.discriminator_filters,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the Translator from `get_config`."""
        return cls(**config)
