"""Adversarial training in `fit`: one step of the discriminator, one of the generator (TensorFlow).

The official order: the discriminator learns first, then the generator against the new one. Where the
official code runs the generator a second time for that, the images of the first run are used: its
weights are the same, only dropout would be drawn anew.
"""

import keras
from keras import ops

from cen_keras.errors import InputError
from cen_keras.losses.translation import adversarial_loss, reconstruction_loss

LOSSES = ("loss", "discriminator_loss", "adversarial_loss", "l1_loss", "penalty")
"""What `fit` logs; `loss` is the generator's, `l1_loss` without its weight."""


def adam(learning_rate=2e-4) -> keras.optimizers.Optimizer:
    """Returns the optimiser of pix2pix and the official code: Adam with betas 0.5 and 0.999."""
    return keras.optimizers.Adam(learning_rate, beta_1=0.5, beta_2=0.999, epsilon=1e-8)


class AdversarialTraining:
    """`compile`, `fit` and `evaluate` of a model with a `generator` and a `discriminator`.

    discriminator: sum over the streams of (BCE(real) + BCE(fake)) / 2
    generator: sum over the streams of BCE, + reconstruction_weight * L1 summed over streams and
    ensemble, + the penalty on the scales, once. The ensemble's image never meets the discriminator.
    """

    def compile(
        self,
        optimizer=None,
        discriminator_optimizer=None,
        adversarial_weight=1.0,
        reconstruction_weight=100.0,
        **kwargs,
    ):
        """Prepares training.

        Args:
            optimizer: of the generator; by default `adam()`.
            discriminator_optimizer: by default `adam()`.
            adversarial_weight: of the generator's BCE; with 0 the discriminator is not trained.
            reconstruction_weight: of L1.
            **kwargs: of `keras.Model.compile`: `jit_compile`, `run_eagerly`, `steps_per_execution`.

        Raises:
            InputError: the backend is not TensorFlow, a weight is negative, or a dtype policy that
                scales losses.
        """
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                "a Translator is trained on TensorFlow; set KERAS_BACKEND=tensorflow. Inference, "
                f"loading and converting work on {keras.backend.backend()} too."
            )
        if adversarial_weight < 0 or reconstruction_weight < 0:
            raise InputError(
                "adversarial_weight and reconstruction_weight are at least 0; found "
                f"{adversarial_weight} and {reconstruction_weight}."
            )
        if self.generator.dtype_policy.compute_dtype == "float16":
            raise InputError(
                "a Translator is trained in float32 or mixed_bfloat16: its two losses would each "
                "need a scale of their own in float16."
            )
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=keras.optimizers.get(optimizer or adam()), **kwargs)
        self.discriminator_optimizer = keras.optimizers.get(discriminator_optimizer or adam())
        self.adversarial_weight = float(adversarial_weight)
        self.reconstruction_weight = float(reconstruction_weight)
        for _, optimizer, variables in self.optimizers():
            optimizer.build(variables)
        self._trackers = {name: keras.metrics.Mean(name=name) for name in LOSSES}
        self._error_trackers = {
            name: keras.metrics.Mean(name=f"{name}_mae") for name in self.generator.output
        }

    def optimizers(self) -> list:
        """Returns (name, optimiser, its variables) of both parts; a checkpoint holds their state."""
        return [
            ("optimizer", self.optimizer, self.generator.trainable_variables),
            (
                "discriminator_optimizer",
                self.discriminator_optimizer,
                self.discriminator.trainable_variables,
            ),
        ]

    @property
    def metrics(self):
        """The means that an epoch starts anew."""
        if not self.compiled:
            return []
        return [*self._trackers.values(), *self._error_trackers.values()]

    def _unpack(self, data):
        images, target, weights = keras.utils.unpack_x_y_sample_weight(data)
        if target is None or weights is not None:
            raise InputError(
                "a Translator learns from (images by modality, target image); found "
                f"{'no target' if target is None else 'sample weights, which it has no use for'}."
            )
        found, wanted = tuple(target.shape), self.generator.output["ensemble"].shape
        if len(found) != 4 or found[3] not in (None, wanted[3]):
            raise InputError(
                f"target {self.target!r}: wanted (batch, height, width, {wanted[3]}); found {found}."
            )
        return images, target

    def generator_losses(self, images, made, target) -> dict:
        """Returns the generator's losses by their names in `LOSSES`, each a scalar."""
        parts = {
            "l1_loss": reconstruction_loss(target, made),
            "penalty": sum(self.generator.losses, ops.zeros(())),
            "adversarial_loss": ops.zeros(()),
        }
        if self.adversarial_weight:
            parts["adversarial_loss"] = adversarial_loss(self.discriminate(images, made), real=True)
        parts["loss"] = (
            self.adversarial_weight * parts["adversarial_loss"]
            + self.reconstruction_weight * parts["l1_loss"]
            + parts["penalty"]
        )
        return parts

    def discriminator_loss(self, images, made, target):
        """Returns the discriminator's loss, a scalar."""
        made = {name: ops.stop_gradient(made[name]) for name in self.generator.streams}
        real = adversarial_loss(self.discriminate(images, target), real=True)
        fake = adversarial_loss(self.discriminate(images, made), real=False)
        return 0.5 * (real + fake)

    def train_step(self, data):
        """One step of the discriminator, then one of the generator."""
        import tensorflow as tf

        # The optimisers add up the replicas' gradients.
        share = 1.0 / tf.distribute.get_strategy().num_replicas_in_sync
        images, target = self._unpack(data)
        generator_weights = self.generator.trainable_variables
        with tf.GradientTape() as tape:
            made = self.generator(images, training=True)
            with tape.stop_recording():
                discriminator_loss = self._train_discriminator(tf, images, made, target, share)
            parts = self.generator_losses(images, made, target)
            scaled = parts["loss"] * share
        gradients = tape.gradient(scaled, [weight.value for weight in generator_weights])
        self.optimizer.apply(gradients, generator_weights)
        return self._log({**parts, "discriminator_loss": discriminator_loss}, made, target)

    def _train_discriminator(self, tf, images, made, target, share):
        if not self.adversarial_weight:
            return ops.zeros(())
        weights = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.discriminator_loss(images, made, target)
            scaled = loss * share
        gradients = tape.gradient(scaled, [weight.value for weight in weights])
        self.discriminator_optimizer.apply(gradients, weights)
        return loss

    def test_step(self, data):
        """The same losses without learning or dropout."""
        images, target = self._unpack(data)
        made = self.generator(images, training=False)
        parts = self.generator_losses(images, made, target)
        discriminator_loss = self.discriminator_loss(images, made, target)
        return self._log({**parts, "discriminator_loss": discriminator_loss}, made, target)

    def _log(self, parts, made, target):
        images = ops.shape(target)[0]
        for name, tracker in self._trackers.items():
            tracker.update_state(parts[name], sample_weight=images)
        for name, tracker in self._error_trackers.items():
            tracker.update_state(ops.abs(made[name] - target))
        return {metric.name: metric.result() for metric in self.metrics}

    def get_compile_config(self):
        """Returns the arguments of `compile`, so that a saved model can go on learning."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "discriminator_optimizer": keras.optimizers.serialize(self.discriminator_optimizer),
            "adversarial_weight": self.adversarial_weight,
            "reconstruction_weight": self.reconstruction_weight,
        }

    def compile_from_config(self, config):
        """Compiles a loaded model as the saved one was."""
        config = dict(config)
        for name in ("optimizer", "discriminator_optimizer"):
            config[name] = keras.optimizers.deserialize(config[name])
        self.compile(**config)
