"""Seeded weights for tests: norms that look trained, with about half of the penalised channels below the threshold."""

import keras
import numpy as np

from cen_keras.layers import ModalityNorm
from cen_keras.models import Segmenter
from cen_keras.models.presets import presets


def batch_norm():
    """The norm of the project's backbones."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def each(layer, streams):
    """One layer, called on every stream."""
    return {m: layer(x) for m, x in streams.items()}


def trained_looking(model, seed=0, share=0.5, negative=0.1):
    """Gives every norm of a model random scales, shifts and statistics, and the ensemble uneven weights."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, ModalityNorm):
            for norm in layer.norms:
                channels = norm.gamma.shape[0]
                gamma = rng.uniform(0.2, 1, channels)
                if layer.exchange_threshold is not None:
                    gamma = np.where(rng.random(channels) < share, gamma * 0.01, gamma)
                norm.gamma.assign(np.where(rng.random(channels) < negative, -gamma, gamma))
                norm.beta.assign(rng.normal(0, 0.1, channels))
                norm.moving_mean.assign(rng.normal(0, 0.1, channels))
                norm.moving_variance.assign(rng.uniform(0.5, 1.5, channels))
    alpha = model.get_layer("ensemble").alpha
    alpha.assign(rng.uniform(-1, 1, alpha.shape))
    return model


def preset_model(name):
    """A preset with its own weights, or where it comes without any, one that looks trained."""
    if presets()[name].weights is None:
        return trained_looking(Segmenter.from_preset(name, num_classes=13))
    return Segmenter.from_preset(name)


def make_variables(model):
    """Makes what a compiled model's first step would make: TensorFlow traces a step that makes variables twice."""
    model.optimizer.build(model.trainable_variables)
    logits = {
        name: keras.ops.zeros((1, 1, 1, tensor.shape[-1])) for name, tensor in model.output.items()
    }
    model.compute_loss(y=keras.ops.zeros((1, 1, 1), "int32"), y_pred=logits)


def images(model, size, batch=1, seed=0):
    """Random float32 images for every input of a model."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=(batch, *size, tensor.shape[-1])).astype("float32")
        for name, tensor in model.input.items()
    }


def outputs_of(model, name):
    """Returns modality -> output of a layer that a model calls once for each of its streams, in their order."""
    layer = model.get_layer(name)
    # A lifted network's own layers were called on the plain network first.
    calls = layer._inbound_nodes[-len(model.modalities) :]
    return {m: call.outputs[0] for m, call in zip(model.modalities, calls, strict=True)}
