"""Functional models as others write them: further inputs, calls by keyword, names that meet, heads of any form."""

import keras
import numpy as np
import pytest
from seeded import batch_norm, each, images

import cen_keras
from cen_keras.errors import InputError
from cen_keras.layers import ModalityEnsemble, ModalityNorm
from deploy.freeze import freeze, freeze_with_report

layers = keras.layers
SIZE = (16, 16)
STREAMS = ("rgb", "depth")
# float32 sums of at most 9 * 24 terms in another order, over four layers at most: 4 * 216 * 6e-8 if
# all roundings went one way, their root otherwise; a channel in a wrong place moves a tenth or more.
BOUND = 1e-5


def lifted(build, modalities=STREAMS):
    image = keras.Input((*SIZE, 3))
    return cen_keras.lift(keras.Model(image, build(image)), modalities, fusion=None)


def assert_same(model, plain):
    x = images(model, SIZE)
    expected = model(x, training=False)
    found = plain({name: x[name] for name in plain.input})
    assert found
    for name, value in found.items():
        wanted = np.asarray(expected[name])
        assert np.abs(wanted).max() > 0
        assert np.abs(np.asarray(value) - wanted).max() <= BOUND * np.abs(wanted).max()


def with_ensemble(inputs, streams):
    ensemble = ModalityEnsemble(STREAMS, name="ensemble")
    model = keras.Model(inputs, {**streams, "ensemble": ensemble(streams)})
    ensemble.alpha.assign([0.8, -0.5])
    return model


def transposed(inputs):
    return each(layers.Conv2DTranspose(4, 2, strides=2), each(layers.MaxPooling2D(2), inputs))


def of_two_kernel_sizes(inputs):
    return {
        m: layers.Conv2D(4, taps, padding="same")(inputs[m])
        for m, taps in zip(STREAMS, (3, 1), strict=True)
    }


def of_two_strides(inputs):
    head = layers.Conv2D(4, 3, padding="same")(layers.MaxPooling2D(2)(inputs["depth"]))
    return {"rgb": layers.Conv2D(4, 3, 2, padding="same")(inputs["rgb"]), "depth": head}


@pytest.mark.parametrize(
    ("heads", "joined"), [(transposed, True), (of_two_kernel_sizes, False), (of_two_strides, False)]
)
def test_heads_of_one_form_become_one_and_others_are_added(heads, joined):
    inputs = {m: keras.Input((*SIZE, 3), name=m) for m in STREAMS}
    model = with_ensemble(inputs, heads(inputs))
    plain = freeze(model, "ensemble")
    assert_same(model, plain)
    kinds = [type(layer).__name__ for layer in plain.layers]
    assert kinds.count("Conv2DTranspose") == (1 if joined else 0)
    assert kinds.count("Add") == (0 if joined else 1)


def reading(extra, onto):
    """Two streams behind an exchange, each joined with a further input."""
    inputs = {m: keras.Input((*SIZE, 3), name=m) for m in STREAMS}
    x = each(layers.Conv2D(6, 3, padding="same", name="conv"), inputs)
    norm = ModalityNorm(STREAMS, batch_norm(), exchange_threshold=0.1, name="norm")
    x = norm(x)
    norm.norm("rgb").gamma.assign([0, 1, 1, 1, 1, 1])
    x = {m: layers.Conv2D(4, 1)(layers.Concatenate()([x[m], onto(extra)])) for m in STREAMS}
    return keras.Model({**inputs, extra.name: extra}, x)


def test_an_input_that_is_no_modality_stays_an_input():
    model = reading(keras.Input((*SIZE, 1), name="mask"), layers.Identity())
    plain, report = freeze_with_report(model)
    assert_same(model, plain)
    assert report["inputs"] == ["rgb", "depth", "mask"] and set(plain.input) == {*STREAMS, "mask"}


def test_inputs_that_are_no_images_of_one_size_are_named():
    pose = keras.Input((SIZE[0] * SIZE[1],), name="pose")
    with pytest.raises(InputError, match=r"'pose' has shape \(None, 256\); wanted an image"):
        freeze(reading(pose, layers.Reshape((*SIZE, 1))), image_shape=SIZE)
    small = keras.Input((8, 8, 1), name="small")
    with pytest.raises(InputError, match=r"'small' \(8, 8\).*wanted one height and width"):
        freeze(reading(small, layers.UpSampling2D(2)), image_shape=SIZE)


def called_by_keyword(x):
    x = layers.Conv2D(8, 3, padding="same", name="first")(inputs=x)
    a = layers.Conv2D(8, 1, name="a")(inputs=x)
    x = layers.Add(name="add")(inputs=[a, layers.ReLU(name="relu")(inputs=x)])
    x = layers.UpSampling2D(2, name="kept")(inputs=x)
    return layers.Conv2D(4, 1, name="head")(inputs=x)


def test_layers_may_be_called_by_keyword():
    model = lifted(called_by_keyword)
    plain, report = freeze_with_report(model)
    assert report["opaque"] == ["kept"]
    assert_same(model, plain)


def two_pools_on_one_map(x):
    x = layers.Conv2D(8, 3, padding="same", name="conv")(x)
    pools = [layers.MaxPooling2D(n, 1, "same", name=f"pool{n}")(x) for n in (5, 7)]
    return layers.Conv2D(4, 1, name="output")(layers.Concatenate(name="join")([x, *pools]))


# What is numbered, a large pool's rows and a stream's layer are called as something of the other stream.
@pytest.mark.parametrize("other", ["rgb_2", "rgb_rows", "conv_rgb"])
def test_names_are_told_apart(other):
    model = lifted(two_pools_on_one_map, ("rgb", other))
    plain = freeze(model)
    assert_same(model, plain)
    # Exports find an output by its last layer's name, whatever the trained layers are called.
    assert type(plain.get_layer("output_rgb")).__name__ == "Identity"


def test_a_depthwise_convolution_of_unequal_strides_is_kept():
    def build(x):
        x = layers.Conv2D(8, 1, name="conv")(x)
        x = layers.Conv2D(8, 3, (2, 1), padding="same", groups=8, name="grouped")(x)
        return layers.Conv2D(4, 1, name="head")(x)

    model = lifted(build)
    plain, report = freeze_with_report(model)
    assert report["opaque"] == ["grouped"]
    assert_same(model, plain)


def test_a_model_whose_calls_are_not_known_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(InputError, match="Own.* is not a functional Keras model"):
        freeze(Own(), image_shape=SIZE)
