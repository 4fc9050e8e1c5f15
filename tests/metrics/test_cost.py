"""Parameters and multiply-adds: against hand arithmetic, and against those that freezing counts."""

import keras
import numpy as np
import pytest
from seeded import batch_norm, each

from cen_keras.errors import InputError
from cen_keras.layers import ModalityNorm
from cen_keras.metrics.cost import cost
from cen_keras.models import Segmenter, Translator
from deploy.freeze import freeze_with_report

BOTH = ("rgb", "depth")


def segmenter(**options):
    return Segmenter(
        BOTH, num_classes=3, backbone="narrow", decoder_options={"filters": 8}, **options
    )


def test_a_tiny_model_by_hand():
    inputs = {name: keras.Input((None, None, 3), name=name) for name in BOTH}
    x = each(keras.layers.ZeroPadding2D(1), inputs)
    x = each(keras.layers.Conv2D(4, 3, strides=2, use_bias=False), x)
    x = ModalityNorm(BOTH, batch_norm())(x)
    one = keras.layers.DepthwiseConv2D(3, padding="same")(x["rgb"])
    two = keras.layers.Conv2DTranspose(5, 4, strides=2, padding="same")(x["depth"])
    two = keras.layers.GlobalAveragePooling2D()(two)
    model = keras.Model(inputs, {"one": one, "two": keras.layers.Dense(2)(two)})
    # At 8x12 the maps are 4x6 = 24 places.
    shared = 2 * 24 * (3 * 3 * 3 * 4)  # two streams, one kernel
    depthwise = 24 * (3 * 3 * 4)
    transposed = 24 * (4 * 4 * 5 * 4)  # the kernel for every place that goes in
    dense = 5 * 2
    counted = cost(model, (8, 12))
    assert counted["macs"] == shared + depthwise + transposed + dense
    # Kernel; gamma and beta of two norms; each of the others with its bias.
    assert counted["parameters"] == 108 + 2 * 8 + (36 + 4) + (320 + 5) + (10 + 2)
    # An odd size is rounded up by a stride of 2.
    assert cost(model, (7, 11)) == counted


@pytest.mark.parametrize("modalities", [("rgb", "normal"), BOTH])
def test_a_segmenter_costs_what_freezing_counts(modalities):
    model = Segmenter(modalities, 3, backbone="narrow", decoder_options={"filters": 8})
    _, report = freeze_with_report(model, image_shape=(64, 96))
    # Freezing reads a tiled image of one channel once; the net as built, three times.
    tiled = (32 * 48) * (3 * 3 * 2 * 24) if "depth" in modalities else 0
    assert cost(model, (64, 96))["macs"] == report["macs"]["before"] + tiled


def test_a_translator_costs_what_its_generator_does():
    model = Translator(("rgb", "normal"), "depth", base_filters=4, discriminator_filters=4, depth=4)
    _, report = freeze_with_report(model, image_shape=(32, 48))
    counted = cost(model, (32, 48))
    assert counted["macs"] == report["macs"]["before"]
    generator = model.generator
    kept = sum(np.asarray(w).size for w in generator.non_trainable_weights)
    assert counted["parameters"] == generator.count_params() - kept
    assert counted["parameters"] < model.count_params() - kept


def test_the_second_stream_doubles_the_work_and_adds_norms_alone():
    alone = Segmenter(("rgb",), 3, backbone="narrow", decoder_options={"filters": 8})
    one, two = cost(alone, (64, 96)), cost(segmenter(), (64, 96))
    assert two["macs"] == 2 * one["macs"]
    # Gamma and beta of every channel of every norm, and one weight of the ensemble.
    norms = sum(
        2 * layer.scales()[0].shape[0] for layer in alone.layers if isinstance(layer, ModalityNorm)
    )
    assert two["parameters"] == one["parameters"] + norms + 1


def test_the_walk_leaves_the_model_as_it_was():
    model = segmenter()
    before = model.get_config()
    cost(model, (64, 96))
    assert model.get_config() == before
    assert cost(model, (64, 96)) == cost(model, (64, 96))


def test_a_nested_model_costs_what_its_layers_do():
    image = keras.Input((8, 8, 3))
    nested = keras.Model(image, keras.layers.Conv2D(2, 1)(image), name="inner")
    counted = cost(keras.Model(image, nested(image)), (8, 8))
    assert counted == {"parameters": 3 * 2 + 2, "macs": 64 * 3 * 2}


def test_what_it_cannot_count_is_said():
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], 2))

        def call(self, x):
            return x @ self.matrix

    image = keras.Input((8, 8, 3))
    with pytest.raises(InputError, match=r"does not know layer .*Own"):
        cost(keras.Model(image, Own()(image)), (8, 8))
    with pytest.raises(InputError, match="functional"):
        cost(keras.Sequential([keras.layers.Dense(2)]), (8, 8))
