"""Translator: several image domains of one view into another domain, with channel exchange.

The networks are here, how they are trained is in `cen_keras.models.adversarial`.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers.fusion import FUSED
from cen_keras.models.adversarial import AdversarialTraining
from cen_keras.models.generator import Generator
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
        exchange_threshold: theta of Eq. 6, or None for no exchange.
        exchange_scope: "all" lets every channel below the threshold be replaced, which is what the
            official code does and its checkpoints need; "subpart" only a modality's own part, as
            the paper draws it.
        sparsity: lambda of Eq. 4, counted once per step (the official factor is 1e-3).
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
        InputError: an argument that does not fit; see `Generator` and `PatchDiscriminator`.

    Example:
        >>> model = Translator(("reshading", "edge_texture"), target="rgb", sparsity=1e-3)
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
        super().__init__(**kwargs)
        self.generator = Generator(
            modalities,
            base_filters=base_filters,
            depth=depth,
            exchange_threshold=exchange_threshold,
            exchange_scope=exchange_scope,
            sparsity=sparsity,
            sparsity_scope=sparsity_scope,
            gamma_initializer=gamma_initializer,
            gamma_constraint=gamma_constraint,
            input_channels=input_channels,
            output_channels=output_channels,
            image_shape=image_shape,
            fusion=fusion,
            fusion_stage=fusion_stage,
            fusion_protocol=fusion_protocol,
            fusion_options=fusion_options,
            exchange_criterion=exchange_criterion,
            shared_filters=shared_filters,
            shared_norms=shared_norms,
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
    def exchange_scope(self) -> str:
        """Which channels may be replaced: "all" or "subpart"."""
        return self.generator.exchange_scope

    def build(self, input_shape=None):
        """Both parts are built by the constructor."""
        self.built = True

    def call(self, images, training=None):
        """Runs the generator."""
        return self.generator(images, training=training)

    def judge(self, images, made):
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
