"""lift: every stream computes what the plain network computes on its image; norms private, filters shared."""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from plain_networks import norm_parameters, perturbed, pictures, relative, three

import cen_keras
import cen_keras.baselines
from cen_keras.backbones import BACKBONES
from cen_keras.errors import InputError
from cen_keras.fusion import Exchange, Fusion
from cen_keras.layers import ModalityNorm

APPLICATIONS = (
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetV2B0",
    "ResNet50",
    "DenseNet121",
    "ConvNeXtTiny",
)
SIZE = 64


@functools.cache
def application(name):
    build = getattr(keras.applications, name)
    return perturbed(build(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)))


def own(name):
    image = keras.Input((SIZE, SIZE, 3))
    return perturbed(keras.Model(image, BACKBONES[name](image), name=name))


def marked(name):
    """Marks networks that are more of what smaller ones are."""
    if re.search("101|152", name):
        return pytest.param(name, marks=pytest.mark.slow)
    large = re.search("50_dilated|ResNet50|ConvNeXt|lite[12]|mobilenet_l", name)
    return pytest.param(name, marks=pytest.mark.gate) if large else name


@pytest.mark.parametrize("name", list(map(marked, (*APPLICATIONS, *BACKBONES))))
def test_streams_equal_the_plain_network_and_only_the_norms_are_more(name):
    network = application(name) if name in APPLICATIONS else own(name)
    lifted = cen_keras.lift(network, ("rgb", "depth"))
    x = pictures(lifted)
    made = lifted.predict(x, verbose=0)
    for stream, image in x.items():
        plain = network.predict(three(image), verbose=0)
        found = keras.tree.map_structure_up_to(plain, lambda part, s=stream: part[s], made)
        differences = keras.tree.map_structure(relative, found, plain)
        # The same kernels in the same order on the same numbers; the bound.
        assert max(keras.tree.flatten(differences)) <= 1e-6
    # lift shares all but the norms: one more set of them for the second modality.
    assert lifted.count_params() == network.count_params() + norm_parameters(network)


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_modalities(count):
    network = own("narrow")
    names = ("rgb", "depth", "thermal")[:count]
    lifted = cen_keras.lift(network, names, Exchange(sparsity=0.1))
    assert list(lifted.input) == list(names)
    assert lifted.count_params() == network.count_params() + (count - 1) * norm_parameters(network)
    # One modality has nothing to exchange and nothing to spare.
    norms = [layer for layer in lifted.layers if isinstance(layer, ModalityNorm)]
    assert bool(lifted.losses) == (count > 1)
    assert any(norm.exchange_threshold for norm in norms) == (count > 1)


def tiny(image):
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = keras.layers.BatchNormalization(name="stem_norm")(x)
    x = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    return keras.layers.Conv2D(4, 1, name="head")(x)


def network_of(build, channels=3):
    image = keras.Input((8, 8, channels))
    return keras.Model(image, build(image))


def test_training_the_lifted_network_leaves_the_given_one_as_it_was():
    network = perturbed(network_of(tiny))
    before = [np.array(weight) for weight in network.variables]
    lifted = cen_keras.lift(network, ("rgb", "depth"), Exchange(sparsity=0.01))
    lifted.compile(keras.optimizers.SGD(0.1), loss={"rgb": "mse", "depth": "mse"})
    x = pictures(lifted)
    y = {name: np.zeros((2, 8, 8, 4), "float32") for name in x}
    lifted.fit(x, y, epochs=2, verbose=0)
    for kept, weight in zip(before, network.variables, strict=True):
        np.testing.assert_array_equal(kept, np.array(weight))
    moved = {weight.path: np.array(weight) for weight in lifted.weights}
    assert not np.array_equal(moved["stem/kernel"], np.array(network.get_layer("stem").kernel))


def test_scales_at_the_places_start_anew_and_others_keep_the_networks():
    network = perturbed(network_of(tiny))
    lifted = cen_keras.lift(network, ("rgb", "depth"), Exchange(gamma_initializer=0.3))
    norm, stem = lifted.get_layer("norm"), lifted.get_layer("stem_norm")
    assert norm.exchange_threshold == 2e-2 and stem.exchange_threshold is None
    for name in ("rgb", "depth"):
        np.testing.assert_array_equal(np.array(norm.norm(name).gamma), np.float32(0.3))
        for part in ("beta", "moving_mean", "moving_variance"):
            source = getattr(network.get_layer("norm"), part)
            np.testing.assert_array_equal(np.array(getattr(norm.norm(name), part)), source)
        np.testing.assert_array_equal(
            np.array(stem.norm(name).gamma), np.array(network.get_layer("stem_norm").gamma)
        )


def test_a_norms_own_settings_and_regularizers_stay():
    def build(image):
        x = keras.layers.Conv2D(4, 1, name="a")(image)
        x = keras.layers.Conv2D(4, 1, name="b")(x)
        x = keras.layers.BatchNormalization(
            epsilon=0.1,
            momentum=0.5,
            center=False,
            scale=False,
            name="bare",
        )(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.Conv2D(4, 1, name="c")(x)
        x = keras.layers.BatchNormalization(
            gamma_regularizer=keras.regularizers.L2(0.25), name="penalised"
        )(x)
        x = keras.layers.ReLU()(x)
        return keras.layers.Conv2D(4, 1, name="d")(x)

    lifted = cen_keras.lift(
        network_of(build), ("rgb", "depth"), Exchange(sparsity=0.5, where="bare|penalised")
    )
    bare = lifted.get_layer("bare").norm("depth")
    assert (bare.epsilon, bare.momentum, bare.center) == (0.1, 0.5, False)
    # A selected norm without scales gets scales of 1: there must be something to compare.
    np.testing.assert_array_equal(np.array(bare.gamma), 1)
    # Scales of one: 0.5 * the own halves of both norms and modalities, and 0.25 * 4 for each copy's L2.
    penalty = 0.5 * 2 * (2 + 2) + 0.25 * 4 * 2
    assert float(sum(lifted.losses)) == pytest.approx(penalty, rel=1e-6)  # a dozen float32 terms


def test_nested_models_are_opened_and_their_training_argument_is_kept():
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 1, name="inner_conv"),
            keras.layers.BatchNormalization(name="inner_norm"),
            keras.layers.Dropout(0.5, name="inner_dropout"),
        ],
        name="inner",
    )
    image = keras.Input((8, 8, 3))
    # Dropout that stays on: the idiom of Monte Carlo estimates.
    network = perturbed(keras.Model(image, keras.layers.ReLU()(inner(image, training=True))))
    lifted = cen_keras.lift(network, ("rgb", "depth"))
    assert isinstance(lifted.get_layer("inner_norm"), ModalityNorm)
    x = pictures(lifted)
    first, second = lifted(x, training=None), lifted(x, training=None)
    # 512 draws of one in two: the same by chance once in 2^512.
    assert not np.array_equal(np.array(first["rgb"]), np.array(second["rgb"]))


def test_a_layer_that_is_used_twice_is_one_layer_and_a_norm_one_norm():
    def build(image):
        conv = keras.layers.Conv2D(3, 3, padding="same", name="conv")
        norm = keras.layers.BatchNormalization(name="norm")
        x = norm(conv(image))
        y = norm(conv(keras.layers.ReLU()(x)))
        return keras.layers.Multiply()([x, y * 0.5 + 1.0])

    network = perturbed(network_of(build))
    lifted = cen_keras.lift(network, ("rgb", "depth"))
    assert lifted.count_params() == network.count_params() + 4 * 3
    x = pictures(lifted)
    for stream, image in x.items():
        made = lifted.predict(x, verbose=0)[stream]
        assert relative(made, network.predict(three(image), verbose=0)) <= 1e-6  # as above


def test_random_layers_draw_for_each_stream_by_itself():
    network = network_of(lambda image: keras.layers.Dropout(0.5, seed=3)(image))
    lifted = cen_keras.lift(network, ("a", "b"))
    ones = np.ones((1, 8, 8, 3), "float32")
    made = lifted({"a": ones, "b": ones}, training=True)
    # 192 draws of one in two: the same by chance once in 2^192.
    assert not np.array_equal(np.array(made["a"]), np.array(made["b"]))


def test_kernel_regularizers_count_once_and_activity_regularizers_for_every_stream():
    def build(image):
        x = keras.layers.Conv2D(
            2,
            1,
            use_bias=False,
            kernel_initializer="ones",
            kernel_regularizer=keras.regularizers.L1(1.0),
        )(image)
        return keras.layers.ActivityRegularization(l1=1.0)(x)

    lifted = cen_keras.lift(network_of(build), ("a", "b", "c"))
    ones = {name: np.ones((1, 8, 8, 3), "float32") for name in "abc"}
    lifted(ones, training=True)
    # 3 * 2 kernel numbers once; 64 pixels of 2 channels of 3 for each of three streams.
    assert float(sum(lifted.losses)) == pytest.approx(6 + 3 * 64 * 2 * 3)


def test_a_lifted_network_is_loaded_without_custom_objects(tmp_path):
    lifted = cen_keras.lift(
        perturbed(network_of(tiny)), ("zeta", "alpha"), Exchange(sparsity=0.1, scope="all")
    )
    lifted.save(tmp_path / "lifted.keras")
    again = keras.models.load_model(tmp_path / "lifted.keras")
    # The order of the modalities is the norms', not that of the alphabet.
    assert again.get_layer("norm").modalities == ("zeta", "alpha")
    x = pictures(lifted)
    before, after = lifted.predict(x, verbose=0), again.predict(x, verbose=0)
    for name in x:
        np.testing.assert_array_equal(before[name], after[name])
    assert float(sum(again.losses)) == pytest.approx(float(sum(lifted.losses)))


def test_several_outputs_keep_the_networks_structure():
    network = network_of(lambda image: {"a": [tiny(image)], "b": keras.layers.ReLU()(image)})
    lifted = cen_keras.lift(network, ("rgb", "depth"))
    assert keras.tree.map_structure(lambda t: t.shape[-1], lifted.output) == {
        "a": [{"rgb": 4, "depth": 4}],
        "b": {"rgb": 3, "depth": 3},
    }


def test_images_of_other_channels_are_repeated_or_averaged():
    six = cen_keras.Modality("six", channels=6)
    lifted = cen_keras.lift(network_of(lambda image: keras.layers.ReLU()(image)), ("nir", six))
    x = {"nir": np.full((1, 8, 8, 1), 2.0), "six": np.ones((1, 8, 8, 1)) * np.arange(6.0)}
    made = lifted.predict(x, verbose=0)
    np.testing.assert_array_equal(made["nir"][0, 0, 0], [2, 2, 2])
    np.testing.assert_array_equal(made["six"][0, 0, 0], [0.5, 2.5, 4.5])


def test_mixed_precision_keeps_scales_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = network_of(tiny)
    finally:
        keras.config.set_dtype_policy(before)
    lifted = cen_keras.lift(network, ("rgb", "depth"), Exchange())
    norm = lifted.get_layer("norm")
    assert {norm.norm(name).gamma.dtype for name in norm.modalities} == {"float32"}
    assert {score.dtype for score in norm.exchange_scores()} == {"float32"}
    x = {name: image / 255 for name, image in pictures(lifted).items()}
    assert str(keras.backend.standardize_dtype(lifted(x)["rgb"].dtype)) == "float16"


class Hidden(keras.layers.Layer):
    """A layer with a norm inside its own call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(name="secret")

    def call(self, x):
        return self.norm(x)


class Subclassed(keras.Model):
    """A model without a graph."""

    def call(self, x):
        return x


def _refused():
    image = keras.Input((8, 8, 3))
    second = keras.Input((8, 8, 3))
    over_rows = keras.layers.BatchNormalization(axis=1, name="over_rows")
    return {
        "not a functional": Subclassed(name="subclassed"),
        "'secret'": keras.Model(image, Hidden(name="hidden")(image)),
        "over_rows": keras.Model(image, over_rows(image)),
        "of one image": keras.Model([image, second], image + second),
    }


@pytest.mark.parametrize("message", ["not a functional", "'secret'", "over_rows", "of one image"])
def test_what_cannot_be_lifted_is_refused_by_name(message):
    with pytest.raises(InputError, match=message):
        cen_keras.lift(_refused()[message], ("rgb", "depth"))


def test_a_fusion_is_read_back_from_its_config():
    fusion = Exchange(threshold=0.1, sparsity=0.2, scope="all", gamma_initializer=0.3)
    again = cen_keras.baselines.fusion_of(fusion.get_config())
    assert type(again) is Exchange and again.get_config() == fusion.get_config()
    with pytest.raises(InputError, match="function"):
        Fusion(where=lambda name: True).get_config()


@pytest.mark.gate
def test_two_replicas_take_the_steps_of_one():
    script = Path(__file__).with_name("run_lifted_on_replicas.py")
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, script], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["replicas"] == 2
    for path, (moved, apart) in result["weights"].items():
        # Sums of two halves and of a whole: 1e-5 of the change is some hundred float32 roundings of it; weights of
        # size 1 that move by 1e-2 are themselves rounded to 6e-8.
        assert moved > 0 and apart <= max(1e-5 * moved, 1.2e-7), path
